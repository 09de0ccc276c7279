//! Who may bind which ports of the host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::Relaxed;

use libbpf_rs::{MapCore, MapFlags};
use model::Protocol;

use crate::groups::{delete, write};
use crate::object::Maps;
use crate::{Datapath, DatapathError};

/// A port of one protocol.
pub type OwnedPort = (Protocol, u16);

/// Among a cgroup's ports: they are enforced in every network namespace and not in the host's
/// alone, as for tasks that share the host's address. Nobody is asked for port 0, which is
/// free for all.
pub const EVERYWHERE: OwnedPort = (Protocol::Tcp, 0);

/// Bytes of a key of `owners`, and of a value.
const KEY: usize = 16;
const VALUE: usize = 16;

const _: () = {
    use std::mem::{offset_of, size_of};

    use crate::skeleton::types;
    assert!(size_of::<types::owner_key>() == KEY && size_of::<types::owner>() == VALUE);
    assert!(offset_of!(types::owner_key, port) == 8);
    assert!(offset_of!(types::owner_key, protocol) == 10);
    assert!(offset_of!(types::owner, denied) == 0);
};

impl Datapath {
    /// Tells which cgroups may bind which ports, by their ids: processes in them and
    /// below, down to 16 levels from the root, are refused any other port of the host's
    /// network with EACCES, over TCP and UDP, IPv4 and IPv6, on whatever address; with
    /// [`EVERYWHERE`] in every namespace. Port 0, the kernel's choice, is always allowed.
    /// Sockets that are bound already stay so.
    ///
    /// # Errors
    /// The first problem. A cgroup whose ports could not all be told is left free, and
    /// all others are told nevertheless.
    pub fn set_owners(
        &mut self,
        owners: &BTreeMap<u64, BTreeSet<OwnedPort>>,
    ) -> Result<(), DatapathError> {
        let map = &self.kernel.maps.owners;
        let (told_of, known) = self.kernel.maps.read_owners();
        let mut outcome = Ok(());
        for (cgroup, ports) in known.iter().filter(|(id, _)| !owners.contains_key(id)) {
            // In this order: nobody is refused what was its own a moment ago.
            outcome = outcome.and(delete(map, "owners", &cgroup_key(*cgroup)));
            for port in ports {
                outcome = outcome.and(delete(map, "owners", &port_key(*cgroup, *port)));
            }
        }
        let none = BTreeSet::new();
        for (cgroup, ports) in owners {
            let old = known.get(cgroup).unwrap_or(&none);
            let mut told = Ok(());
            for port in ports.difference(old) {
                let key = port_key(*cgroup, *port);
                told = told.and(write(map, "owners", &key, &[0; VALUE]));
            }
            if told.is_ok() && !told_of.contains(cgroup) {
                told = write(map, "owners", &cgroup_key(*cgroup), &[0; VALUE]);
            }
            for port in old.difference(ports) {
                told = told.and(delete(map, "owners", &port_key(*cgroup, *port)));
            }
            outcome = outcome.and(told);
        }
        self.kernel.maps.count_owners();
        outcome
    }

    /// Which cgroups may bind which ports only, also by the will of a process before
    /// this one.
    #[must_use]
    pub fn owners(&self) -> BTreeMap<u64, BTreeSet<OwnedPort>> {
        let (told_of, mut owners) = self.kernel.maps.read_owners();
        owners.retain(|cgroup, _| told_of.contains(cgroup));
        owners
    }

    /// How many binds each of these cgroups was refused, since it is told with its ports.
    #[must_use]
    pub fn denied_binds(&self) -> BTreeMap<u64, u64> {
        let map = &self.kernel.maps.owners;
        let keys: Vec<_> = map.keys().collect();
        let denied = keys.iter().filter_map(|key| {
            let (cgroup, None) = parse(key)? else {
                return None;
            };
            let value = map.lookup(key, MapFlags::ANY).ok()??;
            let count = value.first_chunk().map(|it| u64::from_ne_bytes(*it))?;
            Some((cgroup, count))
        });
        denied.collect()
    }
}

impl Maps {
    /// The cgroups that are told of, and all ports: those of a cgroup that is not told of
    /// are what a crash has left.
    fn read_owners(&self) -> (BTreeSet<u64>, BTreeMap<u64, BTreeSet<OwnedPort>>) {
        let (mut told_of, mut ports) = (BTreeSet::new(), BTreeMap::<_, BTreeSet<_>>::new());
        for (cgroup, port) in self.owners.keys().filter_map(|key| parse(&key)) {
            if port.is_none() {
                told_of.insert(cgroup);
            }
            ports.entry(cgroup).or_default().extend(port);
        }
        (told_of, ports)
    }

    /// Tells programs how many cgroups there are; they look for theirs only if any are.
    pub(crate) fn count_owners(&self) {
        let cgroups = self.owners.keys().filter_map(|key| parse(&key));
        let count = cgroups.filter(|(_, port)| port.is_none()).count();
        if let Some(control) = self.control.get(0) {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            control.owners.store(count, Relaxed);
        }
    }
}

fn cgroup_key(cgroup: u64) -> [u8; KEY] {
    let mut key = [0; KEY];
    key[..8].copy_from_slice(&cgroup.to_ne_bytes());
    key
}

fn port_key(cgroup: u64, (protocol, port): OwnedPort) -> [u8; KEY] {
    let mut key = cgroup_key(cgroup);
    key[8..10].copy_from_slice(&port.to_be_bytes());
    key[10] = protocol.number();
    key
}

fn parse(key: &[u8]) -> Option<(u64, Option<OwnedPort>)> {
    let key: &[u8; KEY] = key.try_into().ok()?;
    let cgroup = u64::from_ne_bytes(*key.first_chunk()?);
    let port = u16::from_be_bytes([key[8], key[9]]);
    match key[10] {
        0 => Some((cgroup, None)),
        6 => Some((cgroup, Some((Protocol::Tcp, port)))),
        17 => Some((cgroup, Some((Protocol::Udp, port)))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back() {
        assert_eq!(parse(&cgroup_key(7)), Some((7, None)));
        for port in [(Protocol::Tcp, 80), (Protocol::Udp, 65_535)] {
            assert_eq!(parse(&port_key(7, port)), Some((7, Some(port))));
        }
        assert_eq!(parse(&[9; KEY]), None);
        assert_eq!(parse(&[]), None);
    }
}
