//! Reading the maps back after a restart.
//!
//! What does not make sense is dropped with a warning: the next table brings it
//! back, and a crash in the middle of a change leaves nothing worse than slots
//! that belong to nobody.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use libbpf_rs::{MapCore, MapFlags};
use vip::{Policy, ServiceKey};

use crate::DatapathError;
use crate::book::{Book, Departed, Installed, Member};
use crate::ids::Ids;
use crate::layout::{DRAINING, LIVE, SliceWord, VipEntry, parse_key, service_key, vip_service};
use crate::object::Maps;
use crate::slices::{Range, Slices};

/// What the maps hold. Nothing in them may be in use by readers of an older table.
pub(crate) fn read_back(maps: &Maps) -> Result<Book, DatapathError> {
    let mut services = BTreeMap::new();
    let mut addresses = BTreeSet::new();
    let mut taken = vec![false; maps.backends.len() as usize];
    let mut taken_services = vec![false; maps.services.len() as usize];

    let entries: Vec<_> = maps.vips.keys().collect();
    for bytes in entries {
        match parse_key(&bytes) {
            Some(VipEntry::Address(address)) => {
                addresses.insert(address);
            }
            Some(VipEntry::Service(key)) => {
                match read_service(maps, &key, &mut taken, &mut taken_services) {
                    Some(installed) => drop(services.insert(key, installed)),
                    None => discard(maps, &bytes)?,
                }
            }
            None => discard(maps, &bytes)?,
        }
    }
    let departed = read_departed(maps, &mut taken);
    let ranges = services.values().map(|installed: &Installed| Range {
        first: installed.slice.first,
        count: installed.slice.count(),
    });
    Ok(Book {
        slots: Slices::new(maps.slots.len(), ranges.collect()),
        service_ids: Ids::new(maps.services.len(), |id| is_set(&taken_services, id)),
        backend_ids: Ids::new(maps.backends.len(), |id| is_set(&taken, id)),
        services,
        addresses,
        departed,
    })
}

fn read_service(
    maps: &Maps,
    key: &ServiceKey,
    taken: &mut [bool],
    taken_services: &mut [bool],
) -> Option<Installed> {
    let value = maps.vips.lookup(&service_key(key), MapFlags::ANY).ok()??;
    let id = vip_service(&value).filter(|id| *id != 0)?;
    let entry = maps.services.get(id)?;
    let same = entry.address.load() == key.address
        && u16::from_be(entry.port.load(Relaxed)) == key.port
        && entry.protocol.load(Relaxed) == key.protocol.number();
    if !same || std::mem::replace(taken_services.get_mut(id as usize)?, true) {
        return None;
    }
    let slice = SliceWord::unpack(entry.slice.load(Acquire));
    let mut members = Vec::with_capacity(slice.count().min(maps.slots.len()) as usize);
    for index in 0..slice.count() {
        let slot = maps.slots.get(slice.first.checked_add(index)?)?;
        let backend_id = slot.backend.load(Relaxed);
        let backend = maps.backends.get(backend_id).filter(|_| backend_id != 0)?;
        if backend.service.load(Relaxed) != id
            || std::mem::replace(taken.get_mut(backend_id as usize)?, true)
        {
            return None;
        }
        members.push(Member {
            id: backend_id,
            identity: backend.identity.load(Relaxed),
            weight: backend.weight.load(Relaxed),
            draining: backend.flags.load(Relaxed) & DRAINING != 0,
            task: None,
        });
    }
    let policy = policy_from(entry.policy.load(Relaxed));
    Some(Installed {
        id,
        policy,
        slice,
        members,
        name: None,
        fingerprint: None,
    })
}

/// Backends outside every slice that still have connections open.
fn read_departed(maps: &Maps, taken: &mut [bool]) -> HashMap<u64, Departed> {
    let mut departed = HashMap::new();
    for id in 1..maps.backends.len() {
        let (Some(backend), Some(load)) = (maps.backends.get(id), maps.load.get(id)) else {
            continue;
        };
        if is_set(taken, id) {
            continue;
        }
        backend.flags.fetch_and(!LIVE, Relaxed);
        if load.open() == 0 {
            continue;
        }
        if let Some(slot) = taken.get_mut(id as usize) {
            *slot = true;
        }
        let left = Departed {
            id,
            from: None,
            task: None,
        };
        departed.insert(backend.identity.load(Relaxed), left);
    }
    departed
}

fn discard(maps: &Maps, key: &[u8]) -> Result<(), DatapathError> {
    tracing::warn!(
        ?key,
        "an entry of the pinned VIPs makes no sense and is dropped"
    );
    maps.vips.delete(key).map_err(|source| DatapathError::Map {
        map: "vips",
        action: "cleaned",
        source,
    })
}

fn is_set(flags: &[bool], id: u32) -> bool {
    flags.get(id as usize).copied().unwrap_or(false)
}

/// The number of a policy in `enum policy` of `bpf/layout.h`.
pub(crate) fn policy_number(policy: Policy) -> u8 {
    match policy {
        Policy::LeastLoaded => 0,
        Policy::Random => 1,
    }
}

fn policy_from(number: u8) -> Policy {
    if number == policy_number(Policy::Random) {
        Policy::Random
    } else {
        Policy::LeastLoaded
    }
}
