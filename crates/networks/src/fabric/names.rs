//! Names, hardware addresses and gateways of endpoints: all follow from the endpoint, so
//! that nothing needs to be looked up to undo one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink::Mac;

/// The gateway that IPv4 containers see. It is the same for all and nobody's.
pub(crate) const GATEWAY4: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// The gateway that IPv6 containers see: each link's own end on the host.
pub(crate) const GATEWAY6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
/// Hardware address of every end on the host. Links of two do not mind, and containers
/// need not learn it. The second bit says that nobody registered it.
pub(crate) const HOST_MAC: Mac = [0x02, 0x5e, 0xa1, 0xa9, 0xe0, 0x01];

/// What the names of our links begin with; rules for Docker go by it.
pub(crate) const LINK_PREFIX: &str = "sealane";
/// What our notes on links begin with.
pub(crate) const ALIAS_PREFIX: &str = "sealane: ";
/// The kernel takes no longer note.
const LONGEST_ALIAS: usize = 255;

/// The end on the host of an endpoint's links: `sealane` and eight digits.
pub(crate) fn host_link(container: &str, ifname: &str) -> String {
    format!("{LINK_PREFIX}{:08x}", hash(container, ifname))
}

/// The end of an endpoint of Docker that Docker moves away, while it is here.
pub(crate) fn movable_link(endpoint: &str) -> String {
    format!("slmove{:08x}", hash(endpoint, "docker"))
}

/// Whether a link's name is one that [`host_link`] makes.
pub(crate) fn is_host_link(name: &str) -> bool {
    name.strip_prefix(LINK_PREFIX).is_some_and(|rest| {
        rest.len() == 8 && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// The note on the end on the host, for people and for finding what was left.
pub(crate) fn alias(owner: &str, network: &str) -> String {
    let mut alias = format!("{ALIAS_PREFIX}{owner} on {network}");
    let fits = (0..=LONGEST_ALIAS)
        .rev()
        .find(|end| alias.is_char_boundary(*end));
    alias.truncate(fits.unwrap_or(0));
    alias
}

/// A hardware address that follows from the container's own, so that a reused address
/// finds the same neighbour entries everywhere.
pub(crate) fn mac_of(addresses: &[IpNet]) -> Mac {
    let v4 = addresses.iter().find_map(|net| match net {
        IpNet::V4(net) => Some(net.addr().octets()),
        IpNet::V6(_) => None,
    });
    let [a, b, c, d] = v4.unwrap_or_else(|| {
        let text = addresses.first().map(ToString::to_string);
        hash(&text.unwrap_or_default(), "mac").to_be_bytes()
    });
    [0x02, 0x5e, a, b, c, d]
}

/// Reads a hardware address that a link can have.
pub(crate) fn parse_mac(text: &str) -> Option<Mac> {
    let mut mac = Mac::default();
    let mut parts = text.split(':');
    for byte in &mut mac {
        let digits = |part: &&str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
        let part = parts.next().filter(digits)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    let [first, ..] = mac;
    // The first bit marks groups, and all zeroes is nobody.
    (parts.next().is_none() && first & 1 == 0 && mac != Mac::default()).then_some(mac)
}

/// A hardware address as people write it.
pub(crate) fn show_mac(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// The gateway of an address.
pub(crate) fn gateway(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => GATEWAY4.into(),
        IpAddr::V6(_) => GATEWAY6.into(),
    }
}

/// An address alone, as a net of one.
pub(crate) fn alone(address: IpAddr) -> IpNet {
    IpNet::from(address)
}

/// FNV-1a, folded: even, and the same in every version, which the standard library's
/// hashes do not promise.
fn hash(first: &str, second: &str) -> u32 {
    let bytes = first.bytes().chain([0]).chain(second.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let [a, b, c, d, e, f, g, h] = hash.to_be_bytes();
    u32::from_be_bytes([a ^ e, b ^ f, c ^ g, d ^ h])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn link_names_fit_and_differ() {
        let names: HashSet<String> = (0..10_000)
            .flat_map(|n| ["eth0", "eth1"].map(|ifname| host_link(&format!("web.{n}"), ifname)))
            .collect();
        assert_eq!(names.len(), 20_000);
        for name in names {
            assert!(name.len() <= 15 && is_host_link(&name), "{name}");
        }
        assert_ne!(host_link("a", "b"), host_link("ab", ""));
        for other in ["sealane0", "sealane1234567g", "sealane123456789", "docker0"] {
            assert!(!is_host_link(other), "{other}");
        }
        assert!(movable_link("0a1b").len() <= 15);
    }

    #[test]
    fn hardware_addresses() {
        assert_eq!(
            parse_mac("02:42:ac:11:00:02"),
            Some([2, 0x42, 0xac, 0x11, 0, 2])
        );
        for bad in [
            "",
            "02:42:ac:11:00",
            "02:42:ac:11:00:02:03",
            "2:42:ac:11:00:02",
            "02-42-ac-11-00-02",
            "01:42:ac:11:00:02",
            "00:00:00:00:00:00",
            "0g:42:ac:11:00:02",
            "+2:42:ac:11:00:02",
        ] {
            assert_eq!(parse_mac(bad), None, "{bad}");
        }
        let mac = mac_of(&[
            "fd01::2/128".parse().unwrap(),
            "9.0.1.5/32".parse().unwrap(),
        ]);
        assert_eq!(show_mac(mac), "02:5e:09:00:01:05");
        let v6 = |text: &str| mac_of(&[text.parse().unwrap()]);
        assert_ne!(v6("fd01::2/128"), v6("fd01::3/128"));
    }

    #[test]
    fn notes_are_cut_to_what_the_kernel_takes() {
        assert_eq!(alias("web.1/eth0", "dcos"), "sealane: web.1/eth0 on dcos");
        assert_eq!(alias(&"ä".repeat(300), "dcos").len(), 255);
    }
}
