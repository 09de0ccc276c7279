//! Writing services into the maps.
//!
//! Programs read while this writes, so that each change follows one order: what is
//! new is complete before anything points to it, one store (of a slice) or one
//! insertion (of a VIP port) makes it visible, and what is old is used again only
//! when no program can still be reading it.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::{Duration, Instant};

use libbpf_rs::{ErrorKind, MapCore, MapFlags};
use model::Protocol;
use vip::{Service, ServiceKey, Settings};

use crate::adopt::read_back;
use crate::alias::alias_table;
use crate::book::{Book, Departed, Installed, Member};
use crate::faults::{Point, pass, step};
use crate::grace::Grace;
use crate::grant::Grant;
use crate::identity::{fingerprint, network_identity};
use crate::layout::{
    DRAINING, LIVE, MAX_COUNT, SliceWord, WARMING, address_key, filter_bit, monotonic_coarse,
    service_key, store_endpoint, ticks, vip_value,
};
use crate::members::{Tier, Wanted, wanted};
use crate::object::Maps;
use crate::slices::Range;
use crate::{ApplyError, DatapathError};

/// So many departed backends are remembered before anybody looks which are done.
const DEPARTED: usize = 1_024;
/// And how often to look, at most.
const TIDY_EVERY: Duration = Duration::from_secs(10);

/// What became of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Added,
    Changed,
    Unchanged,
}

/// The maps and what is known of them.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) maps: Maps,
    pub(crate) book: Book,
    grace: Grace,
    tidied: Instant,
}

impl Kernel {
    /// Takes over what the maps hold.
    pub(crate) fn new(maps: Maps) -> Result<Self, DatapathError> {
        let failed = |source| DatapathError::Map {
            map: "sl_grace",
            action: "used",
            source,
        };
        let grace = Grace::new().map_err(failed)?;
        // The process before this one may have replaced slices a moment ago.
        grace.wait().map_err(failed)?;
        let book = read_back(&maps)?;
        let kernel = Self {
            maps,
            book,
            grace,
            tidied: Instant::now(),
        };
        kernel.clear_filter();
        Ok(kernel)
    }

    /// Makes a service what the table says.
    pub(crate) fn put(
        &mut self,
        key: &ServiceKey,
        service: &Service,
    ) -> Result<Change, ApplyError> {
        let wanted = wanted(key, service);
        if let Some(installed) = self.book.services.get_mut(key)
            && installed.is(service.settings, &wanted)
        {
            installed.rename(service, &wanted);
            return Ok(Change::Unchanged);
        }
        self.replace(key, service, &wanted)
    }

    /// Takes a service out: its port is refused from here on.
    pub(crate) fn remove(&mut self, key: &ServiceKey) -> Result<(), ApplyError> {
        self.delete(&service_key(key))?;
        step();
        if let Some(installed) = self.book.services.remove(key) {
            self.book.service_ids.retire(installed.id);
            let close = installed.settings.close;
            self.retire(key, installed.slice, installed.members, close);
        }
        Ok(())
    }

    /// Marks an address as a VIP: its ports are refused unless a service has them.
    pub(crate) fn put_address(&mut self, address: IpAddr) -> Result<(), ApplyError> {
        self.pass_filter(address);
        self.insert(&address_key(address), 0)?;
        self.book.addresses.insert(address);
        Ok(())
    }

    /// Makes an address ordinary again.
    pub(crate) fn remove_address(&mut self, address: IpAddr) -> Result<(), ApplyError> {
        self.delete(&address_key(address))?;
        self.book.addresses.remove(&address);
        Ok(())
    }

    /// Lets programs look for an address in `vips` at all.
    fn pass_filter(&self, address: IpAddr) {
        let (word, bit) = filter_bit(address);
        if let Some(word) = self.maps.filter.get(word) {
            word.fetch_or(bit, Release);
        }
    }

    /// Makes the filter what the addresses in `vips` need: bits are shared, so that
    /// an address which goes cannot take its own along.
    pub(crate) fn clear_filter(&self) {
        let mut words = vec![0; self.maps.filter.len() as usize];
        let services = self.book.services.keys().map(|key| key.address);
        for address in self.book.addresses.iter().copied().chain(services) {
            let (word, bit) = filter_bit(address);
            if let Some(word) = words.get_mut(word as usize) {
                *word |= bit;
            }
        }
        for (index, word) in (0..).zip(words) {
            if let Some(entry) = self.maps.filter.get(index) {
                entry.store(word, Release);
            }
        }
    }

    /// Frees what departed backends hold, if there are many, and notes who is warm.
    pub(crate) fn tidy(&mut self) {
        self.cool_down();
        if self.book.departed.len() > DEPARTED && self.tidied.elapsed() >= TIDY_EVERY {
            self.tidied = Instant::now();
            self.reclaim();
        }
    }

