//! A host with a real engine, a datapath, and the parts of an agent that start tasks and
//! exempt them.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use datapath::{Datapath, Options};
use engines::{Engine, LogStream};
use model::Task;
use store::{Change, Expect, Mirror, Outcome, Records, RedbStore};
use testlab::Host;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vip::ServiceTable;

use super::super::super::super::{Beforehand, Exempt};
use super::{opted_out, task};
pub(super) use crate::engine_lab::Kind;
use crate::engine_lab::{Daemon, node};
use crate::hints::Hints;
use crate::kernel_lab::{capacities, eventually, serve, table, vip};
use crate::options::Engines;
use crate::owners::Before;
use crate::placing::placing;
use crate::report::Reports;
use crate::services::Kernel;
use crate::tasks::Tasks;

/// How long a container waits for an answer at most.
const PATIENCE: &str = "5";

/// The fields end in this order.
pub(super) struct Site {
    parts: JoinSet<()>,
    kernel: Kernel,
    engine: Arc<dyn Engine>,
    daemon: Daemon,
    records: Records,
    mirror: Mirror,
    reports: Reports,
    stop: CancellationToken,
    reconciled: bool,
    options: Options,
    host: Host,
}

impl Site {
    /// With one service, whose only backend runs on the host. Unless it is reconciled, all
    /// that is exempt are the places that workers see to.
    pub(super) async fn new(kind: Kind, reconciled: bool) -> Self {
        let host = Host::new("apart").unwrap();
        let unreachable = ["-n", host.netns_name(), "route", "add", "unreachable"];
        let mut ip = Command::new("ip");
        // As the daemon does, so that nobody waits in vain.
        ip.args(unreachable).arg("11.0.0.0/8");
        assert!(ip.status().unwrap().success());
        let daemon = Daemon::start(&host, kind);
        let options = options(&host);
        let kernel = Kernel::new(Some(Datapath::open(&options).unwrap()));
        let address = (host.address(), 0).into();
        let backend = host.inside(|| serve(address)).unwrap();
        let applied = kernel.with(|it| it.apply(&table(&[("b", backend)])));
        assert!(applied.unwrap().unwrap().failures.is_empty());
        let store = RedbStore::open(host.directory().join("store.redb")).await;
        let records = Records::new(Arc::new(store.unwrap()));
        let mut site = Self {
            parts: JoinSet::new(),
            kernel,
            engine: daemon.engine(&host),
            daemon,
            mirror: Mirror::start(records.clone()),
            records,
            reports: Reports::default(),
            stop: CancellationToken::new(),
            reconciled,
            options,
            host,
        };
        site.begin().await;
        site
    }

    /// Starts the agent's parts.
    async fn begin(&mut self) {
        (self.reports, self.stop) = (Reports::default(), CancellationToken::new());
        let (hints, stop) = (Hints::new(), self.stop.clone());
        let engine = Arc::clone(&self.engine);
        self.parts.spawn(hints.clone().follow(engine, stop.clone()));
        let beforehand = Beforehand::new(self.kernel.clone());
        if self.reconciled {
            let exempt = Exempt {
                kernel: self.kernel.clone(),
                engines: self.engines(),
                mirror: self.mirror.clone(),
                node: node().id,
                paths: Vec::new(),
                beforehand: beforehand.clone(),
                reports: self.reports.clone(),
            };
            let run = exempt.run(hints.clone(), None, stop.clone());
            self.parts.spawn(run);
        }
        // The table is always up to date, and nobody places anything.
        let table = watch::channel((u64::MAX, Arc::<ServiceTable>::default())).1;
        let tasks = Tasks {
            records: self.records.clone(),
            mirror: self.mirror.clone(),
            engines: self.engines(),
            node: node(),
            logs: self.host.directory().join("logs"),
            hints,
            table,
            placing: placing().0,
            beforehand,
            before: Before::new(self.kernel.clone(), false),
            reports: self.reports.clone(),
        };
        self.parts.spawn(tasks.run(stop));
        let name = if self.reconciled { "exempt" } else { "tasks" };
        eventually("it has run", || self.reports.all().contains_key(name)).await;
    }

    /// Ends the agent's parts and the datapath, and starts them anew.
    pub(super) async fn restart(&mut self) {
        self.finish().await;
        self.kernel = Kernel::new(Some(Datapath::open(&self.options).unwrap()));
        self.begin().await;
    }

