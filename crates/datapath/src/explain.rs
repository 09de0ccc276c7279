//! What would be chosen for a client, and why.
//!
//! The same rules and numbers as `bpf/choose.h`, applied to what the maps hold at the
//! moment: not what the kernel was told to do, but what it would do. A test compares
//! both with what really happens.

mod affinity;
mod chance;
mod cost;
mod hash;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use model::TaskId;
use vip::{BackendState, NetworkKey, ServiceKey, Settings};

use crate::book::{Installed, Member};
use crate::identity::{hash_seed, network_identity};
use crate::layout::{
    BackendEntry, DRAINING, LIVE, LoadEntry, PLACE_NETWORKS, WARMING, load_endpoint,
    monotonic_coarse,
};
use crate::members::Tier;
use crate::{Datapath, Ejection, How, netns_cookie_of_self};
use affinity::Affinity;
use chance::{Chances, Fact, Facts, Standing};

/// Who would connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Client {
    /// A process in the host's network namespace.
    Host,
    /// A process in another network namespace.
    Namespace {
        /// The namespace's cookie.
        cookie: u64,
        /// The networks that it is on, of which four count.
        networks: BTreeSet<NetworkKey>,
    },
}

/// What would become of a client's next connect to a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The VIP's port.
    pub service: ServiceKey,
    /// Its name; unknown from a restart until the first table.
    pub name: Option<String>,
    /// How it treats its connections.
    pub settings: Settings,
    /// For how much longer the client stays with its backend if it does not connect.
    pub stays: Option<Duration>,
    /// The probability that the connect is refused for want of a backend.
    pub refused: f64,
    /// Its backends, in the order in which they are used.
    pub backends: Vec<Candidate>,
}

/// The unit of [`Candidate::cost`]: connect times count in steps of it.
pub const COST_UNIT: Duration = Duration::from_nanos(1 << cost::EWMA_STEP_SHIFT);

/// A backend as the client sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What it is known by in the kernel.
    pub identity: u64,
    /// Its task; unknown from a restart until the first table.
    pub task: Option<TaskId>,
    /// The address that this client uses; nothing if it cannot reach it.
    pub address: Option<SocketAddr>,
    /// Relative share of new connections.
    pub weight: u32,
    /// Whether it takes new connections.
    pub state: BackendState,
    /// Whether clients on this node use it before others.
    pub preferred: bool,
    /// Connections that are open or being opened, and UDP sockets pinned to it.
    pub open: u32,
    /// Those of them that are being opened.
    pub pending: u32,
    /// Moving average of the handshake's time, by now.
    pub time: Duration,
    /// What is compared, after dividing by the weight: (connect time + 1 ms) × (open +
    /// weight), in units of [`COST_UNIT`].
    pub cost: u64,
    /// Whether so many connects wait for an answer that any other is taken before it.
    pub doubtful: bool,
    /// The part of its share that it gets by now, within its service's slow start.
    pub warmth: Option<f64>,
    /// Whether new connections keep away from it.
    pub ejection: Option<Ejection>,
    /// The probability that it is chosen.
    pub probability: f64,
    /// Why.
    pub reason: Reason,
}

/// Why a backend is chosen, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It may be chosen, in this way.
    Chosen(How),
    /// It has no address that is valid where the client stands.
    NoAddress,
    /// Its address there is of another family than the VIP.
    OtherFamily,
    /// Connects to it failed.
    Ejected,
    /// It is drained, and another one is ready.
    Draining,
    /// Others are preferred on this node.
    NotPreferred,
    /// Another one is chosen, in this way.
    Another(How),
}

