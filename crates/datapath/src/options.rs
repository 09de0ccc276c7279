//! Where the datapath lives and how large it is.

use std::path::PathBuf;

use crate::DatapathError;
use crate::layout::{BERTHS_BYTES, FILTER_BYTES, MAX_SLOTS};

/// Where the datapath lives and how large it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// A directory of cgroup v2. Processes in it and below are translated; the
    /// mount point itself means the whole host. See [`crate::find_cgroup2`].
    pub cgroup: PathBuf,
    /// A directory on a bpf filesystem, made if missing, for this datapath alone.
    /// See [`crate::ensure_bpffs`].
    pub pins: PathBuf,
    /// How much fits.
    pub capacities: Capacities,
}

/// How much fits into the maps. A change makes new maps at the next start, which
/// take over once the first table is in them; open connections then lose their
/// count, and `getpeername()` on them shows the backend.
///
/// `services`, `slots` and `backends` cost their memory at the start, since arrays
/// are allocated whole: 64 bytes a service, 16 a slot, 160 a backend, and 2 MiB for
/// connections. The defaults are 10 MiB; a million backends with as many slots are
/// 170 MiB. Hash elements (VIP ports, addresses, places) are allocated as they come,
/// about 100 bytes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacities {
    /// VIP ports, TCP and UDP apart. VIP addresses may be twice as many on
    /// top: a name has one of each family.
    pub services: u32,
    /// Backends of all services together, and as many again for the ones being
    /// replaced: a changed service's old slots are used again only later.
    pub slots: u32,
    /// Backends, those that left with connections still open included.
    pub backends: u32,
    /// Network namespaces with networks of their own.
    pub places: u32,
    /// Replies remembered for sockets that send to more than four VIPs.
    pub strays: u32,
    /// Clients that stay with a backend, for each service that wants it. The longest
    /// unseen are forgotten first.
    pub affinity: u32,
    /// Cgroups whose processes are not translated.
    pub exempt: u32,
    /// Addresses of containers on virtual networks, those of all nodes together.
    pub tenants: u32,
    /// Ports of this node's tasks that may bind their own only, and one more for each
    /// such task.
    pub owners: u32,
}

impl Default for Capacities {
    fn default() -> Self {
        Self {
            services: 16_384,
            slots: 131_072,
            backends: 32_768,
            places: 16_384,
            strays: 4_096,
            affinity: 16_384,
            exempt: 1_024,
            tenants: 65_536,
            owners: 16_384,
        }
    }
}

impl Capacities {
    /// Bytes that the arrays take as soon as they exist.
    #[must_use]
    pub fn upfront_bytes(&self) -> u64 {
        let elements = u64::from(self.services) * 64
            + u64::from(self.slots) * 16
            + u64::from(self.backends) * 160;
        elements + BERTHS_BYTES + FILTER_BYTES
    }

    /// Entries of the map of VIPs: ports, and addresses by themselves.
    #[must_use]
    pub fn entries(&self) -> u32 {
        self.services.saturating_mul(Self::ENTRIES)
    }

    /// How many entries of the map of VIPs there are for each service that fits: its
    /// port, and an address of each family for its name.
    pub const ENTRIES: u32 = 3;

    pub(crate) fn check(&self) -> Result<(), DatapathError> {
        let limits = [
            ("services", self.services, MAX_SLOTS),
            ("slots", self.slots, MAX_SLOTS),
            ("backends", self.backends, MAX_SLOTS),
            ("places", self.places, MAX_SLOTS),
            ("strays", self.strays, MAX_SLOTS),
            ("affinity", self.affinity, MAX_SLOTS),
            ("exempt", self.exempt, MAX_SLOTS),
            ("tenants", self.tenants, MAX_SLOTS),
            ("owners", self.owners, MAX_SLOTS),
        ];
        match limits
            .into_iter()
            .find(|(_, value, max)| !(1..=*max).contains(value))
        {
            Some((name, value, max)) => Err(DatapathError::Capacity { name, value, max }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_memory_is_the_real_one() {
        assert_eq!(
            Capacities::default().upfront_bytes(),
            (10 << 20) + (32 << 10)
        );
        let million = Capacities {
            slots: 1 << 20,
            backends: 1 << 20,
            ..Capacities::default()
        };
        assert!(million.upfront_bytes() < 200_000_000);
    }

    #[test]
    fn capacities_have_limits() {
        assert!(Capacities::default().check().is_ok());
        let none = Capacities {
            slots: 0,
            ..Capacities::default()
        };
        assert_eq!(
            none.check().unwrap_err().to_string(),
            "capacity slots = 0 is out of range: 1 to 16777216"
        );
        let many = Capacities {
            backends: u32::MAX,
            ..Capacities::default()
        };
        assert!(many.check().is_err());
    }
}
