//! Address ranges: where named VIPs get their addresses, where IP VIPs may lie.
//!
//! DC/OS let a label claim any address, a real one too. Here an address may be a
//! VIP only inside a range that is known to be for VIPs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use serde::{Deserialize, Serialize};

use crate::label::{Host, Label, LabelError, LabelFlaw};

/// Addresses on which clients find the DNS; no VIP label may take them.
pub const DNS_ADDRESSES: [Ipv4Addr; 3] = [
    Ipv4Addr::new(198, 51, 100, 1),
    Ipv4Addr::new(198, 51, 100, 2),
    Ipv4Addr::new(198, 51, 100, 3),
];

/// Addresses from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressRange<A> {
    /// Lowest address.
    pub first: A,
    /// Highest address.
    pub last: A,
}

/// The ranges for VIPs; the same on every node of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VipRanges {
    /// IPv4 addresses of named VIPs; IP VIPs may lie here too.
    pub ipv4: AddressRange<Ipv4Addr>,
    /// IPv6 addresses of named VIPs; IP VIPs may lie here too.
    pub ipv6: AddressRange<Ipv6Addr>,
    /// More networks for IP VIPs. They must not hold anybody's real address.
    pub extra: Vec<IpNet>,
}

impl Default for VipRanges {
    /// What DC/OS was installed with: 11.0.0.0 to 11.255.255.255 and fd01:c::/64
    /// for names, and the documentation network 198.51.100.0/24 for IP VIPs.
    fn default() -> Self {
        let first = Ipv6Addr::new(0xfd01, 0xc, 0, 0, 0, 0, 0, 0);
        let last = Ipv6Addr::new(0xfd01, 0xc, 0, 0, 0xffff, 0xffff, 0xffff, 0xffff);
        Self {
            ipv4: AddressRange {
                first: Ipv4Addr::new(11, 0, 0, 0),
                last: Ipv4Addr::new(11, 255, 255, 255),
            },
            ipv6: AddressRange { first, last },
            extra: vec![IpNet::new_assert(
                IpAddr::V4(Ipv4Addr::new(198, 51, 100, 0)),
                24,
            )],
        }
    }
}

/// Ranges that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// `first` is above `last`.
    #[error("VIP range {first} to {last} is upside down; exchange first and last")]
    UpsideDown {
        /// The range's `first`.
        first: IpAddr,
        /// The range's `last`.
        last: IpAddr,
    },
    /// A range that holds addresses which are never a service's.
    #[error("VIP range {range} holds {address}, which can be no VIP; choose a narrower range")]
    Unusable {
        /// The range, for people.
        range: String,
        /// An address in it.
        address: IpAddr,
    },
}

impl VipRanges {
    /// Whether the ranges can be used: the right way round, without loopback,
    /// unspecified, link-local and multicast addresses.
    ///
    /// # Errors
    /// The first range that cannot.
    pub fn validate(&self) -> Result<(), RangeError> {
        for (first, last) in self.bounds() {
            if first > last {
                return Err(RangeError::UpsideDown { first, last });
            }
            let within = inside_blocks()
                .into_iter()
                .filter(|it| (first..=last).contains(it));
            if let Some(address) = [first, last]
                .into_iter()
                .chain(within)
                .find(|it| is_never_a_vip(*it))
            {
                return Err(RangeError::Unusable {
                    range: format!("{first} to {last}"),
                    address,
                });
            }
        }
        Ok(())
    }

    /// Whether a VIP may have this address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.bounds()
            .any(|(first, last)| (first..=last).contains(&address))
    }

    /// Whether the label's VIP may exist here: a name always, an address only inside
    /// the ranges and not where the DNS is.
    ///
    /// # Errors
    /// With the ranges in the message.
    pub fn check(&self, label: &Label) -> Result<(), LabelError> {
        let Host::Address(address) = label.host else {
            return Ok(());
        };
        self.check_address(address)
            .map_err(|flaw| flaw.of_vip(label))
    }

    pub(crate) fn check_address(&self, address: IpAddr) -> Result<(), LabelFlaw> {
        if DNS_ADDRESSES.map(IpAddr::V4).contains(&address) {
            return Err(LabelFlaw::Reserved(address));
        }
        if self.contains(address) {
            return Ok(());
        }
        let allowed = self
            .bounds()
            .filter(|(first, _)| first.is_ipv4() == address.is_ipv4())
            .map(|(first, last)| format!("{first} to {last}"))
            .collect::<Vec<_>>();
        Err(LabelFlaw::OutsideRanges {
            address,
            allowed: allowed.join(", "),
        })
    }

    /// The ranges as networks, as few as that takes.
    pub fn networks(&self) -> impl Iterator<Item = IpNet> + '_ {
        let v4 = Ipv4Subnets::new(self.ipv4.first, self.ipv4.last, 0).map(IpNet::V4);
        let v6 = Ipv6Subnets::new(self.ipv6.first, self.ipv6.last, 0).map(IpNet::V6);
        v4.chain(v6).chain(self.extra.iter().copied())
    }

    /// Lowest and highest address of every range.
    fn bounds(&self) -> impl Iterator<Item = (IpAddr, IpAddr)> + '_ {
        let named = [
            (self.ipv4.first.into(), self.ipv4.last.into()),
            (self.ipv6.first.into(), self.ipv6.last.into()),
        ];
        named.into_iter().chain(
            self.extra
                .iter()
                .map(|net| (net.network(), net.broadcast())),
        )
    }
}

/// Addresses that no service can have, whoever configures them.
fn is_never_a_vip(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    link_local || address.is_unspecified() || address.is_loopback() || address.is_multicast()
}

/// An address of each block that is never a VIP, for ranges around such a block; a
/// range that begins or ends inside one is found by its bounds.
fn inside_blocks() -> [IpAddr; 7] {
    let v4 = |a, b, c, d| IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    let v6 = |first, last| IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last));
    [
        v4(127, 0, 0, 1),
        v4(169, 254, 0, 1),
        v4(224, 0, 0, 1),
        v4(255, 255, 255, 255),
        v6(0, 1),
        v6(0xfe80, 1),
        v6(0xff00, 1),
    ]
}

#[cfg(test)]
mod tests;
