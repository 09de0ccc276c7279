//! What is in the kernel, as the loader remembers it.
//!
//! A copy, never a source: it is made from the maps when they are adopted, and
//! follows every write. Nothing of it is stored.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use model::TaskId;
use vip::{Policy, Service, ServiceKey};

use crate::identity::fingerprint;
use crate::ids::Ids;
use crate::layout::SliceWord;
use crate::members::Wanted;
use crate::slices::Slices;

/// The services in the kernel, and what is free there.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) services: BTreeMap<ServiceKey, Installed>,
    pub(crate) addresses: BTreeSet<IpAddr>,
    /// Backends that left their service, by identity. Their ids stay taken until no
    /// connection is open and no program can hold them.
    pub(crate) departed: HashMap<u64, Departed>,
    pub(crate) service_ids: Ids,
    pub(crate) backend_ids: Ids,
    pub(crate) slots: Slices,
}

/// A service in the kernel.
#[derive(Debug)]
pub(crate) struct Installed {
    pub(crate) id: u32,
    pub(crate) policy: Policy,
    pub(crate) slice: SliceWord,
    /// In the order of their slots: ready ones, then draining ones, each by identity.
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
    pub(crate) weight: u32,
    pub(crate) draining: bool,
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
}

impl Book {
    /// Addresses of services.
    pub(crate) fn in_use(&self) -> BTreeSet<IpAddr> {
        self.services.keys().map(|key| key.address).collect()
    }
}

impl Installed {
    /// Whether the kernel already does what is wanted.
    pub(crate) fn is(&self, policy: Policy, wanted: &[Wanted<'_>]) -> bool {
        self.policy == policy
            && self.members.len() == wanted.len()
            && self.members.iter().zip(wanted).all(|(member, wanted)| {
                member.identity == wanted.identity
                    && member.weight == wanted.weight
                    && member.draining == wanted.draining
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
