//! The agent as a whole: what it is made of and what it shows.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use datapath::Datapath;
use engines::{Discovery, Engine, EngineError, LogStream, VirtualNetworks};
use ipnet::IpNet;
use isolation::{Isolation, IsolationError, Statistics};
use mesos::ContainerType;
use model::{NodeId, Occupied, TaskId};
use networks::{Fabric, Networks};
use store::{Mirror, Records};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vip::{GroupTable, ServiceTable, VipRanges};

use crate::attendants::Attendants;
use crate::blocks::{self, PluginFiles, Troubles};
use crate::counts::Counts;
use crate::externals::Externals;
use crate::groups::Guard;
use crate::hints::Hints;
use crate::networking;
use crate::node::{self, NodeOptions};
use crate::owners::Denials;
use crate::places::Places;
use crate::placing::placing;
use crate::report::Reports;
use crate::services::{Kernel, Omissions, Services};
use crate::tasks::Tasks;
use crate::trace::Trace;

/// The engines of a node; one that is not configured is absent.
#[derive(Debug, Clone, Default)]
pub struct Engines {
    /// For `DOCKER` containers.
    pub docker: Option<Arc<dyn Engine>>,
    /// For `MESOS` containers.
    pub native: Option<Arc<dyn Engine>>,
}

impl Engines {
    /// The engine for a kind of container.
    #[must_use]
    pub fn of(&self, kind: ContainerType) -> Option<&Arc<dyn Engine>> {
        match kind {
            ContainerType::Docker => self.docker.as_ref(),
            ContainerType::Mesos => self.native.as_ref(),
        }
    }

    /// All that are configured.
    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn Engine>> {
        self.docker.iter().chain(&self.native)
    }

    /// Where Docker is told of virtual networks.
    pub(crate) fn virtual_networks(&self) -> Option<Arc<dyn VirtualNetworks>> {
        self.docker.clone().and_then(Engine::virtual_networks)
    }

    /// What is seen of containers that somebody else started.
    pub(crate) fn discovery(&self) -> Option<Arc<dyn Discovery>> {
        self.docker.clone().and_then(Engine::discovery)
    }
}

/// Why an agent ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A reconciler panicked.
    #[error("a reconciler of the agent failed; its panic is in the log")]
    Failed(#[source] tokio::task::JoinError),
    /// A reconciler came to an end.
    #[error("a reconciler of the agent ended, because nothing follows the store any more")]
    Ended,
}

/// What an agent is made of.
pub struct AgentOptions {
    /// Where statuses are written.
    pub records: Records,
    /// What is wanted.
    pub mirror: Mirror,
    /// The engines.
    pub engines: Engines,
    /// Networks of native containers; absent without that engine.
    pub networks: Option<Networks>,
    /// Virtual networks on this node; absent where it joins none.
    pub fabric: Option<Fabric>,
    /// Tasks with isolated ports; absent on a node that has none.
    pub isolation: Option<Isolation>,
    /// The name under which Docker finds the driver of virtual networks, if it does.
    pub docker_driver: Option<String>,
    /// Where CNI runtimes find virtual networks.
    pub plugin_files: PluginFiles,
    /// What the node says of itself.
    pub node: NodeOptions,
    /// The kernel side of VIPs; absent when the kernel has none.
    pub datapath: Option<Datapath>,
    /// Where VIPs may lie.
    pub ranges: VipRanges,
    /// The DNS server's own address, behind 198.51.100.1.
    pub dns: Option<SocketAddr>,
    /// Names that the DNS server answers.
    pub names: Arc<ArcSwap<dns::Snapshot>>,
    /// Port of the API, if other hosts reach it: what SRV records of the leader show.
    pub api_port: Option<u16>,
    /// Networks whose members the DNS server answers.
    pub dns_clients: Arc<ArcSwap<Vec<IpNet>>>,
    /// Directory with a directory of kept logs for each task.
    pub logs: PathBuf,
    /// Cgroups whose processes see VIPs untranslated: paths from the root of cgroup v2,
    /// such as `/system.slice/cron.service`, or of the file system.
    pub exempt: Vec<PathBuf>,
    /// Whether tasks on the host's network may bind the ports that they were given and no
    /// others, unless their apps' label `sealane.ports` says what holds.
    pub own_ports: bool,
}

