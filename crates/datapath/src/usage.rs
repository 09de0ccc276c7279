//! What the programs have counted.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;

use model::TaskId;
use vip::{BackendState, Policy, ServiceKey};

use crate::Datapath;
use crate::layout::{LoadEntry, load_endpoint};

/// A service and what its VIP port has seen on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceUsage {
    /// The VIP's port.
    pub key: ServiceKey,
    /// Its name; unknown from a restart until the first table.
    pub name: Option<String>,
    /// How backends are chosen.
    pub policy: Policy,
    /// Connects and datagrams refused for want of a backend that the client could
    /// use, since the service exists.
    pub refused: u64,
    /// Its backends, those that left with connections still open at the end.
    pub backends: Vec<BackendUsage>,
}

/// A backend and what it has got from clients on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendUsage {
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
    /// Connections that are open or being opened, and UDP sockets pinned to it. One
    /// that was refused or reset counts until its socket is closed or connects anew.
    pub open: u32,
    /// Connections and pinned UDP sockets ever, since it became a backend.
    pub total: u64,
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
                    let state = match member.draining {
                        true => BackendState::Draining,
                        false => BackendState::Ready,
                    };
                    self.backend_usage(member.id, member.task.clone(), Some(state))
                });
                ServiceUsage {
                    key: *key,
                    name: installed.name.clone(),
                    policy: installed.policy,
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

    /// Connects and datagrams refused at ports of VIPs that no service has.
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
            task,
            near: entry.and_then(|entry| load_endpoint(&entry.near, &entry.near_port)),
            far: entry.and_then(|entry| load_endpoint(&entry.far, &entry.far_port)),
            weight: entry.map_or(0, |entry| entry.weight.load(Relaxed)),
            state,
            open: load.map_or(0, LoadEntry::open),
            total: load.map_or(0, |load| load.begun.load(Relaxed)),
        }
    }
}
