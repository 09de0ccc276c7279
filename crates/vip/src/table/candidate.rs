//! Somebody who would serve, before it is known how the service treats its backends.
//!
//! Settings of a service come from whoever asks for it first in order, and that is
//! known only when all have been seen. So candidates are collected, and become
//! backends, or do not, at the end.

use std::net::SocketAddr;

use model::{Node, TaskId};

use super::{Backend, BackendState, Near};
use crate::settings::{Locality, Settings};

/// How far somebody is from the node that the table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Distance {
    Node,
    Zone,
    Elsewhere,
}

/// Whether somebody takes connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// By its own state; `None` when it was never healthy.
    pub(super) state: Option<BackendState>,
    /// Its node's record is gone. It may well serve, so it is used when nobody else
    /// can be, which is what draining means.
    pub(super) suspended: bool,
}

/// One address pair of a task or an external behind a service; both are of one family.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) near: Option<Near>,
    pub(super) far: Option<SocketAddr>,
    pub(super) weight: u32,
    pub(super) standing: Standing,
    pub(super) distance: Distance,
}

impl Distance {
    /// Between two different nodes. Nodes without a zone are in one zone together, so
    /// that a fleet without zones is one zone; a node without a record is in none.
    pub(super) fn between(here: Option<&Node>, there: Option<&Node>) -> Self {
        match (here, there) {
            (Some(here), Some(there)) if here.zone == there.zone => Self::Zone,
            _ => Self::Elsewhere,
        }
    }

    /// Whether backends at this distance are preferred; `None` when there are none.
    fn under(self, locality: Locality) -> Option<bool> {
        match locality {
            Locality::Any => Some(true),
            Locality::PreferZone => Some(self <= Self::Zone),
            Locality::PreferNode => Some(self == Self::Node),
            Locality::RequireZone => (self <= Self::Zone).then_some(true),
            Locality::RequireNode => (self == Self::Node).then_some(true),
        }
    }
}

impl Standing {
    fn under(self, unready: bool) -> Option<BackendState> {
        let state = if unready {
            BackendState::Ready
        } else {
            self.state?
        };
        Some(if self.suspended {
            BackendState::Draining
        } else {
            state
        })
    }
}

impl Candidate {
    /// Whether its addresses are IPv4 ones.
    pub(super) fn is_ipv4(&self) -> bool {
        let near = self.near.as_ref().map(|near| near.address);
        self.far.or(near).is_some_and(|it| it.is_ipv4())
    }

    /// Whether it is a backend of a service with these settings.
    pub(super) fn serves(&self, settings: &Settings) -> bool {
        self.standing.under(settings.unready).is_some()
            && self.distance.under(settings.locality).is_some()
    }

    /// The candidate of `task` as a backend of a service with these settings.
    pub(super) fn under(&self, task: &TaskId, settings: &Settings) -> Option<Backend> {
        Some(Backend {
            state: self.standing.under(settings.unready)?,
            preferred: self.distance.under(settings.locality)?,
            task: task.clone(),
            near: self.near.clone(),
            far: self.far,
            weight: self.weight,
        })
    }
}
