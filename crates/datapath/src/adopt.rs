//! Reading the maps back after a restart.
//!
//! What does not make sense is dropped with a warning: the next table brings it
//! back, and a crash in the middle of a change leaves nothing worse than slots
//! that belong to nobody.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use libbpf_rs::{MapCore, MapFlags};
use model::Protocol;
use vip::{Policy, ServiceKey, Settings};

use crate::DatapathError;
use crate::alias::alias_table;
use crate::book::{Book, Departed, Installed, Member};
use crate::ids::Ids;
use crate::layout::{
    BackendEntry, CONDEMNED, DRAINING, LIVE, ServiceEntry, SliceWord, TICK_SHIFT, VipEntry,
    WARMING, parse_key, service_key, ticks, vip_service,
};
use crate::members::Tier;
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
        warming: warming(maps),
    })
}

fn warming(maps: &Maps) -> Vec<u32> {
    let warms = |id: &u32| {
        let entry = maps.backends.get(*id);
        entry.is_some_and(|entry| entry.flags.load(Relaxed) & WARMING != 0)
    };
    (1..maps.backends.len()).filter(warms).collect()
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
    if !same || is_set(taken_services, id) {
        return None;
    }
    let slice = SliceWord::unpack(entry.slice.load(Acquire));
    let members = read_members(maps, id, slice)?;
    if !claim(taken, &members) {
        return None;
    }
    mark(taken_services, id);
    Some(Installed {
        id,
        settings: entry.settings(),
        slice,
        whole: is_whole(maps, slice, &members),
        members,
        name: None,
        fingerprint: None,
    })
}

/// The backends of a service's slots, unless some are another's or nobody's.
fn read_members(maps: &Maps, service: u32, slice: SliceWord) -> Option<Vec<Member>> {
    let mut members = Vec::with_capacity(slice.count().min(maps.slots.len()) as usize);
    for index in 0..slice.count() {
        let slot = maps.slots.get(slice.first.checked_add(index)?)?;
        let id = slot.backend.load(Relaxed);
        let backend = maps.backends.get(id).filter(|_| id != 0)?;
        if backend.service.load(Relaxed) != service {
            return None;
        }
        members.push(Member {
            id,
            identity: backend.identity.load(Relaxed),
            weight: backend.weight.load(Relaxed),
            tier: match backend.flags.load(Relaxed) & DRAINING != 0 {
                true => Tier::Draining,
                false if index < slice.ready => Tier::Drawn,
                false => Tier::Second,
            },
            task: None,
        });
    }
    Some(members)
}

/// Takes the ids of all of these, or of none if one is taken.
fn claim(taken: &mut [bool], members: &[Member]) -> bool {
    for (count, member) in members.iter().enumerate() {
        if mark(taken, member.id) {
            for earlier in members.iter().take(count) {
                if let Some(flag) = taken.get_mut(earlier.id as usize) {
                    *flag = false;
                }
            }
            return false;
        }
    }
    true
}

/// Whether slots and backends agree. What a backend is comes before its slots, so that a
/// crash between the two leaves weights or states that programs do not draw by.
fn is_whole(maps: &Maps, slice: SliceWord, members: &[Member]) -> bool {
    let drawn = members.get(..slice.ready as usize).unwrap_or_default();
    let weights: Vec<_> = drawn.iter().map(|member| member.weight.into()).collect();
    let slots = alias_table(&weights);
    drawn
        .iter()
        .zip(slots)
        .zip(slice.first..)
        .all(|((member, wanted), index)| {
            let alias = drawn.get(wanted.alias as usize);
            maps.slots.get(index).is_some_and(|slot| {
                member.tier == Tier::Drawn
                    && slot.threshold.load(Relaxed) == wanted.threshold
                    && alias.is_some_and(|alias| slot.alias.load(Relaxed) == alias.id)
            })
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
        let flags = backend.flags.fetch_and(!LIVE, Relaxed);
        if load.open() == 0 {
            continue;
        }
        mark(taken, id);
        // One that is live outside of every slice was leaving when the process before
        // this one died, before it had said what becomes of the sockets.
        let condemned = flags & CONDEMNED != 0 || flags & LIVE != 0 && condemns(maps, backend);
        if condemned {
            backend.flags.fetch_or(CONDEMNED, Relaxed);
        }
        let left = Departed {
            id,
            from: None,
            task: None,
            condemned,
        };
        departed.insert(backend.identity.load(Relaxed), left);
    }
    departed
}

/// Whether sockets to a backend are to be ended when it is gone, by its service's entry,
/// which stays until another service needs it.
fn condemns(maps: &Maps, backend: &BackendEntry) -> bool {
    let service = maps.services.get(backend.service.load(Relaxed));
    service.is_some_and(|service| {
        service.close.load(Relaxed) != 0 || service.protocol.load(Relaxed) == Protocol::Udp.number()
    })
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

/// Sets a flag and says what it was; one that is not there is as good as set.
fn mark(flags: &mut [bool], id: u32) -> bool {
    let flag = flags.get_mut(id as usize);
    flag.is_none_or(|flag| std::mem::replace(flag, true))
}

fn is_set(flags: &[bool], id: u32) -> bool {
    flags.get(id as usize).copied().unwrap_or(false)
}

impl ServiceEntry {
    /// Writes what a service's settings are to programs.
    pub(crate) fn store_settings(&self, settings: Settings) {
        let nanos = u64::from(settings.slow_start).saturating_mul(1_000_000_000);
        self.policy.store(policy_number(settings.policy), Relaxed);
        self.max_ejected
            .store(settings.max_ejected.min(100) as u8, Relaxed);
        let failures = u16::try_from(settings.failures).unwrap_or(u16::MAX);
        self.failures.store(failures, Relaxed);
        self.affinity.store(settings.affinity, Relaxed);
        self.slow_start.store(ticks(nanos), Relaxed);
        self.close.store(u8::from(settings.close), Relaxed);
    }

    /// Reads what [`ServiceEntry::store_settings`] wrote; the rest is the table's alone.
    fn settings(&self) -> Settings {
        let slow_start = u64::from(self.slow_start.load(Relaxed)) << TICK_SHIFT;
        Settings {
            policy: policy_from(self.policy.load(Relaxed)),
            affinity: self.affinity.load(Relaxed),
            slow_start: slow_start.div_ceil(1_000_000_000) as u32,
            failures: self.failures.load(Relaxed).into(),
            max_ejected: self.max_ejected.load(Relaxed).into(),
            close: self.close.load(Relaxed) != 0,
            ..Settings::default()
        }
    }
}

/// The number of a policy in `enum policy` of `bpf/layout.h`.
fn policy_number(policy: Policy) -> u8 {
    match policy {
        Policy::LeastLoaded => 0,
        Policy::Random => 1,
        Policy::Hash => 2,
    }
}

fn policy_from(number: u8) -> Policy {
    match number {
        1 => Policy::Random,
        2 => Policy::Hash,
        _ => Policy::LeastLoaded,
    }
}
