//! What the maps hold: the same as `bpf/layout.h`.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use model::Protocol;

/// Ports of a protocol.
const PORTS: u32 = 65_536;

/// Why packets of a task are dropped, in the programs' order.
const REFUSALS: [&str; 6] = [
    "address",
    "port",
    "protocol",
    "icmp",
    "destination",
    "fragment",
];

/// Length of the counters.
pub(crate) const COUNTERS: usize = REFUSALS.len() * size_of::<u64>();

/// The place of a port in `ports`.
pub(crate) fn port_key(protocol: Protocol, port: u16) -> [u8; 4] {
    let half = match protocol {
        Protocol::Tcp => 0,
        Protocol::Udp => PORTS,
    };
    (half + u32::from(port)).to_ne_bytes()
}

/// A task's value in `tasks`.
pub(crate) fn task(mac: netlink::Mac, alias: Ipv4Addr, local: Ipv4Addr) -> Vec<u8> {
    [mac.as_slice(), &[0, 0], &alias.octets(), &local.octets()].concat()
}

/// Counters by what they count; all of them, whatever was read.
pub(crate) fn refusals(bytes: &[u8]) -> BTreeMap<&'static str, u64> {
    let counts = bytes.chunks_exact(size_of::<u64>());
    let counts = counts.filter_map(|count| Some(u64::from_ne_bytes(count.try_into().ok()?)));
    REFUSALS
        .into_iter()
        .zip(counts.chain(std::iter::repeat(0)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_as_the_programs_read_them() {
        assert_eq!(port_key(Protocol::Tcp, 80), 80_u32.to_ne_bytes());
        assert_eq!(port_key(Protocol::Udp, 53), 65_589_u32.to_ne_bytes());
        let task = task([1; 6], [169, 254, 64, 2].into(), [169, 254, 64, 3].into());
        assert_eq!(task.len(), 16);
        assert_eq!(task[8..], [169, 254, 64, 2, 169, 254, 64, 3]);
    }

    #[test]
    fn every_reason_is_told() {
        let mut bytes = vec![0; COUNTERS];
        bytes[8..16].copy_from_slice(&7_u64.to_ne_bytes());
        let refused = refusals(&bytes);
        assert_eq!((refused["port"], refused["fragment"]), (7, 0));
        assert_eq!(refusals(&[]).len(), 6);
    }
}
