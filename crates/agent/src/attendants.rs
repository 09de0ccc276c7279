//! The reconcilers that attend to a datapath that runs: what it tells, whom it avoids,
//! what it left open, whom it leaves alone, whom it keeps apart and from which ports.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use model::NodeId;
use store::Mirror;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vip::{GroupTable, ServiceTable};

use crate::counts::Counts;
use crate::exempt::{Beforehand, Exempt};
use crate::groups::Groups;
use crate::hearing::Hearing;
use crate::hints::Hints;
use crate::options::{AgentOptions, Engines, View};
use crate::owners::{Before, Denials, Owners};
use crate::probing::{self, Probing};
use crate::report::Reports;
use crate::services::Kernel;
use crate::sweeping::Sweeping;
use crate::trace::{self, Names, Trace, Tracing};

/// What they all need.
pub(crate) struct Attendants {
    kernel: Kernel,
    trace: Trace,
    counts: Counts,
    reports: Reports,
    mirror: Mirror,
    /// The table in force; it changes whenever one was applied.
    table: watch::Receiver<(u64, Arc<ServiceTable>)>,
    engines: Engines,
    node: NodeId,
    /// Cgroups that are exempt by configuration.
    exempt: Vec<PathBuf>,
    /// Whether tasks may bind their own ports only, if their apps say nothing.
    own_ports: bool,
    groups: Arc<ArcSwap<GroupTable>>,
    denials: Denials,
}

impl Attendants {
    /// Those of an agent.
    pub(crate) fn of(options: &AgentOptions, view: &View) -> Self {
        Self {
            kernel: view.kernel.clone(),
            trace: view.trace.clone(),
            counts: view.counts.clone(),
            reports: view.reports.clone(),
            mirror: view.mirror.clone(),
            table: view.table.clone(),
            engines: view.engines.clone(),
            node: view.node.clone(),
            exempt: options.exempt.clone(),
            own_ports: options.own_ports,
            groups: Arc::clone(&view.groups),
            denials: view.denials.clone(),
        }
    }

    /// Starts them; yields where tasks that are about to start are exempted, and where
    /// their ports are told.
    pub(crate) fn start(
        self,
        parts: &mut JoinSet<()>,
        hints: Hints,
        stop: &CancellationToken,
    ) -> (Beforehand, Before) {
        let before = self.keep_apart(parts, &hints, stop);
        let (ejected, ejections) = mpsc::channel(probing::WAITING);
        let (told, decisions) = mpsc::channel(trace::WAITING);
        let probing = Probing {
            kernel: self.kernel.clone(),
            ejected: ejections,
            table: self.table.clone(),
            counts: self.counts.clone(),
            reports: self.reports.clone(),
        };
        parts.spawn(probing.run(stop.clone()));
        let tracing = Tracing {
            kernel: self.kernel.clone(),
            decisions,
            trace: self.trace.clone(),
            names: Names::new(self.node.clone(), &self.mirror, &self.table),
            reports: self.reports.clone(),
        };
        parts.spawn(tracing.run(stop.clone()));
        let hearing = Hearing {
            kernel: self.kernel.clone(),
            ejected,
            counts: self.counts.clone(),
            decisions: told,
            trace: self.trace,
            denials: self.denials.clone(),
            reports: self.reports.clone(),
        };
        parts.spawn(hearing.run(stop.clone()));
        let sweeping = Sweeping {
            kernel: self.kernel.clone(),
            table: self.table,
            counts: self.counts,
            reports: self.reports.clone(),
        };
        parts.spawn(sweeping.run(stop.clone()));
        let discovery = self.engines.discovery();
        let beforehand = Beforehand::new(self.kernel.clone());
        let exempt = Exempt {
            kernel: self.kernel,
            engines: self.engines,
            mirror: self.mirror,
            node: self.node,
            paths: self.exempt,
            beforehand: beforehand.clone(),
            reports: self.reports,
        };
        parts.spawn(exempt.run(hints, discovery, stop.clone()));
        (beforehand, before)
    }

    /// Starts those that keep containers from each other and from ports of others.
    fn keep_apart(
        &self,
        parts: &mut JoinSet<()>,
        hints: &Hints,
        stop: &CancellationToken,
    ) -> Before {
        let groups = Groups {
            kernel: self.kernel.clone(),
            mirror: self.mirror.clone(),
            node: self.node.clone(),
            table: Arc::clone(&self.groups),
            reports: self.reports.clone(),
        };
        parts.spawn(groups.run(hints.clone(), stop.clone()));
        let before = Before::new(self.kernel.clone(), self.own_ports);
        let owners = Owners {
            kernel: self.kernel.clone(),
            engines: self.engines.clone(),
            mirror: self.mirror.clone(),
            node: self.node.clone(),
            before: before.clone(),
            denials: self.denials.clone(),
            reports: self.reports.clone(),
        };
        parts.spawn(owners.run(hints.clone(), stop.clone()));
        before
    }
}
