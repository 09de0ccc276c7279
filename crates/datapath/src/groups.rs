//! Which containers may talk to each other, and whom that has kept apart.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use libbpf_rs::{ErrorKind, MapCore, MapFlags, MapHandle};
use vip::GroupTable;

use crate::faults::{Point, pass};
use crate::object::Maps;
use crate::pins::Pins;
use crate::sentries::{self, dismiss};
use crate::tenants::{Behind, Tenancy, Tenant, key_address, realm_key, tenant_key};
use crate::{Datapath, DatapathError, Finding};

mod drops;
mod judged;

pub use drops::{DropReason, Dropped, Drops};
pub use judged::Judged;

impl Datapath {
    /// Makes a table of groups what is enforced at every guarded link. Packets of
    /// connections that were allowed before and are not any more are dropped at once.
    ///
    /// # Errors
    /// The first problem; all else is set nevertheless.
    pub fn set_groups(&mut self, table: &GroupTable) -> Result<(), DatapathError> {
        let tenancy = &mut self.tenancy;
        if !table.expecting {
            tenancy.links.values_mut().for_each(|it| it.settled = true);
        }
        tenancy.table = Some(table.clone());
        let realms = table.realms.iter();
        let realms = realms.map(|net| realm_key(net.network(), net.prefix_len()));
        let realms = set_realms(&self.kernel.maps.realms, &realms.collect());
        self.set_tenants().and(realms)
    }

    /// Puts the programs that enforce groups onto a link of this network namespace, the
    /// host's side of a container's, before it is up: from here on the container sends
    /// with its own addresses alone, and talks to whom its groups allow. An address that
    /// no table has told yet is in the default group, unless a task is expected.
    ///
    /// # Errors
    /// If the kernel refuses; the link may not be used then.
    pub fn guard_interface(&mut self, link: u32, behind: Behind<'_>) -> Result<(), DatapathError> {
        let known = self.tenancy.links.contains_key(&link);
        self.tenancy.guard(link, &behind);
        let told = self.set_tenants();
        self.sentries
            .post(link, known)
            .map_err(at_link(link, "put onto"))?;
        told
    }

    /// Forgets a link that is gone, or takes the programs off one that is not.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn release_interface(&mut self, link: u32) -> Result<(), DatapathError> {
        self.tenancy.links.remove(&link);
        let dismissed = match sentries::exists(link) {
            true => dismiss(link).map_err(at_link(link, "taken off")),
            false => Ok(()),
        };
        self.set_tenants().and(dismissed)
    }

    /// The links that are guarded, also by a process before this one, and the addresses
    /// behind each.
    #[must_use]
    pub fn guarded(&self) -> BTreeMap<u32, BTreeSet<IpAddr>> {
        let links = self.tenancy.links.iter();
        links
            .map(|(link, guarded)| (*link, guarded.addresses.clone()))
            .collect()
    }

    /// Makes this process's programs those of all guarded links.
    pub(crate) fn post_sentries(&mut self) -> Result<(), DatapathError> {
        let mut outcome = Ok(());
        for link in self.tenancy.links.keys() {
            let posted = self.sentries.post(*link, true);
            if sentries::exists(*link) {
                outcome = outcome.and(posted.map_err(at_link(*link, "put onto")));
            }
        }
        outcome
    }

    /// What is wrong with guarded links that are there.
    pub(crate) fn sentry_findings(&self) -> impl Iterator<Item = Finding> {
        let links = self.tenancy.links.keys();
        links.filter_map(|link| {
            let problem = self.sentries.problem(*link)?;
            let name = sentries::name_of(*link)?;
            Some(Finding {
                hook: "groups",
                problem: format!("{name}: {problem}"),
            })
        })
    }

    fn set_tenants(&mut self) -> Result<(), DatapathError> {
        let wanted = self.tenancy.wanted();
        let (map, installed) = (&self.kernel.maps.tenants, &mut self.tenancy.installed);
        let mut outcome = Ok(());
        let stale = installed.keys().filter(|it| !wanted.contains_key(it));
        // First, since an element that goes may make room for one that comes.
        for address in stale.copied().collect::<Vec<_>>() {
            let removed = delete(map, "tenants", &tenant_key(address));
            if removed.is_ok() {
                installed.remove(&address);
            }
            outcome = outcome.and(removed);
        }
        for (address, tenant) in wanted {
            if installed.get(&address) == Some(&tenant) {
                continue;
            }
            let written = write(map, "tenants", &tenant_key(address), &tenant.pack());
            if written.is_ok() {
                installed.insert(address, tenant);
            }
            outcome = outcome.and(written);
        }
        outcome
    }
}

/// Reads what the maps hold.
pub(crate) fn read_back(maps: &Maps) -> Tenancy {
    let keys = maps.tenants.keys();
    let installed = keys.filter_map(|key| {
        let value = maps.tenants.lookup(&key, MapFlags::ANY).ok()??;
        Some((key_address(&key)?, Tenant::unpack(&value)?))
    });
    Tenancy::adopt(installed.collect())
}

fn set_realms(map: &MapHandle, wanted: &BTreeSet<[u8; 20]>) -> Result<(), DatapathError> {
    let found: BTreeSet<_> = map
        .keys()
        .filter_map(|key| key.first_chunk::<20>().copied())
        .collect();
    let mut outcome = Ok(());
    for key in wanted.difference(&found) {
        outcome = outcome.and(write(map, "realms", key, &1_u32.to_ne_bytes()));
    }
    for key in found.difference(wanted) {
        outcome = outcome.and(delete(map, "realms", key));
    }
    outcome
}

/// Takes the programs of the datapath with these pins off the links that it guarded.
pub(crate) fn dismiss_all(pins: &Pins) -> Result<(), DatapathError> {
    let Ok(map) = MapHandle::from_pinned_path(pins.map("tenants")) else {
        return Ok(());
    };
    let keys: Vec<_> = map.keys().collect();
    let links = keys.iter().filter_map(|key| {
        let value = map.lookup(key, MapFlags::ANY).ok()??;
        Some(Tenant::unpack(&value)?.link)
    });
    let links: BTreeSet<u32> = links.filter(|link| *link != 0).collect();
    let mut outcome = Ok(());
    for link in links {
        outcome = outcome.and(dismiss(link).map_err(at_link(link, "taken off")));
    }
    outcome
}

pub(crate) fn write(
    map: &MapHandle,
    name: &'static str,
    key: &[u8],
    value: &[u8],
) -> Result<(), DatapathError> {
    pass(Point::Write)
        .map_err(libbpf_rs::Error::from)
        .and_then(|()| map.update(key, value, MapFlags::ANY))
        .map_err(|source| DatapathError::unwritten(map, name, source))
}

/// An element that is not there is as good as deleted.
pub(crate) fn delete(map: &MapHandle, name: &'static str, key: &[u8]) -> Result<(), DatapathError> {
    let deleted = pass(Point::Delete).map_err(libbpf_rs::Error::from);
    match deleted.and_then(|()| map.delete(key)) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(DatapathError::Map {
            map: name,
            action: "cleaned",
            source,
        }),
        _ => Ok(()),
    }
}

fn at_link(link: u32, action: &'static str) -> impl FnOnce(std::io::Error) -> DatapathError {
    move |source| DatapathError::Interface {
        link: sentries::name_of(link).unwrap_or_else(|| format!("number {link}")),
        action,
        source,
    }
}
