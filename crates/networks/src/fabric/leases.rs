//! Addresses in use: in memory, and one file each below `<run>/leases/<network>`.
//!
//! A file is created before the address is used and removed after, so a crash leaves at
//! most files too many, which reconciling finds by their holders.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use ipnet::IpNet;
use model::Timestamp;
use serde::{Deserialize, Serialize};

use super::addresses::{capacity, next_free, role};
use super::{FabricError, FabricNetwork, HolderKind, Lease, files};

/// What a lease's file says; the address is its name.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    holder: String,
    kind: HolderKind,
    since: Timestamp,
}

/// Who asks for an address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holder<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: HolderKind,
}

#[derive(Debug, Default)]
struct Held {
    leases: BTreeMap<IpAddr, Lease>,
    /// The address given last, of IPv4 and of IPv6.
    last: [Option<IpAddr>; 2],
}

/// All leases of this node.
#[derive(Debug)]
pub(crate) struct Leases {
    directory: PathBuf,
    held: Mutex<BTreeMap<String, Held>>,
}

impl Leases {
    /// Reads what is there.
    pub(crate) fn open(directory: PathBuf) -> Result<Self, FabricError> {
        files::directory(&directory)?;
        let mut held = BTreeMap::new();
        for network in files::names(&directory)? {
            held.insert(network.clone(), read(&directory.join(network))?);
        }
        Ok(Self {
            directory,
            held: Mutex::new(held),
        })
    }

    /// Takes `wanted`, or the next free address of `block`.
    pub(crate) fn take(
        &self,
        network: &FabricNetwork,
        block: IpNet,
        wanted: Option<IpAddr>,
        holder: Holder<'_>,
    ) -> Result<IpAddr, FabricError> {
        let name = network.network.name.as_str();
        let directory = self.directory.join(name);
        let mut all = self.all();
        if !all.contains_key(name) {
            files::directory(&directory)?;
        }
        let held = all.entry(name.to_owned()).or_default();
        loop {
            let address = match wanted {
                Some(address) => free(network, block, address, held)?,
                None => next(name, block, held)?,
            };
            let lease = Lease {
                address,
                holder: holder.name.to_owned(),
                kind: holder.kind,
                since: SystemTime::now().into(),
            };
            if create(&directory, &lease)? {
                held.leases.insert(address, lease);
                if wanted.is_none() {
                    *held.last_mut(address) = Some(address);
                }
                return Ok(address);
            }
            // Somebody put a file there: it counts, and the search goes on.
            let found = read_one(&directory, address)?;
            held.leases.insert(address, found);
        }
    }

    /// Gives an address back; a free one is fine.
    pub(crate) fn free(&self, network: &str, address: IpAddr) -> Result<(), FabricError> {
        let mut all = self.all();
        let Some(held) = all.get_mut(network) else {
            return Ok(());
        };
        files::remove(&self.directory.join(network).join(address.to_string()))?;
        held.leases.remove(&address);
        Ok(())
    }

    /// Gives an address back if it is still this lease; says whether it was.
    pub(crate) fn free_same(&self, network: &str, lease: &Lease) -> Result<bool, FabricError> {
        let mut all = self.all();
        let Some(held) = all.get_mut(network) else {
            return Ok(false);
        };
        if held.leases.get(&lease.address) != Some(lease) {
            return Ok(false);
        }
        files::remove(&self.directory.join(network).join(lease.address.to_string()))?;
        held.leases.remove(&lease.address);
        Ok(true)
    }

    /// The lease of an address.
    pub(crate) fn of(&self, network: &str, address: IpAddr) -> Option<Lease> {
        self.all().get(network)?.leases.get(&address).cloned()
    }

    /// All leases of a network, by address.
    pub(crate) fn on(&self, network: &str) -> Vec<Lease> {
        let all = self.all();
        let held = all.get(network).into_iter();
        held.flat_map(|held| held.leases.values().cloned())
            .collect()
    }

    /// All leases that `fits` says yes to, with their networks.
    pub(crate) fn find(&self, fits: impl Fn(&Lease) -> bool) -> Vec<(String, Lease)> {
        let all = self.all();
        let leases = all
            .iter()
            .flat_map(|(network, held)| held.leases.values().map(move |lease| (network, lease)));
        leases
            .filter(|(_, lease)| fits(lease))
            .map(|(network, lease)| (network.clone(), lease.clone()))
            .collect()
    }

    /// How many addresses of a block are leased.
    pub(crate) fn used(&self, network: &str, block: IpNet) -> u64 {
        let all = self.all();
        all.get(network).map_or(0, |held| held.used(block))
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        // Each change is one insertion or removal, so a panic elsewhere spoils nothing.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn last_mut(&mut self, of: IpAddr) -> &mut Option<IpAddr> {
        let [v4, v6] = &mut self.last;
        if of.is_ipv4() { v4 } else { v6 }
    }

    fn used(&self, block: IpNet) -> u64 {
        let range = self.leases.range(block.network()..=block.broadcast());
        u64::try_from(range.count()).unwrap_or(u64::MAX)
    }
}

/// The wanted address, unless somebody has it or nobody can.
fn free(
    network: &FabricNetwork,
    block: IpNet,
    address: IpAddr,
    held: &Held,
) -> Result<IpAddr, FabricError> {
    let name = || network.network.name.clone();
    if let Some(lease) = held.leases.get(&address) {
        return Err(FabricError::InUse {
            network: name(),
            address,
            holder: lease.holder.clone(),
        });
    }
    match role(block, address) {
        Some(role) => Err(FabricError::Reserved {
            network: name(),
            address,
            role,
        }),
        None => Ok(address),
    }
}

fn next(network: &str, block: IpNet, held: &mut Held) -> Result<IpAddr, FabricError> {
    let last = *held.last_mut(block.network());
    next_free(block, last, &held.leases).ok_or_else(|| FabricError::Full {
        network: network.to_owned(),
        block,
        capacity: capacity(block),
        used: held.used(block),
    })
}

fn create(directory: &Path, lease: &Lease) -> Result<bool, FabricError> {
    let note = Note {
        holder: lease.holder.clone(),
        kind: lease.kind,
        since: lease.since,
    };
    files::create(&directory.join(lease.address.to_string()), &note)
}

fn read(directory: &Path) -> Result<Held, FabricError> {
    let mut held = Held::default();
    for name in files::names(directory)? {
        if let Ok(address) = name.parse() {
            held.leases.insert(address, read_one(directory, address)?);
        }
    }
    // The search goes on behind the youngest lease, as it would have without a restart.
    for v4 in [true, false] {
        let of_family = held.leases.values().filter(|l| l.address.is_ipv4() == v4);
        let youngest = of_family.max_by_key(|l| l.since).map(|l| l.address);
        if let Some(address) = youngest {
            *held.last_mut(address) = Some(address);
        }
    }
    Ok(held)
}

/// A file that a crash cut off is a lease of nobody, for reconciling to remove.
fn read_one(directory: &Path, address: IpAddr) -> Result<Lease, FabricError> {
    let note = files::read::<Note>(&directory.join(address.to_string()))?.unwrap_or(Note {
        holder: String::new(),
        kind: HolderKind::Cni,
        since: Timestamp::default(),
    });
    Ok(Lease {
        address,
        holder: note.holder,
        kind: note.kind,
        since: note.since,
    })
}

#[cfg(test)]
mod tests;
