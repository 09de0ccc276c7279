//! What somebody who asked a backend knows better than the programs do.
//!
//! Programs judge a backend by the connects of all clients, and a client may fail by
//! its own fault. Whoever has connected to the backend from the host overrules them:
//! readmits it, and lets them ignore some failures from then on, or keeps it out
//! until it is asked again.
//!
//! Backends are named by service and identity, since ids are used again.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use model::TaskId;
use vip::ServiceKey;

use crate::Datapath;
use crate::book::{Installed, Member};
use crate::layout::{LoadEntry, load_endpoint, monotonic};

/// A backend that new connections keep away from, and where it can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ejected {
    /// Its service.
    pub service: ServiceKey,
    /// What it is known by in the kernel.
    pub identity: u64,
    /// Its task; unknown from a restart until the first table.
    pub task: Option<TaskId>,
    /// Its address for the host and for clients on its network.
    pub near: Option<SocketAddr>,
    /// Its address for everybody else.
    pub far: Option<SocketAddr>,
    /// When one connect tries it, unless somebody decides before.
    pub until: Instant,
}

impl Datapath {
    /// All backends that are ejected at the moment.
    #[must_use]
    pub fn ejected(&self) -> Vec<Ejected> {
        let (now, instant) = (monotonic(), Instant::now());
        let services = self.kernel.book.services.iter();
        services
            .flat_map(|(key, installed)| installed.members.iter().map(move |it| (key, it)))
            .filter_map(|(key, member)| {
                let load = self.kernel.maps.load.get(member.id)?;
                let until = load.ejected_until.load(Relaxed);
                let remaining = Duration::from_nanos(until.saturating_sub(now));
                (until != 0).then(|| self.describe(key, member, instant + remaining))
            })
            .collect()
    }

    /// Ends a backend's ejection. So many of its failures are ignored from now on, in
    /// a row or not: whoever readmits it has seen that it works. False if it is not
    /// ejected.
    pub fn readmit(&self, service: &ServiceKey, identity: u64, credit: u32) -> bool {
        self.load_of(service, identity).is_some_and(|load| {
            let credit = i32::try_from(credit).unwrap_or(i32::MAX);
            let ejected = load.ejected_until.load(Relaxed) != 0;
            if ejected {
                // In this order, so that no failure in between ejects it again.
                load.failing.store(-credit, Relaxed);
                load.ejected_until.store(0, Relaxed);
            }
            ejected
        })
    }

    /// Prolongs or shortens a backend's ejection, which lasts for `time` from now on.
    /// False if it is not ejected: a connect that succeeded meanwhile is right.
    pub fn keep_out(&self, service: &ServiceKey, identity: u64, time: Duration) -> bool {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let until = monotonic().saturating_add(nanos).max(1);
        self.load_of(service, identity).is_some_and(|load| {
            load.ejected_until
                .fetch_update(Relaxed, Relaxed, |now| (now != 0).then_some(until))
                .is_ok()
        })
    }

    /// How many of a backend's failures will still be ignored. Nothing if it is not a
    /// backend any more.
    #[must_use]
    pub fn credit(&self, service: &ServiceKey, identity: u64) -> Option<u32> {
        let failing = self.load_of(service, identity)?.failing.load(Relaxed);
        Some(if failing < 0 {
            failing.unsigned_abs()
        } else {
            0
        })
    }

    /// Takes back what is left of [`Datapath::readmit`]'s credit.
    pub fn withdraw_credit(&self, service: &ServiceKey, identity: u64) {
        if let Some(load) = self.load_of(service, identity) {
            load.failing.fetch_max(0, Relaxed);
        }
    }

    fn load_of(&self, service: &ServiceKey, identity: u64) -> Option<&LoadEntry> {
        let installed: &Installed = self.kernel.book.services.get(service)?;
        let mut members = installed.members.iter();
        let member = members.find(|member| member.identity == identity)?;
        self.kernel.maps.load.get(member.id)
    }

    fn describe(&self, key: &ServiceKey, member: &Member, until: Instant) -> Ejected {
        let entry = self.kernel.maps.backends.get(member.id);
        Ejected {
            service: *key,
            identity: member.identity,
            task: member.task.clone(),
            near: entry.and_then(|entry| load_endpoint(&entry.near, &entry.near_port)),
            far: entry.and_then(|entry| load_endpoint(&entry.far, &entry.far_port)),
            until,
        }
    }
}
