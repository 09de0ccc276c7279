//! VIP records: which address a named VIP has, the same on every node, for good.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// A named VIP's addresses (`vips/<label>.<framework>`), written by whoever claims first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VipRecord {
    /// Normalised `<label>.<framework>`, such as `myservice.marathon`.
    pub name: String,
    /// Its IPv4 address.
    pub ipv4: Ipv4Addr,
    /// Its IPv6 address; [`claim`](crate::claim) always gives one. It is in use, and
    /// in DNS, while the VIP has IPv6 backends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<Ipv6Addr>,
}

impl VipRecord {
    /// Its addresses, IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<> {
        [Some(IpAddr::V4(self.ipv4)), self.ipv6.map(IpAddr::V6)]
            .into_iter()
            .flatten()
    }
}