    /// Ends the agent's parts and lets go of the datapath.
    async fn finish(&mut self) {
        self.stop.cancel();
        while let Some(ended) = self.parts.join_next().await {
            ended.unwrap();
        }
        self.kernel = Kernel::new(None);
    }

    fn engines(&self) -> Engines {
        self.daemon.engines(&self.engine)
    }

    async fn commit(&self, fill: impl FnOnce(&mut Change)) {
        let mut change = Change::new();
        fill(&mut change);
        let outcome = self.records.commit(change).await.unwrap();
        let Outcome::Committed(revision) = outcome else {
            panic!("a conflict")
        };
        self.mirror.at_least(revision).await;
    }

    fn task(&self, app: &str, translated: bool, command: &[&str]) -> Task {
        let mut task = match translated {
            true => task(app),
            false => opted_out(app),
        };
        task.command.args = command.iter().map(|&it| it.to_owned()).collect();
        // The kernel tells containers elsewhere that there is no route, too, but not each
        // time.
        task.container = self.daemon.on_host_network();
        task
    }

    /// What a container prints that connects to the VIP and does nothing else; it is
    /// gone afterwards.
    pub(super) async fn connects_first(&self, app: &str, translated: bool) -> String {
        let (address, port) = (vip().ip().to_string(), vip().port().to_string());
        let command = ["/bin/busybox", "nc", "-w", PATIENCE, &address, &port];
        let task = self.task(app, translated, &command);
        self.put(&task).await;
        eventually("its end", || self.status(&task, |it| it.is_terminal())).await;
        let mut said = String::new();
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            let text = self.engine.logs(&task.id, stream, None).await.unwrap();
            said.push_str(std::str::from_utf8(&text).unwrap());
        }
        self.remove(&task).await;
        said
    }

    /// Removes a task and its container.
    pub(super) async fn remove(&self, task: &Task) {
        self.commit(|change| {
            change.delete_task(&task.id, Expect::Any);
        })
        .await;
        let is_there = || self.mirror.state().statuses.contains_key(&task.id);
        eventually("its removal", || !is_there()).await;
    }

    /// A container that runs and does nothing.
    pub(super) async fn idle(&self, app: &str, translated: bool) -> Task {
        let task = self.task(app, translated, &["/bin/busybox", "sleep", "1000"]);
        self.put(&task).await;
        eventually("it runs", || {
            self.status(&task, |it| it == model::TaskState::Running)
        })
        .await;
        task
    }

    async fn put(&self, task: &Task) {
        self.commit(|change| {
            change.put_task(task, Expect::Absent);
        })
        .await;
    }

    fn status(&self, task: &Task, holds: impl Fn(model::TaskState) -> bool) -> bool {
        let state = self.mirror.state();
        let status = state.statuses.get(&task.id);
        status.is_some_and(|status| holds(status.state))
    }

    /// What connecting to the VIP prints in a container that runs.
    pub(super) async fn connects(&self, task: &Task) -> String {
        let (address, port) = (vip().ip(), vip().port());
        let shell = format!("/bin/busybox nc -w {PATIENCE} {address} {port} 2>&1");
        let limit = Duration::from_secs(20);
        let done = self.engine.exec(&task.id, &shell, limit).await;
        done.unwrap().output
    }

    /// How many connects were translated.
    pub(super) fn reached(&self) -> u64 {
        let usage = self.kernel.usage();
        let backends = usage.iter().flat_map(|service| &service.backends);
        backends.map(|backend| backend.total).sum()
    }

    /// How many cgroups are exempt.
    pub(super) fn exempt(&self) -> usize {
        let exempt = self.kernel.with(|datapath| datapath.exempt());
        exempt.unwrap().len()
    }

    /// Makes nobody exempt.
    pub(super) fn clear(&self) {
        let cleared = self.kernel.with(|it| it.set_exempt(&BTreeSet::new()));
        cleared.unwrap().unwrap();
    }

    /// Removes all containers, and what is left in the kernel.
    pub(super) async fn end(mut self) {
        self.finish().await;
        for container in self.engine.list().await.unwrap() {
            self.engine.remove(&container.task).await.unwrap();
        }
        Datapath::uninstall(&self.options).unwrap();
    }
}

fn options(host: &Host) -> Options {
    let bpffs = host.directory().join("bpf");
    datapath::ensure_bpffs(&bpffs).unwrap();
    Options {
        cgroup: host.cgroup().to_owned(),
        pins: bpffs.join("pins"),
        capacities: capacities(),
    }
}
