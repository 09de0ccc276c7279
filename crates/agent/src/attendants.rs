//! The reconcilers that attend to a datapath that runs: what it tells, whom it avoids,
//! what it left open and whom it leaves alone.

use std::path::PathBuf;
use std::sync::Arc;

use model::NodeId;
use store::Mirror;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vip::ServiceTable;

use crate::counts::Counts;
use crate::exempt::{Beforehand, Exempt};
use crate::hearing::Hearing;
use crate::hints::Hints;
use crate::options::{AgentOptions, Engines, View};
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
        }
    }

    /// Starts them; yields where tasks that are about to start are exempted.
    pub(crate) fn start(
        self,
        parts: &mut JoinSet<()>,
        hints: Hints,
        stop: &CancellationToken,
    ) -> Beforehand {
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
        beforehand
    }
}
