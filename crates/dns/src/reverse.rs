//! Names of addresses: which address or network a name below `in-addr.arpa` or
//! `ip6.arpa` stands for (RFC 1035, 3.5; RFC 3596, 2.5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::key::Key;

const IPV4: &[u8] = b"\x07in-addr\x04arpa";
const IPV6: &[u8] = b"\x03ip6\x04arpa";

/// How far a name leads down.
struct Way {
    /// The address, zero from where the name ends.
    address: IpAddr,
    /// Bits that the name tells, a whole number of labels.
    bits: u8,
    /// Bits of one label.
    step: u8,
    /// Lengths of its labels with their length bytes, from the top down.
    lengths: Vec<usize>,
    /// Length of what all names of its family end with.
    suffix: usize,
    /// Whether labels are left that say nothing of an address.
    rest: bool,
}

/// The address that a name stands for, if it is all of one.
pub(crate) fn address(name: &Key) -> Option<IpAddr> {
    let way = way(name)?;
    (way.bits == width(way.address) && !way.rest).then_some(way.address)
}

/// Whether a name stands for a network rather than for an address or nothing.
pub(crate) fn is_network(name: &Key) -> bool {
    way(name).is_some_and(|way| way.bits < width(way.address) && !way.rest)
}

/// Length of the apex of the zone that holds `name` when the addresses of `ranges` are
/// named here: each range is a zone of its own, cut at the next whole label. `None`
/// when the name is in no range, or above.
pub(crate) fn apex(name: &Key, ranges: &[IpNet]) -> Option<usize> {
    // Most names are none, which the last label tells.
    let way = way(name)?;
    let holding = |net: &&IpNet| net.contains(&way.address);
    let cut = |net: &IpNet| net.prefix_len().div_ceil(way.step);
    let labels = ranges.iter().filter(holding).map(cut).min()?;
    let told = way.lengths.get(..usize::from(labels))?;
    Some(way.suffix + told.iter().sum::<usize>())
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn way(name: &Key) -> Option<Way> {
    let bytes = name.as_bytes();
    let (suffix, step) = if bytes.ends_with(IPV4) {
        (IPV4, 8)
    } else if bytes.ends_with(IPV6) {
        (IPV6, 4)
    } else {
        return None;
    };
    // A label's bytes may look like the suffix; only whole labels count.
    let mut labels: Vec<&[u8]> = Vec::new();
    let mut found = false;
    for part in name.ancestors() {
        if part == suffix {
            found = true;
            break;
        }
        let (length, rest) = part.split_first()?;
        labels.push(rest.get(..usize::from(*length))?);
    }
    if !found {
        return None;
    }
    let width: u8 = if step == 8 { 32 } else { 128 };
    let (mut bits, mut told, mut lengths) = (0, 0_u128, Vec::new());
    for label in labels.iter().rev() {
        let value = if step == 8 {
            octet(label)
        } else {
            nibble(label)
        };
        let Some(value) = value.filter(|_| bits < width) else {
            break;
        };
        bits += step;
        told |= u128::from(value) << (width - bits);
        lengths.push(label.len() + 1);
    }
    let address = if step == 8 {
        IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(told).ok()?))
    } else {
        IpAddr::V6(Ipv6Addr::from_bits(told))
    };
    Some(Way {
        address,
        bits,
        step,
        rest: lengths.len() < labels.len(),
        lengths,
        suffix: suffix.len(),
    })
}

/// A number as it is written there, without leading zeros: `01` is another name.
fn octet(label: &[u8]) -> Option<u8> {
    if label.len() > 1 && label.starts_with(b"0") || label.starts_with(b"+") {
        return None;
    }
    std::str::from_utf8(label).ok()?.parse().ok()
}

fn nibble(label: &[u8]) -> Option<u8> {
    let [digit] = label else { return None };
    let value = char::from(*digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_addresses() {
        for (name, expected) in [
            ("2.1.0.9.in-addr.arpa", Some("9.0.1.2")),
            ("2.1.0.9.IN-ADDR.ARPA", Some("9.0.1.2")),
            ("1.0.9.in-addr.arpa", None),
            ("5.2.1.0.9.in-addr.arpa", None),
            ("02.1.0.9.in-addr.arpa", None),
            ("+2.1.0.9.in-addr.arpa", None),
            ("256.1.0.9.in-addr.arpa", None),
            ("x.1.0.9.in-addr.arpa", None),
            ("in-addr.arpa", None),
            ("example.com", None),
            (
                "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.0.0.0.1.0.D.F.ip6.arpa",
                Some("fd01:b::2"),
            ),
            ("d.f.ip6.arpa", None),
        ] {
            let found = address(&Key::from_text(name).unwrap());
            assert_eq!(found, expected.map(|it| it.parse().unwrap()), "{name}");
        }
        // A dot within a label ends nothing.
        let odd = Key::from_labels([&b"9\x07in-addr"[..], b"arpa"].into_iter()).unwrap();
        assert_eq!(address(&odd), None);
    }

    #[test]
    fn the_zone_of_a_range_begins_at_a_whole_label() {
        let ranges = [
            "9.0.0.0/8",
            "10.16.0.0/12",
            "172.31.254.0/24",
            "fd01:b::/62",
        ]
        .map(|it| it.parse().unwrap());
        for (name, expected) in [
            ("2.1.0.9.in-addr.arpa", Some("9.in-addr.arpa")),
            ("x.9.in-addr.arpa", Some("9.in-addr.arpa")),
            ("9.in-addr.arpa", Some("9.in-addr.arpa")),
            ("in-addr.arpa", None),
            ("1.1.16.10.in-addr.arpa", Some("16.10.in-addr.arpa")),
            ("31.10.in-addr.arpa", Some("31.10.in-addr.arpa")),
            ("32.10.in-addr.arpa", None),
            ("10.in-addr.arpa", None),
            ("254.31.172.in-addr.arpa", Some("254.31.172.in-addr.arpa")),
            ("31.172.in-addr.arpa", None),
            ("3.0.0.0.b.0.0.0.1.0.d.f.ip6.arpa", None),
            (
                "0.3.0.0.0.0.0.0.0.b.0.0.0.1.0.d.f.ip6.arpa",
                Some("3.0.0.0.0.0.0.0.b.0.0.0.1.0.d.f.ip6.arpa"),
            ),
            ("8.8.8.8.in-addr.arpa", None),
            ("example.com", None),
        ] {
            let found = apex(&Key::from_text(name).unwrap(), &ranges);
            let expected = expected.map(|it| Key::from_text(it).unwrap().as_bytes().len());
            assert_eq!(found, expected, "{name}");
        }
    }
}
