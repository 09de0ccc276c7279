//! Addresses of named VIPs: candidates for a name, and claiming one.
//!
//! The first candidate is the one that DC/OS 1.12 and newer computed; on a collision
//! the next free one is taken. DC/OS did that on every node by itself and in the
//! order of events, so nodes could disagree. Here whoever claims first writes a
//! record, and the record is what counts from then on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::hash::{phash2, sha1_modulo};
use crate::ranges::{AddressRange, DNS_ADDRESSES, VipRanges};
use crate::record::VipRecord;

/// IPv6 candidates that are tried for one name. A range may have 2^64 addresses; a
/// million taken ones in a row do not happen, and the search must end.
const MAX_TRIES: usize = 1 << 20;

/// No address is left for a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no free address for VIP '{name}' from {first} to {last}; delete VIPs that are not \
     used any more, or configure a larger range"
)]
pub struct ClaimError {
    /// The record's name.
    pub name: String,
    /// Lowest address of the range.
    pub first: IpAddr,
    /// Highest address of the range.
    pub last: IpAddr,
}

/// IPv4 addresses for a record's name, best first, each address of the range once.
///
/// The first is `min + phash2(name) mod (max - min)`; the others follow upwards and
/// go on at `min` after `max`.
pub fn candidates(name: &str, range: AddressRange<Ipv4Addr>) -> impl Iterator<Item = Ipv4Addr> {
    let (first, last) = (
        u128::from(range.first.to_bits()),
        u128::from(range.last.to_bits()),
    );
    let hash = u128::from(phash2(name.as_bytes()));
    let start = first + hash.checked_rem(last.saturating_sub(first)).unwrap_or(0);
    // The range ends within 32 bits, and so does everything in it.
    circle(first, last, start)
        .map(|bits| Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX)))
}

/// IPv6 addresses for a record's name, as [`candidates`] with SHA-1 as the hash.
pub fn candidates6(name: &str, range: AddressRange<Ipv6Addr>) -> impl Iterator<Item = Ipv6Addr> {
    let (first, last) = (range.first.to_bits(), range.last.to_bits());
    let size = last.saturating_sub(first);
    let offset = if size == 0 {
        0
    } else {
        sha1_modulo(name, size)
    };
    circle(first, last, first.saturating_add(offset)).map(Ipv6Addr::from_bits)
}

/// `start` to `last`, then `first` to just below `start`; nothing if upside down.
fn circle(first: u128, last: u128, start: u128) -> impl Iterator<Item = u128> {
    (start..=last).chain(first..start.min(last))
}

/// Chooses the addresses of a named VIP that has no record yet.
///
/// `name` is a [`record_name`](crate::record_name). `taken` says whether an address
/// belongs to another record or to an IP VIP that an app declares (see
/// [`wanted`](crate::wanted())); such addresses and those of the DNS are skipped. The
/// caller writes the record together with its addresses in one transaction.
///
/// ```
/// let ranges = vip::VipRanges::default();
/// let record = vip::claim("app.marathon", &ranges, |_| false).unwrap();
/// assert_eq!(record.ipv4.to_string(), "11.171.172.79");
/// ```
///
/// # Errors
/// When no address of a range is free.
pub fn claim(
    name: &str,
    ranges: &VipRanges,
    taken: impl Fn(IpAddr) -> bool,
) -> Result<VipRecord, ClaimError> {
    let free = |address: IpAddr| {
        !DNS_ADDRESSES.iter().any(|dns| address == IpAddr::V4(*dns)) && !taken(address)
    };
    let exhausted = |first, last| ClaimError {
        name: name.to_owned(),
        first,
        last,
    };
    let ipv4 = candidates(name, ranges.ipv4)
        .find(|it| free(IpAddr::V4(*it)))
        .ok_or_else(|| exhausted(ranges.ipv4.first.into(), ranges.ipv4.last.into()))?;
    let ipv6 = candidates6(name, ranges.ipv6)
        .take(MAX_TRIES)
        .find(|it| free(IpAddr::V6(*it)))
        .ok_or_else(|| exhausted(ranges.ipv6.first.into(), ranges.ipv6.last.into()))?;
    Ok(VipRecord {
        name: name.to_owned(),
        ipv4,
        ipv6: Some(ipv6),
    })
}

#[cfg(test)]
mod tests;