impl Datapath {
    /// Tells what would become of a client's next connect to a service; nothing if
    /// there is no such service, whose port is then refused if its address is a VIP.
    #[must_use]
    pub fn explain(&self, key: &ServiceKey, client: &Client) -> Option<Explanation> {
        let installed = self.kernel.book.services.get(key)?;
        let now = monotonic_coarse();
        let view = View {
            datapath: self,
            installed,
            ipv4: key.address.is_ipv4(),
            client,
            now,
        };
        let stays = view.stays();
        let facts = view.facts(stays.map(|(place, _)| place));
        let chances = facts.chances();
        let members = installed.members.iter().enumerate();
        let backends: Vec<_> = members
            .map(|(place, member)| view.candidate(place, member, &facts, &chances))
            .collect();
        let chosen: f64 = chances.shares.iter().sum();
        Some(Explanation {
            service: *key,
            name: installed.name.clone(),
            settings: installed.settings,
            stays: stays.map(|(_, remaining)| remaining),
            refused: (1.0 - chosen).clamp(0.0, 1.0),
            backends,
        })
    }
}

/// A service from where a client stands.
struct View<'d> {
    datapath: &'d Datapath,
    installed: &'d Installed,
    ipv4: bool,
    client: &'d Client,
    now: u64,
}

