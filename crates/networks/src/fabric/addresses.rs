//! Which addresses of a block are given, in which order.
//!
//! Next-fit: the search goes on behind the address that was given last. A freed address
//! rests until the search has been round, so that what still talks to the old container,
//! a connection, a cache of names, does not meet a new one. Refused alternative: first
//! fit, which gives a freed address to the very next container.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use ipnet::IpNet;

/// Addresses at a block's begin that are never given: its own name, and the gateway that
/// Docker insists on for every subnet.
const KEPT: u128 = 2;

/// How many addresses of a block can be leased; the largest number if there are more.
pub(crate) fn capacity(block: IpNet) -> u64 {
    usable(block).map_or(0, |range| {
        u64::try_from((range.end() - range.start()).saturating_add(1)).unwrap_or(u64::MAX)
    })
}

/// What an address of the block is kept for, if it is never given.
pub(crate) fn role(block: IpNet, address: IpAddr) -> Option<&'static str> {
    if address == block.network() {
        Some("own address")
    } else if Some(address) == gateway(block) {
        Some("gateway")
    } else if address.is_ipv4() && address == block.broadcast() {
        Some("broadcast address")
    } else {
        None
    }
}

/// The address that Docker shows as a block's gateway; nobody has it.
pub(crate) fn gateway(block: IpNet) -> Option<IpAddr> {
    let gateway = address(number(block.network()).checked_add(1)?, block)?;
    block.contains(&gateway).then_some(gateway)
}

/// The first address behind `last` that is not a key of `taken`, and after the block's
/// last one its first.
pub(crate) fn next_free<T>(
    block: IpNet,
    last: Option<IpAddr>,
    taken: &BTreeMap<IpAddr, T>,
) -> Option<IpAddr> {
    let usable = usable(block)?;
    let behind = last
        .filter(|last| block.contains(last))
        .and_then(|last| number(last).checked_add(1))
        .filter(|number| usable.contains(number))
        .unwrap_or(*usable.start());
    let first_gap = |range: RangeInclusive<u128>| {
        let (from, to) = (
            address(*range.start(), block)?,
            address(*range.end(), block)?,
        );
        let mut free = *range.start();
        for (held, _) in taken.range(from..=to) {
            if number(*held) != free {
                break;
            }
            free = free.checked_add(1)?;
        }
        range.contains(&free).then(|| address(free, block))?
    };
    first_gap(behind..=*usable.end()).or_else(|| {
        let before = behind.checked_sub(1)?;
        (before >= *usable.start()).then(|| first_gap(*usable.start()..=before))?
    })
}

fn usable(block: IpNet) -> Option<RangeInclusive<u128>> {
    let first = number(block.network()).checked_add(KEPT)?;
    let last = number(block.broadcast());
    let last = match block {
        IpNet::V4(_) => last.checked_sub(1)?,
        IpNet::V6(_) => last,
    };
    (first <= last).then_some(first..=last)
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(ip) => u32::from(ip).into(),
        IpAddr::V6(ip) => ip.into(),
    }
}

/// The address of that number, of the block's family.
fn address(number: u128, block: IpNet) -> Option<IpAddr> {
    match block {
        IpNet::V4(_) => Some(Ipv4Addr::from(u32::try_from(number).ok()?).into()),
        IpNet::V6(_) => Some(Ipv6Addr::from(number).into()),
    }
}

#[cfg(test)]
mod tests;
