//! Links of containers on virtual networks, and the addresses behind them.
//!
//! Both are read from files of the kernel: a link by its name, its addresses by the host
//! routes that lead there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What names of these links begin with; eight hexadecimal digits follow.
const PREFIX: &str = "sealane";

/// Links of this network namespace by their numbers.
pub(super) fn found() -> io::Result<BTreeMap<u32, BTreeSet<IpAddr>>> {
    let mut names = BTreeMap::new();
    for entry in fs::read_dir("/sys/class/net")? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let index = fs::read_to_string(entry.path().join("ifindex"));
        // One that is gone meanwhile is none.
        if is_ours(&name)
            && let Some(index) = index.ok().and_then(|text| text.trim().parse().ok())
        {
            names.insert(name, index);
        }
    }
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let four = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let six = fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default();
    Ok(behind(&names, &four, &six))
}

fn is_ours(name: &str) -> bool {
    let digits = name.strip_prefix(PREFIX);
    digits.is_some_and(|it| it.len() == 8 && it.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The addresses behind links, by what `/proc/net/route` and `/proc/net/ipv6_route` say.
fn behind(names: &BTreeMap<String, u32>, four: &str, six: &str) -> BTreeMap<u32, BTreeSet<IpAddr>> {
    let mut found: BTreeMap<_, BTreeSet<_>> = names
        .values()
        .map(|index| (*index, BTreeSet::new()))
        .collect();
    let hosts = four.lines().filter_map(host_of_four);
    for (name, address) in hosts.chain(six.lines().filter_map(host_of_six)) {
        if let Some(addresses) = names.get(name).and_then(|index| found.get_mut(index)) {
            addresses.insert(address);
        }
    }
    found
}

/// A route to one address: name, destination, gateway, flags, three numbers, mask.
fn host_of_four(line: &str) -> Option<(&str, IpAddr)> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let (name, destination, mask) = (*fields.first()?, *fields.get(1)?, *fields.get(7)?);
    if mask != "FFFFFFFF" {
        return None;
    }
    let number = u32::from_str_radix(destination, 16).ok()?;
    Some((name, Ipv4Addr::from(number.to_ne_bytes()).into()))
}

/// The same for IPv6: destination, its prefix length, seven more, name.
fn host_of_six(line: &str) -> Option<(&str, IpAddr)> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let (destination, prefix, name) = (*fields.first()?, *fields.get(1)?, *fields.get(9)?);
    let address = Ipv6Addr::from(u128::from_str_radix(destination, 16).ok()?);
    // Multicast and link-local addresses are every link's.
    let is_own = prefix == "80" && !address.is_multicast() && !address.is_unicast_link_local();
    is_own.then_some((name, address.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_others() {
        assert!(is_ours("sealane0a1b2c3d"));
        for other in [
            "sealane",
            "sealane0",
            "sealane0000000g",
            "eth0",
            "sealane0a1b2c3d4",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[test]
    fn host_routes_tell_who_is_behind_a_link() {
        let names = [
            ("sealane0000000a".to_owned(), 7),
            ("sealane0000000b".to_owned(), 8),
        ];
        // As a little-endian host prints 9.0.1.2.
        let word = u32::from_ne_bytes([9, 0, 1, 2]);
        let four = format!(
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
             eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
             sealane0000000a\t{word:08X}\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n\
             sealane0000000a\t00000009\t00000000\t0005\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        );
        let six = "fd01000b000000000000000000000002 80 00000000000000000000000000000000 00 \
                   00000000000000000000000000000000 00000400 00000001 00000000 00000001 \
                   sealane0000000a\n\
                   fe800000000000000000000000000001 80 00000000000000000000000000000000 00 \
                   00000000000000000000000000000000 00000400 00000001 00000000 00000001 \
                   sealane0000000a\n\
                   ff000000000000000000000000000000 08 x\n";
        let found = behind(&names.into(), &four, six);
        let addresses: Vec<_> = found[&7].iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["9.0.1.2", "fd01:b::2"]);
        assert!(found[&8].is_empty());
    }

    #[test]
    fn broken_lines_are_passed_over() {
        for line in [
            "",
            "a b c",
            "x 0 0 0 0 0 0 FFFFFFFF",
            "zz 80 0 0 0 0 0 0 0 n",
        ] {
            assert_eq!(host_of_six(line), None, "{line}");
        }
        assert_eq!(host_of_four("a zz 0 0 0 0 0 FFFFFFFF"), None);
        assert!(found().is_ok());
    }
}