impl View<'_> {
    fn entry(&self, member: &Member) -> Option<(&BackendEntry, &LoadEntry)> {
        let maps = &self.datapath.kernel.maps;
        Some((maps.backends.get(member.id)?, maps.load.get(member.id)?))
    }

    fn cookie(&self) -> u64 {
        match self.client {
            // It was told when the programs were loaded, and is so for good.
            Client::Host => netns_cookie_of_self().unwrap_or_default(),
            Client::Namespace { cookie, .. } => *cookie,
        }
    }

    /// The address that the client uses for a backend.
    fn reach(&self, entry: &BackendEntry) -> Result<SocketAddr, Reason> {
        let near = load_endpoint(&entry.near, &entry.near_port).filter(|_| self.is_near(entry));
        let address = near
            .or_else(|| load_endpoint(&entry.far, &entry.far_port))
            .ok_or(Reason::NoAddress)?;
        if address.is_ipv4() == self.ipv4 {
            Ok(address)
        } else {
            Err(Reason::OtherFamily)
        }
    }

    fn is_near(&self, entry: &BackendEntry) -> bool {
        let network = entry.network.load(Relaxed);
        match self.client {
            Client::Host => true,
            Client::Namespace { networks, .. } => {
                let mut known = networks.iter().take(PLACE_NETWORKS).map(network_identity);
                network != 0 && known.any(|known| known == network)
            }
        }
    }

    /// The backend that the client stays with, and for how much longer.
    fn stays(&self) -> Option<(usize, Duration)> {
        let seconds = self.installed.settings.affinity;
        let last_slot = self.installed.slice.ready == 1 && self.installed.slice.rest == 0;
        if seconds == 0 || last_slot {
            return None;
        }
        let path = self.datapath.pins.map("affinity");
        let same = Affinity::find(&path, self.cookie(), self.installed.id)?;
        let until = same.last + u64::from(seconds) * 1_000_000_000;
        let remaining = until.checked_sub(self.now)?;
        let members = self.installed.members.iter();
        let (place, member) = members
            .enumerate()
            .find(|(_, member)| member.id == same.backend && member.identity == same.identity)?;
        let (entry, load) = self.entry(member)?;
        let flags = entry.flags.load(Relaxed) & (LIVE | DRAINING);
        let usable =
            load.ejected_until.load(Relaxed) == 0 && flags == LIVE && self.reach(entry).is_ok();
        usable.then(|| (place, Duration::from_nanos(remaining)))
    }

    fn facts(&self, stays: Option<usize>) -> Facts {
        let members = &self.installed.members;
        Facts {
            policy: self.installed.settings.policy,
            ready: self.installed.slice.ready as usize,
            backends: members.iter().map(|member| self.fact(member)).collect(),
            drawn: self.drawn(),
            seed: hash::seed(self.cookie(), hash_seed()),
            stays,
        }
    }

    fn fact(&self, member: &Member) -> Fact {
        let found = self.entry(member);
        let until = found.map_or(0, |(_, load)| load.ejected_until.load(Relaxed));
        Fact {
            identity: member.identity,
            weight: member.weight,
            reachable: found.is_some_and(|(entry, _)| self.reach(entry).is_ok()),
            draining: member.tier == Tier::Draining,
            standing: match until {
                0 => Standing::Fine,
                _ if self.now < until => Standing::Avoided,
                _ => Standing::Tried,
            },
            doubtful: found.is_some_and(|(_, load)| cost::is_doubtful(load, self.now)),
            cost: found.map_or(0, |(_, load)| cost::cost(load, member.weight, self.now)),
            held_back: found.map_or(0.0, |(entry, _)| self.held_back(entry)),
        }
    }

    fn held_back(&self, entry: &BackendEntry) -> f64 {
        let service = self.datapath.kernel.maps.services.get(self.installed.id);
        let slow_start = service.map_or(0, |service| service.slow_start.load(Relaxed));
        if entry.flags.load(Relaxed) & WARMING == 0 {
            return 0.0;
        }
        cost::held_back(entry.since.load(Relaxed), slow_start, self.now)
    }

    /// With which probability a draw from the alias table is each of its backends.
    fn drawn(&self) -> Vec<f64> {
        let slice = self.installed.slice;
        let ready = slice.ready as usize;
        let members = self.installed.members.iter().take(ready);
        let places: HashMap<u32, usize> = members
            .enumerate()
            .map(|(place, member)| (member.id, place))
            .collect();
        let mut drawn = vec![0.0; ready];
        for index in 0..slice.ready {
            let Some(slot) = self.datapath.kernel.maps.slots.get(slice.first + index) else {
                continue;
            };
            let own = (f64::from(slot.threshold.load(Relaxed)) + 1.0) / 2_f64.powi(32);
            let parts = [(&slot.backend, own), (&slot.alias, 1.0 - own)];
            for (id, part) in parts {
                let place = places.get(&id.load(Relaxed)).copied();
                if let Some(chance) = place.and_then(|place| drawn.get_mut(place)) {
                    *chance += part / ready as f64;
                }
            }
        }
        drawn
    }

    fn candidate(
        &self,
        place: usize,
        member: &Member,
        facts: &Facts,
        chances: &Chances,
    ) -> Candidate {
        let found = self.entry(member);
        let load = found.map(|(_, load)| load);
        let reached = found.map_or(Err(Reason::NoAddress), |(entry, _)| self.reach(entry));
        let fact = facts.backends.get(place);
        let held_back = fact.map_or(0.0, |fact| fact.held_back);
        let probability = chances.shares.get(place).copied().unwrap_or_default();
        Candidate {
            identity: member.identity,
            task: member.task.clone(),
            address: reached.ok(),
            weight: member.weight.into(),
            state: match member.tier {
                Tier::Draining => BackendState::Draining,
                _ => BackendState::Ready,
            },
            preferred: member.tier == Tier::Drawn,
            open: load.map_or(0, LoadEntry::open),
            pending: load.map_or(0, LoadEntry::pending),
            time: Duration::from_nanos(load.map_or(0, |load| cost::time(load, self.now))),
            cost: fact.map_or(0, |fact| fact.cost),
            doubtful: fact.is_some_and(|fact| fact.doubtful),
            warmth: Some(1.0 - held_back).filter(|_| held_back > 0.0),
            ejection: load.and_then(|load| load.ejection(self.now)),
            probability,
            reason: match reached {
                Err(reason) => reason,
                Ok(_) => self.reason(member, fact, probability, chances),
            },
        }
    }

    fn reason(
        &self,
        member: &Member,
        fact: Option<&Fact>,
        probability: f64,
        chances: &Chances,
    ) -> Reason {
        let standing = fact.map_or(Standing::Fine, |fact| fact.standing);
        let drawn = member.tier == Tier::Drawn;
        let only = chances.how == How::Only;
        match (standing, member.tier) {
            _ if probability > 0.0 && only => Reason::Chosen(How::Only),
            (Standing::Tried, _) if probability > 0.0 => Reason::Chosen(How::Trial),
            (Standing::Fine, _) if probability > 0.0 && drawn => Reason::Chosen(chances.how),
            _ if probability > 0.0 => Reason::Chosen(How::Fallback),
            (Standing::Avoided, _) => Reason::Ejected,
            (_, Tier::Draining) => Reason::Draining,
            (_, Tier::Second) => Reason::NotPreferred,
            (_, Tier::Drawn) => Reason::Another(chances.how),
        }
    }
}
