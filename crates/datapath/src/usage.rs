//! What the programs have counted and learned.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use model::TaskId;
use vip::{BackendState, ServiceKey, Settings};

use crate::Datapath;
use crate::layout::{EJECTIONS_ROW, LoadEntry, TIME_BUCKETS, WARMING, load_endpoint, monotonic};
use crate::members::Tier;

/// A service and what its VIP port has seen on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceUsage {
    /// The VIP's port.
    pub key: ServiceKey,
    /// Its name; unknown from a restart until the first table.
    pub name: Option<String>,
    /// How it treats its connections.
    pub settings: Settings,
    /// Connections and datagrams refused for want of a backend that the client could
    /// use, since the service exists.
    pub refused: u64,
    /// Its backends, those that left with connections still open at the end.
    pub backends: Vec<BackendUsage>,
}

/// A backend and what it has got from clients on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendUsage {
    /// What it is known by in the kernel, for as long as its task and addresses last.
    pub identity: u64,
    /// Its task; unknown from a restart until the first table.
    pub task: Option<TaskId>,
    /// Its address for the host and for clients on its network.
    pub near: Option<SocketAddr>,
    /// Its address for everybody else.
    pub far: Option<SocketAddr>,
    /// Relative share of new connections.
    pub weight: u32,
    /// Nothing for one that has left the service.
    pub state: Option<BackendState>,
    /// Whether clients on this node use it before others.
    pub preferred: bool,
    /// Whether it is within its service's slow start.
    pub warming: bool,
    /// Connections that are open or being opened, and UDP sockets pinned to it. One
    /// that was reset counts until its socket is closed or connects anew.
    pub open: u32,
    /// Those of them that are being opened.
    pub pending: u32,
    /// Connections and pinned UDP sockets ever, since it became a backend.
    pub total: u64,
    /// What is known of its connects.
    pub connects: Connects,
    /// Whether new connections keep away from it.
    pub ejection: Option<Ejection>,
}

/// What became of the TCP connects to a backend. Counters begin anew after 2^32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Connects {
    /// Moving average of the handshake's time: at once up, half way down in 2.1 s;
    /// zero is unknown.
    pub time: Duration,
    /// How many handshakes took up to [`Connects::BOUNDS`] each, and longer.
    pub times: [u32; TIME_BUCKETS],
    /// Refused by the backend.
    pub refused: u32,
    /// Left without an answer for a second.
    pub unanswered: u32,
    /// To an address that could not be reached.
    pub unroutable: u32,
    /// Given up by the client, or failed for its own reasons.
    pub aborted: u32,
    /// Failures in a row; below 0 is credit that a probe has given.
    pub failing: i32,
}

impl Connects {
    /// Upper bounds of the first seven of [`Connects::times`].
    pub const BOUNDS: [Duration; TIME_BUCKETS - 1] = [
        Duration::from_micros(1 << 7),
        Duration::from_micros(1 << 9),
        Duration::from_micros(1 << 11),
        Duration::from_micros(1 << 13),
        Duration::from_micros(1 << 15),
        Duration::from_micros(1 << 17),
        Duration::from_micros(1 << 19),
    ];

    /// How many handshakes succeeded.
    #[must_use]
    pub fn established(&self) -> u64 {
        self.times.iter().copied().map(u64::from).sum()
    }
}

/// A backend that new connections keep away from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ejection {
    /// For how much longer; then one connect tries it. Zero is that time.
    pub remaining: Duration,
    /// Which one in a row it is; each lasts twice as long as the one before.
    pub row: u32,
}

impl Datapath {
    /// Every service with its backends, sorted by VIP. Each number is exact; they are
    /// read one after the other while programs go on counting.
    #[must_use]
    pub fn usage(&self) -> Vec<ServiceUsage> {
        let book = &self.kernel.book;
        let mut services: Vec<_> = book
            .services
            .iter()
            .map(|(key, installed)| {
                let entry = self.kernel.maps.services.get(installed.id);
                let backends = installed.members.iter().map(|member| {
                    let state = match member.tier {
                        Tier::Draining => BackendState::Draining,
                        _ => BackendState::Ready,
                    };
                    BackendUsage {
                        preferred: member.tier == Tier::Drawn,
                        ..self.backend_usage(member.id, member.task.clone(), Some(state))
                    }
                });
                ServiceUsage {
                    key: *key,
                    name: installed.name.clone(),
                    settings: installed.settings,
                    refused: entry.map_or(0, |entry| entry.refused.load(Relaxed)),
                    backends: backends.collect(),
                }
            })
            .collect();
        for departed in book.departed.values() {
            let position = departed.from.and_then(|from| {
                services
                    .binary_search_by(|service| service.key.cmp(&from))
                    .ok()
            });
            let usage = self.backend_usage(departed.id, departed.task.clone(), None);
            if let Some(service) = position.and_then(|position| services.get_mut(position))
                && usage.open > 0
            {
                service.backends.push(usage);
            }
        }
        services
    }

    /// Connections and datagrams refused at ports of VIPs that no service has.
    #[must_use]
    pub fn refused_elsewhere(&self) -> u64 {
        self.kernel
            .maps
            .services
            .get(0)
            .map_or(0, |entry| entry.refused.load(Relaxed))
    }

    fn backend_usage(
        &self,
        id: u32,
        task: Option<TaskId>,
        state: Option<BackendState>,
    ) -> BackendUsage {
        let maps = &self.kernel.maps;
        let (entry, load) = (maps.backends.get(id), maps.load.get(id));
        BackendUsage {
            identity: entry.map_or(0, |entry| entry.identity.load(Relaxed)),
            task,
            near: entry.and_then(|entry| load_endpoint(&entry.near, &entry.near_port)),
            far: entry.and_then(|entry| load_endpoint(&entry.far, &entry.far_port)),
            weight: entry.map_or(0, |entry| entry.weight.load(Relaxed).into()),
            state,
            preferred: false,
            warming: entry.is_some_and(|entry| entry.flags.load(Relaxed) & WARMING != 0),
            open: load.map_or(0, LoadEntry::open),
            pending: load.map_or(0, LoadEntry::pending),
            total: load.map_or(0, |load| load.begun.load(Relaxed)),
            connects: self.connects(id),
            ejection: load.and_then(|load| load.ejection(monotonic())),
        }
    }

    fn connects(&self, id: u32) -> Connects {
        let maps = &self.kernel.maps;
        let Some(load) = maps.load.get(id) else {
            return Connects::default();
        };
        let times = maps.times.get(id).map_or([0; TIME_BUCKETS], |times| {
            std::array::from_fn(|bucket| {
                let count = times.buckets.get(bucket);
                count.map_or(0, |count| count.load(Relaxed))
            })
        });
        Connects {
            time: Duration::from_nanos(load.ewma.load(Relaxed).into()),
            times,
            refused: load.refused.load(Relaxed),
            unanswered: load.unanswered.load(Relaxed),
            unroutable: load.unroutable.load(Relaxed),
            aborted: load.aborted.load(Relaxed),
            failing: load.failing.load(Relaxed),
        }
    }
}

impl LoadEntry {
    pub(crate) fn ejection(&self, now: u64) -> Option<Ejection> {
        let until = self.ejected_until.load(Relaxed);
        (until != 0).then(|| Ejection {
            remaining: Duration::from_nanos(until.saturating_sub(now)),
            row: self.ejections.load(Relaxed) & EJECTIONS_ROW,
        })
    }
}
