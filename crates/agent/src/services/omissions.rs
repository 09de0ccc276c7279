//! What of the table the kernel has not taken, and why.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use datapath::{ApplyError, Failure, Subject};
use vip::ServiceKey;

use crate::housekeeping::chain;

/// All that did not reach the kernel when that was last tried. What was there before is
/// still in force; of something new, nothing is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Omissions {
    /// Ports of VIPs.
    pub services: BTreeMap<ServiceKey, Omission>,
    /// Addresses of VIPs, whose other ports are then not refused at once.
    pub addresses: BTreeMap<IpAddr, Omission>,
}

/// Why something did not reach the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Omission {
    /// The map that stood in the way.
    pub map: &'static str,
    /// How it did.
    pub obstacle: Obstacle,
    /// The same for people, and what would help.
    pub message: String,
}

/// How a map stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Obstacle {
    /// All of it is in use.
    Full,
    /// A service has more backends than one may have.
    TooMany,
    /// The kernel refused to change it.
    Refused,
}

impl Omissions {
    /// Everything, whatever it is about.
    pub fn all(&self) -> impl Iterator<Item = &Omission> {
        self.services.values().chain(self.addresses.values())
    }

    pub(super) fn clear(&mut self) {
        self.services.clear();
        self.addresses.clear();
    }

    pub(super) fn add(&mut self, failure: &Failure) {
        let omission = Omission::of(&failure.error);
        match failure.subject {
            Subject::Service(key) => self.services.insert(key, omission),
            Subject::Address(address) => self.addresses.insert(address, omission),
        };
    }

    /// Each of them, for people.
    pub(super) fn told(&self) -> impl Iterator<Item = String> {
        let services = self.services.iter().map(|(key, it)| {
            let vip = SocketAddr::new(key.address, key.port);
            format!("VIP {vip} {}: {}", key.protocol, it.message)
        });
        let addresses = self.addresses.iter();
        let addresses = addresses.map(|(ip, it)| format!("VIP address {ip}: {}", it.message));
        services.chain(addresses)
    }
}

impl Omission {
    fn of(error: &ApplyError) -> Self {
        let (map, obstacle) = match error {
            ApplyError::Full { name, .. } => (*name, Obstacle::Full),
            ApplyError::TooManyBackends { .. } => ("slots", Obstacle::TooMany),
            ApplyError::Map { map, .. } => (*map, Obstacle::Refused),
        };
        Self {
            map,
            obstacle,
            message: chain(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel_lab::key;

    #[test]
    fn what_is_omitted_is_told_once_with_the_map_in_the_way() {
        let mut omissions = Omissions::default();
        let service = Subject::Service(key());
        let full = || ApplyError::Full {
            name: "slots",
            capacity: 8,
        };
        let many = || ApplyError::TooManyBackends { count: 9, max: 3 };
        let address = Subject::Address(key().address);
        for (subject, error) in [(service, many()), (service, full()), (address, full())] {
            omissions.add(&Failure { subject, error });
        }
        let told: Vec<_> = omissions.told().collect();
        let why = "all 8 slots of the datapath are in use; raise that capacity and restart";
        let expected = ["VIP 11.0.0.1:80 tcp", "VIP address 11.0.0.1"];
        assert_eq!(told, expected.map(|about| format!("{about}: {why}")));
        for omission in omissions.all() {
            assert_eq!((omission.map, omission.obstacle), ("slots", Obstacle::Full));
        }
        omissions.add(&Failure {
            subject: service,
            error: many(),
        });
        let found = &omissions.services[&key()];
        assert_eq!((found.map, found.obstacle), ("slots", Obstacle::TooMany));
        omissions.clear();
        assert_eq!(omissions, Omissions::default());
    }
}
