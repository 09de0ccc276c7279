//! What labels point at.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use model::Protocol;

use super::ServiceKey;
use crate::label::Host;
use crate::name::{ZONE, in_zone};

/// What clients of one VIP port connect to. Both addresses of a name are one, so that
/// they cannot have different settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Target {
    pub(super) vip: Virtual,
    pub(super) port: PortKey,
}

/// A name or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Virtual {
    /// A record's name, whether there is a record or not.
    Name(Arc<str>),
    /// An address that labels give.
    Address(IpAddr),
}

/// A port of a VIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PortKey {
    pub(super) number: u16,
    pub(super) protocol: Protocol,
}

impl PortKey {
    /// The port's service at an address.
    pub(super) fn at(self, address: IpAddr) -> ServiceKey {
        ServiceKey {
            address,
            port: self.number,
            protocol: self.protocol,
        }
    }

    /// The port of a service.
    pub(super) fn of(key: &ServiceKey) -> Self {
        Self {
            number: key.port,
            protocol: key.protocol,
        }
    }
}

/// For people.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.vip {
            Virtual::Name(name) => write!(f, "VIP {}", in_zone(name, ZONE))?,
            Virtual::Address(address) => write!(f, "VIP {}", Host::Address(*address))?,
        }
        write!(f, ":{} ({})", self.port.number, self.port.protocol)
    }
}