    /// Allocates, if need be after freeing what nobody uses any more.
    pub(crate) fn room<T>(
        &mut self,
        name: &'static str,
        capacity: u32,
        allocate: impl Fn(&mut Book) -> Option<T>,
    ) -> Result<T, ApplyError> {
        if let Some(found) = allocate(&mut self.book) {
            return Ok(found);
        }
        // A table that does not fit would wait once for each of its services.
        if self.reclaimable() {
            self.reclaim();
        }
        allocate(&mut self.book).ok_or(ApplyError::Full { name, capacity })
    }

    /// Says whether a backend is part of its service. Datagrams of flows that are
    /// pinned to one which is not choose again.
    pub(crate) fn set_flags(&self, backend: u32, flags: u16) {
        if let Some(entry) = self.maps.backends.get(backend) {
            entry.flags.store(flags, Release);
        }
    }

    fn replace(
        &mut self,
        key: &ServiceKey,
        service: &Service,
        wanted: &[Wanted<'_>],
    ) -> Result<Change, ApplyError> {
        if wanted.len() > MAX_COUNT as usize {
            return Err(ApplyError::TooManyBackends {
                count: wanted.len(),
                max: MAX_COUNT,
            });
        }
        let drawn = |wanted: &&Wanted<'_>| wanted.tier == Tier::Drawn;
        let ready = wanted.iter().filter(drawn).count() as u32;
        let count = wanted.len() as u32;
        let range = self.room("slots", self.maps.slots.len(), |book| {
            book.slots.allocate(count)
        })?;
        let slice = SliceWord {
            first: range.first,
            ready,
            rest: count - ready,
        };
        let grant = match self.grant(key, wanted) {
            Ok(grant) => grant,
            Err(error) => {
                self.book.slots.free(range);
                return Err(error);
            }
        };
        if grant.new_service {
            self.describe(key, service.settings, grant.service);
        }
        self.write_backends(key, &grant, wanted, service.settings);
        step();
        self.write_slots(slice, &grant.members);
        step();
        if let Err(error) = self.publish(key, service, &grant, slice) {
            self.book.slots.free(range);
            self.give_back(grant);
            return Err(error);
        }
        let change = if grant.new_service {
            Change::Added
        } else {
            Change::Changed
        };
        self.note(key, service, grant, slice);
        Ok(change)
    }

    /// Notes what programs see now, and retires what they saw before.
    fn note(&mut self, key: &ServiceKey, service: &Service, grant: Grant, slice: SliceWord) {
        let kept: HashSet<u64> = grant.members.iter().map(|member| member.identity).collect();
        let installed = Installed {
            id: grant.service,
            settings: service.settings,
            slice,
            whole: true,
            members: grant.members,
            name: service.name.clone(),
            fingerprint: Some(fingerprint(service)),
        };
        if let Some(mut old) = self.book.services.insert(*key, installed) {
            old.members
                .retain(|member| !kept.contains(&member.identity));
            self.retire(key, old.slice, old.members, service.settings.close);
        }
    }

    fn write_backends(
        &mut self,
        key: &ServiceKey,
        grant: &Grant,
        wanted: &[Wanted<'_>],
        settings: Settings,
    ) {
        let before = self.tiers(key);
        for (member, wanted) in grant.members.iter().zip(wanted) {
            let Some(entry) = self.maps.backends.get(member.id) else {
                continue;
            };
            entry.weight.store(wanted.weight, Relaxed);
            entry.service.store(grant.service, Relaxed);
            // Addresses are part of the identity, so that they never change in use.
            if entry.identity.load(Relaxed) != wanted.identity {
                let near = wanted.backend.near.as_ref();
                store_endpoint(&entry.near, &entry.near_port, near.map(|near| near.address));
                store_endpoint(&entry.far, &entry.far_port, wanted.backend.far);
                let network = near.map_or(0, |near| network_identity(&near.network));
                entry.network.store(network, Relaxed);
                entry.identity.store(wanted.identity, Relaxed);
            }
            let mut flags = match wanted.tier {
                Tier::Draining => LIVE | DRAINING,
                _ => LIVE | entry.flags.load(Relaxed) & WARMING,
            };
            // Where all are new there is nobody to spare them.
            let joins = before.values().any(|tier| *tier != Tier::Draining)
                && before
                    .get(&member.id)
                    .is_none_or(|tier| *tier == Tier::Draining);
            if settings.slow_start > 0 && wanted.tier != Tier::Draining && joins {
                entry.since.store(ticks(monotonic_coarse()), Relaxed);
                flags |= WARMING;
                self.book.warming.push(member.id);
            }
            self.set_flags(member.id, flags);
            step();
        }
    }

    /// Which of a service's backends programs see now, and when they use them.
    fn tiers(&self, key: &ServiceKey) -> HashMap<u32, Tier> {
        let installed = self.book.services.get(key);
        let members = installed
            .into_iter()
            .flat_map(|installed| &installed.members);
        members.map(|member| (member.id, member.tier)).collect()
    }

    /// Ends slow starts that are over, since the clock they are told by wraps.
    fn cool_down(&mut self) {
        let (now, maps) = (ticks(monotonic_coarse()), &self.maps);
        self.book.warming.retain(|id| {
            let Some(entry) = maps.backends.get(*id) else {
                return false;
            };
            let service = maps.services.get(entry.service.load(Relaxed));
            let window = service.map_or(0, |service| service.slow_start.load(Relaxed));
            let warms = now.wrapping_sub(entry.since.load(Relaxed)) < window;
            if !warms {
                entry.flags.fetch_and(!WARMING, Relaxed);
            }
            warms
        });
    }

    fn write_slots(&self, slice: SliceWord, members: &[Member]) {
        let drawn = members.iter().take(slice.ready as usize);
        let weights: Vec<_> = drawn.map(|member| u32::from(member.weight)).collect();
        let table = alias_table(&weights);
        for (offset, member) in members.iter().enumerate() {
            let Some(entry) = self.maps.slots.get(slice.first + offset as u32) else {
                continue;
            };
            let drawn = table.get(offset);
            let alias = drawn.and_then(|drawn| members.get(drawn.alias as usize));
            entry.backend.store(member.id, Relaxed);
            entry
                .alias
                .store(alias.map_or(member.id, |alias| alias.id), Relaxed);
            entry
                .threshold
                .store(drawn.map_or(u32::MAX, |drawn| drawn.threshold), Relaxed);
        }
    }

    /// Says what a new service is, before its backends say that they are its own: after
    /// a crash in between, this tells what becomes of those that still have connections.
    fn describe(&self, key: &ServiceKey, settings: Settings, id: u32) {
        let Some(entry) = self.maps.services.get(id) else {
            return;
        };
        let address = (key.address, key.port).into();
        store_endpoint(&entry.address, &entry.port, Some(address));
        entry.protocol.store(key.protocol.number(), Relaxed);
        entry.store_settings(settings);
        entry.refused.store(0, Relaxed);
        step();
    }

    /// The one step that programs see.
    fn publish(
        &mut self,
        key: &ServiceKey,
        service: &Service,
        grant: &Grant,
        slice: SliceWord,
    ) -> Result<(), ApplyError> {
        let Some(entry) = self.maps.services.get(grant.service) else {
            return Ok(());
        };
        entry.store_settings(service.settings);
        step();
        entry.slice.store(slice.pack(), Release);
        step();
        if grant.new_service {
            self.pass_filter(key.address);
            self.insert(&service_key(key), grant.service)
        } else {
            Ok(())
        }
    }

    fn retire(&mut self, key: &ServiceKey, slice: SliceWord, left: Vec<Member>, close: bool) {
        self.book.slots.retire(Range {
            first: slice.first,
            count: slice.count(),
        });
        for member in left {
            step();
            let departed = Departed {
                id: member.id,
                from: Some(*key),
                task: member.task,
                condemned: close || key.protocol == Protocol::Udp,
            };
            self.set_flags(departed.id, departed.flags());
            self.book.departed.insert(member.identity, departed);
        }
    }

    /// Whether waiting for running programs could free anything.
    fn reclaimable(&self) -> bool {
        let closed = |id| self.maps.load.get(id).is_none_or(|load| load.open() == 0);
        let book = &self.book;
        book.slots.any_retired()
            || book.service_ids.any_retired()
            || book.departed.values().any(|departed| closed(departed.id))
    }

    /// Waits for running programs and frees what they could have been reading.
    fn reclaim(&mut self) {
        if let Err(error) = self.grace.wait() {
            tracing::warn!(%error, "cannot wait for running programs; nothing is freed");
            return;
        }
        let book = &mut self.book;
        book.slots.reclaim();
        book.service_ids.reclaim();
        let (load, ids) = (&self.maps.load, &mut book.backend_ids);
        // Only after the wait: whoever had chosen one has counted itself by now.
        let open = |id| load.get(id).is_some_and(|load| load.open() > 0);
        book.departed.retain(|_, departed| {
            let keep = open(departed.id);
            if !keep {
                ids.free(departed.id);
            }
            keep
        });
    }

    fn insert(&self, key: &[u8], service: u32) -> Result<(), ApplyError> {
        let vips = &self.maps.vips;
        let inserted = pass(Point::Write)
            .map_err(libbpf_rs::Error::from)
            .and_then(|()| vips.update(key, &vip_value(service), MapFlags::ANY));
        inserted.map_err(|source| {
            let entries = self.book.services.len() + self.book.addresses.len();
            if entries >= self.maps.vips.max_entries() as usize {
                let capacity = self.maps.services.len() - 1;
                return ApplyError::Full {
                    name: "services",
                    capacity,
                };
            }
            ApplyError::Map {
                map: "vips",
                source,
            }
        })
    }

    /// An entry that is not there is as good as deleted.
    fn delete(&self, key: &[u8]) -> Result<(), ApplyError> {
        let deleted = pass(Point::Delete)
            .map_err(libbpf_rs::Error::from)
            .and_then(|()| self.maps.vips.delete(key));
        match deleted {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(ApplyError::Map {
                map: "vips",
                source,
            }),
            _ => Ok(()),
        }
    }
}