/// A node's agent.
pub struct Agent {
    options: AgentOptions,
    view: View,
    hints: Hints,
    table: watch::Sender<(u64, Arc<ServiceTable>)>,
}

/// What a running agent shows; cheap to clone.
#[derive(Clone)]
pub struct View {
    /// The service table that is in force, with the store's revision it is made from.
    pub table: watch::Receiver<(u64, Arc<ServiceTable>)>,
    /// What each reconciler did last.
    pub reports: Reports,
    /// The node.
    pub node: NodeId,
    /// Where the datapath's decisions are watched.
    pub trace: Trace,
    /// What became of ejections and sweeps.
    pub counts: Counts,
    /// What of the table the kernel has not taken.
    pub omissions: Arc<ArcSwap<Omissions>>,
    /// Networks of native containers; absent without that engine.
    pub networks: Option<Networks>,
    /// Virtual networks on this node; absent where it joins none.
    pub fabric: Option<Fabric>,
    /// Tasks with isolated ports; absent on a node that has none.
    pub isolation: Option<Isolation>,
    /// What is wrong with each virtual network here.
    pub troubles: Arc<ArcSwap<Troubles>>,
    /// The table of groups that is in force.
    pub groups: Arc<ArcSwap<GroupTable>>,
    /// Binds that tasks were refused.
    pub denials: Denials,
    pub(crate) kernel: Kernel,
    pub(crate) engines: Engines,
    pub(crate) mirror: Mirror,
}

impl Agent {
    /// An agent that has not begun.
    #[must_use]
    pub fn new(mut options: AgentOptions) -> Self {
        let (table, in_force) = watch::channel((0, Arc::new(ServiceTable::default())));
        let view = View {
            table: in_force,
            reports: Reports::default(),
            node: options.node.id.clone(),
            trace: Trace::default(),
            counts: Counts::default(),
            omissions: Arc::default(),
            networks: options.networks.clone(),
            fabric: options.fabric.clone(),
            isolation: options.isolation.clone(),
            troubles: Arc::default(),
            groups: Arc::default(),
            denials: Denials::default(),
            kernel: Kernel::new(options.datapath.take()),
            engines: options.engines.clone(),
            mirror: options.mirror.clone(),
        };
        Self {
            options,
            view,
            hints: Hints::new(),
            table,
        }
    }

    /// What it shows.
    #[must_use]
    pub fn view(&self) -> View {
        self.view.clone()
    }

    /// Reconciles until `stop`; containers go on running afterwards.
    ///
    /// # Errors
    /// When a reconciler panicked or ended unasked. It must not leave the node half
    /// alive: everything ends (`stop` is cancelled), so that the daemon's supervisor
    /// starts it again. Containers and VIPs are not disturbed by that.
    pub async fn run(self, stop: CancellationToken) -> Result<(), AgentError> {
        let mut parts = self.parts(&stop);
        let mut failure = None;
        while let Some(ended) = parts.join_next().await {
            let failed = match ended {
                Err(error) => AgentError::Failed(error),
                Ok(()) if stop.is_cancelled() => continue,
                Ok(()) => AgentError::Ended,
            };
            tracing::error!(error = %failed, "ending");
            failure.get_or_insert(failed);
            stop.cancel();
        }
        failure.map_or(Ok(()), Err)
    }

