//! Making anew what changes have touched.

use std::collections::btree_map::Entry;
use std::mem;
use std::sync::Arc;

use super::super::{Changes, ServiceTable};
use super::{Dirty, LiveTable, Standpoint, Target, Vips, Virtual};
use crate::name::{ZONE, in_zone};
use crate::table::problems::Problems;

impl LiveTable {
    /// The table of all records, and how it differs from the one of the last call; at
    /// the first one, from an empty table.
    ///
    /// It costs what the changes touched. A reader that still holds the table before
    /// the last one makes it cost a copy, too.
    pub fn settle(&mut self) -> (Arc<ServiceTable>, Changes) {
        let Self {
            standpoint,
            vips,
            problems,
            dirty,
            copies,
            ..
        } = self;
        if dirty.is_empty() && problems.is_settled() {
            return (Arc::clone(copies.current()), Changes::default());
        }
        let changes = copies.update(|table| {
            let mut changes = Changes::default();
            for target in mem::take(&mut dirty.ports) {
                settle_port(target, vips, problems, dirty);
            }
            settle_services(standpoint, vips, dirty, table, &mut changes);
            settle_names(vips, dirty, table, &mut changes);
            settle_addresses(standpoint, vips, dirty, table, &mut changes);
            problems.settle(table, &mut changes);
            changes
        });
        (Arc::clone(copies.current()), changes)
    }
}

impl Dirty {
    fn is_empty(&self) -> bool {
        self.ports.is_empty()
            && self.services.is_empty()
            && self.names.is_empty()
            && self.addresses.is_empty()
    }
}

fn settle_port(target: Target, vips: &mut Vips, problems: &mut Problems, dirty: &mut Dirty) {
    let (settings, found) = vips.judge(&target);
    if let Entry::Occupied(mut entry) = vips.ports_mut(&target.vip).entry(target.port) {
        let port = entry.get_mut();
        problems.remove(&port.problems);
        problems.add(&found);
        port.problems = found;
        port.set_settings(settings);
        if port.members.is_empty() {
            entry.remove();
        }
    }
    let addresses = vips.addresses_of(&target.vip).into_iter();
    dirty
        .services
        .extend(addresses.map(|it| target.port.at(it)));
    match target.vip {
        Virtual::Name(name) => drop(dirty.names.insert(name)),
        Virtual::Address(address) => drop(dirty.addresses.insert(address)),
    }
}

fn settle_services(
    standpoint: &Standpoint,
    vips: &Vips,
    dirty: &mut Dirty,
    table: &mut ServiceTable,
    changes: &mut Changes,
) {
    for key in mem::take(&mut dirty.services) {
        let own = standpoint.own.get(&key).cloned();
        let service = own.or_else(|| vips.service(&key).map(Arc::new));
        if table.services.get(&key) == service.as_deref() {
            continue;
        }
        match service {
            Some(service) => table.services.insert(key, service),
            None => drop(table.services.remove(&key)),
        }
        changes.services.insert(key);
    }
}

fn settle_names(
    vips: &mut Vips,
    dirty: &mut Dirty,
    table: &mut ServiceTable,
    changes: &mut Changes,
) {
    for name in mem::take(&mut dirty.names) {
        let (full, resolved) = (in_zone(&name, ZONE), vips.resolved(&name));
        vips.prune_name(&name);
        if table.names.get(&full) == resolved.as_ref() {
            continue;
        }
        match resolved {
            Some(addresses) => drop(table.names.insert(full.clone(), addresses)),
            None => drop(table.names.remove(&full)),
        }
        changes.names.insert(full);
    }
}

fn settle_addresses(
    standpoint: &Standpoint,
    vips: &mut Vips,
    dirty: &mut Dirty,
    table: &mut ServiceTable,
    changes: &mut Changes,
) {
    for address in mem::take(&mut dirty.addresses) {
        vips.prune_address(&address);
        let own = standpoint.own.keys().any(|key| key.address == address);
        let changed = if own || vips.holds(&address) {
            table.addresses.insert(address)
        } else {
            table.addresses.remove(&address)
        };
        if changed {
            changes.addresses.insert(address);
        }
    }
}
