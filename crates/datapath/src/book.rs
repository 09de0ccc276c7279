//! What is in the kernel, as the loader remembers it.
//!
//! A copy, never a source: it is made from the maps when they are adopted, and
//! follows every write. Nothing of it is stored.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use model::TaskId;
use vip::{Service, ServiceKey, Settings};

use crate::identity::fingerprint;
use crate::ids::Ids;
use crate::layout::{CONDEMNED, SliceWord};
use crate::members::{Tier, Wanted};
use crate::slices::Slices;

/// The services in the kernel, and what is free there.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) services: BTreeMap<ServiceKey, Installed>,
    pub(crate) addresses: BTreeSet<IpAddr>,
    /// Backends that left their service, by identity. Their ids stay taken until no
    /// connection is open and no program can hold them.
    pub(crate) departed: HashMap<u64, Departed>,
    /// Backends within their service's slow start.
    pub(crate) warming: Vec<u32>,
    pub(crate) service_ids: Ids,
    pub(crate) backend_ids: Ids,
    pub(crate) slots: Slices,
}

/// A service in the kernel.
#[derive(Debug)]
pub(crate) struct Installed {
    pub(crate) id: u32,
    pub(crate) settings: Settings,
    pub(crate) slice: SliceWord,
    /// Whether its slots say the same as its backends; a crash may have come between.
    pub(crate) whole: bool,
    /// In the order of their slots: by tier, and by identity in each.
    pub(crate) members: Vec<Member>,
    /// Unknown between a restart and the first table.
    pub(crate) name: Option<String>,
    /// The fingerprint of what it was made from, which nearly every service of the
    /// next table still has; unknown between a restart and the first table.
    pub(crate) fingerprint: Option<u64>,
}

/// A backend in the kernel.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: u32,
    pub(crate) identity: u64,
    pub(crate) weight: u16,
    pub(crate) tier: Tier,
    /// Unknown between a restart and the first table.
    pub(crate) task: Option<TaskId>,
}

/// A backend that left its service.
#[derive(Debug)]
pub(crate) struct Departed {
    pub(crate) id: u32,
    /// Unknown after a restart.
    pub(crate) from: Option<ServiceKey>,
    pub(crate) task: Option<TaskId>,
    /// Whether sockets that are connected to it are to be ended.
    pub(crate) condemned: bool,
}

/// What programs know of settings: the table has seen to the rest.
fn for_programs(settings: Settings) -> Settings {
    let Settings {
        locality, unready, ..
    } = Settings::default();
    Settings {
        locality,
        unready,
        ..settings
    }
}

impl Departed {
    /// What the kernel is told of it.
    pub(crate) fn flags(&self) -> u16 {
        if self.condemned { CONDEMNED } else { 0 }
    }
}

impl Book {
    /// Addresses of services.
    pub(crate) fn in_use(&self) -> BTreeSet<IpAddr> {
        self.services.keys().map(|key| key.address).collect()
    }
}

impl Installed {
    /// Whether the kernel already does what is wanted.
    pub(crate) fn is(&self, settings: Settings, wanted: &[Wanted<'_>]) -> bool {
        self.whole
            && for_programs(self.settings) == for_programs(settings)
            && self.members.len() == wanted.len()
            && self.members.iter().zip(wanted).all(|(member, wanted)| {
                member.identity == wanted.identity
                    && member.weight == wanted.weight
                    && member.tier == wanted.tier
            })
    }

    /// Takes over what the kernel does not know.
    pub(crate) fn rename(&mut self, service: &Service, wanted: &[Wanted<'_>]) {
        if self.name != service.name {
            self.name.clone_from(&service.name);
        }
        self.fingerprint = Some(fingerprint(service));
        for (member, wanted) in self.members.iter_mut().zip(wanted) {
            if member.task.is_none() {
                member.task = Some(wanted.backend.task.clone());
            }
        }
    }
}