    /// Starts all reconcilers.
    fn parts(self, stop: &CancellationToken) -> JoinSet<()> {
        let (options, view, hints, table) = (self.options, self.view, self.hints, self.table);
        let mut parts = followers(&options.engines, &hints, stop);
        let attendants = Attendants::of(&options, &view);
        let (beforehand, before) = attendants.start(&mut parts, hints.clone(), stop);
        networking::start(&mut parts, &options, &view, &hints, stop);
        let (reports, mirror, engines) = (view.reports, options.mirror, options.engines);
        let services = Services {
            mirror: mirror.clone(),
            node: options.node.clone(),
            ranges: options.ranges,
            dns: options.dns,
            names: options.names,
            kernel: view.kernel.clone(),
            table,
            omissions: view.omissions,
            reports: reports.clone(),
        };
        parts.spawn(services.run(stop.clone()));
        let (placing, asked) = placing();
        let (records, node) = (options.records.clone(), options.node.clone());
        let externals = Externals::new(records, &mirror, node, &placing, &reports);
        let places = Places {
            engines: externals.bystanders().beside(&engines),
            kernel: view.kernel,
            asked,
            reports: reports.clone(),
        };
        parts.spawn(places.run(hints.clone(), stop.clone()));
        parts.spawn(externals.run(engines.discovery(), stop.clone()));
        let (node, records) = (options.node.clone(), options.records.clone());
        parts.spawn(node::run(
            node,
            engines.clone(),
            records,
            mirror.clone(),
            reports.clone(),
            stop.clone(),
        ));
        let tasks = Tasks {
            records: options.records,
            mirror,
            engines,
            node: options.node,
            logs: options.logs,
            hints,
            table: view.table,
            placing,
            beforehand,
            before,
            reports,
        };
        parts.spawn(tasks.run(stop.clone()));
        parts
    }
}

/// Starts listening to all engines.
fn followers(engines: &Engines, hints: &Hints, stop: &CancellationToken) -> JoinSet<()> {
    let engines = engines.all();
    engines
        .map(|engine| hints.clone().follow(Arc::clone(engine), stop.clone()))
        .collect()
}

impl View {
    /// What a task printed.
    ///
    /// # Errors
    /// When no engine knows the task.
    pub async fn logs(
        &self,
        task: &TaskId,
        stream: LogStream,
        tail: Option<usize>,
    ) -> Result<Bytes, EngineError> {
        let kind = self
            .mirror
            .state()
            .tasks
            .get(task)
            .map(|task| task.container.kind);
        let mut failure = EngineError::NoContainer(task.clone());
        for engine in self.engines.all() {
            if kind.is_some_and(|kind| kind != engine.kind()) {
                continue;
            }
            match engine.logs(task, stream, tail).await {
                Ok(text) => return Ok(text),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// What went through the link of a task with isolated ports; nothing for any other.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub async fn statistics(&self, task: &TaskId) -> Result<Option<Statistics>, IsolationError> {
        match &self.isolation {
            Some(isolation) => isolation.statistics(task.as_str()).await,
            None => Ok(None),
        }
    }

    /// Addresses that this host uses for something else than virtual networks.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub async fn occupied(&self) -> Result<Vec<Occupied>, String> {
        blocks::occupied(&self.mirror.state()).await
    }

    /// Names of Docker's networks; absent without Docker.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn docker_networks(&self) -> Result<Option<Vec<String>>, EngineError> {
        match &self.engines.docker {
            Some(docker) => docker.networks().await.map(Some),
            None => Ok(None),
        }
    }

    /// Connections and backends of every service, as the kernel counts them.
    #[must_use]
    pub fn usage(&self) -> Vec<datapath::ServiceUsage> {
        self.kernel.usage()
    }

    /// Connections and datagrams that were refused at ports of VIP addresses that no
    /// service has; nothing on a node without a kernel side.
    #[must_use]
    pub fn refused_elsewhere(&self) -> Option<u64> {
        self.kernel.with(|datapath| datapath.refused_elsewhere())
    }

    /// What guards the links of containers on virtual networks, for whoever makes them.
    #[must_use]
    pub fn guard(&self) -> Guard {
        Guard {
            kernel: self.kernel.clone(),
            mirror: self.mirror.clone(),
            node: self.node.clone(),
        }
    }

    /// What is wrong with the kernel side.
    #[must_use]
    pub fn findings(&self) -> Vec<String> {
        self.kernel.findings()
    }
}

#[cfg(test)]
mod tests;
