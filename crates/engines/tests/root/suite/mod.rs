//! What every engine must do.

mod command;
mod life;
mod network;
mod resources;

use std::net::{Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::{Duration, Instant};

use engines::{Container, Engine, EngineOptions, LogStream, Phase};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use mesos::{ContainerInfo, NetworkInfo};
use model::{AppId, Command, Goal, NodeId, Resources, Task, TaskId, Timestamp};
use testlab::{Host, wait_for_async};

/// Long enough for a machine that is busy with other tests.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// The address that containers get as their resolver.
pub(crate) const DNS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// Owner of the containers of most cases.
pub(crate) const OWNER: &str = "suite";

/// One engine with its daemon on a host of its own.
pub(crate) trait Fixture: Sync {
    /// The host that the daemon runs on.
    fn host(&self) -> &Host;

    /// A new engine over the daemon, as after a restart of ours.
    fn engine(&self, owner: &str) -> Box<dyn Engine>;

    /// The engine's message for the wish.
    fn container(&self, wish: &Wish) -> ContainerInfo;

    /// Name of the network that [`Place::Network`] stands for.
    fn network(&self) -> &str;
}

/// Where a task's container should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the host's network.
    Host,
    /// On the engine's bridge, with host ports (host, container).
    Bridge(Vec<(u16, u16)>),
    /// On [`Fixture::network`], with host ports (host, container).
    Network(Vec<(u16, u16)>),
    /// On a network of this name, which does not exist.
    Nowhere(String),
}

/// What a case wants to run, in words that both engines understand.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// Where.
    pub(crate) place: Place,
    /// An image that is not there, in the place of the fixture's busybox.
    pub(crate) missing_image: Option<String>,
}

impl Wish {
    pub(crate) fn on(place: Place) -> Self {
        Self {
            place,
            missing_image: None,
        }
    }
}

/// One engine under one case.
pub(crate) struct Case<'a> {
    pub(crate) fixture: &'a dyn Fixture,
    pub(crate) engine: Box<dyn Engine>,
}

impl Case<'_> {
    /// A task that runs `shell` with 64 MiB; nobody else has its id.
    pub(crate) fn task(&self, wish: &Wish, shell: &str) -> Task {
        let app = AppId::resolve("/suite/case").unwrap();
        let id = TaskId::for_instance(&app, &uuid::Uuid::new_v4().to_string());
        Task {
            id,
            app,
            framework: "marathon".to_owned(),
            version: Timestamp::from_millis(0),
            node: NodeId("node".to_owned()),
            goal: Goal::Run,
            command: Command {
                shell: Some(shell.to_owned()),
                ..Command::default()
            },
            env: [("GREETING".to_owned(), "good day".to_owned())].into(),
            labels: [].into(),
            resources: Resources {
                cpus: 0.1,
                mem: 64.0,
                disk: 0.0,
                gpus: 0,
            },
            container: self.fixture.container(wish),
            ports: Vec::new(),
            health_checks: Vec::new(),
            kill_grace_ms: 3000,
            created: Timestamp::from_millis(0),
        }
    }

    /// A task on the suite's network.
    pub(crate) fn plain(&self, shell: &str) -> Task {
        self.task(&Wish::on(Place::Network(Vec::new())), shell)
    }

    /// Waits until the task's process has ended and returns its exit code.
    pub(crate) async fn exit_code(&self, task: &Task) -> i32 {
        wait_for_async("the task's end", SOON, async || {
            match self.engine.inspect(&task.id).await.unwrap()?.phase {
                Phase::Exited { code, .. } => Some(code),
                _ => None,
            }
        })
        .await
        .unwrap()
    }

    /// Waits until the task's standard output contains `text` and returns it all.
    pub(crate) async fn printed(&self, task: &Task, text: &str) -> String {
        let mut last = String::new();
        let seen = wait_for_async(
            &format!("'{text}' in the task's output"),
            SOON,
            async || {
                let bytes = self
                    .engine
                    .logs(&task.id, LogStream::Stdout, None)
                    .await
                    .ok()?;
                last = String::from_utf8_lossy(&bytes).into_owned();
                last.contains(text).then(|| last.clone())
            },
        )
        .await;
        seen.unwrap_or_else(|error| panic!("{error}; it printed: {last:?}"))
    }

    /// Whether nothing of the task is left with the engine.
    pub(crate) async fn is_gone(&self, task: &Task) -> bool {
        let listed = self.engine.list().await.unwrap();
        self.engine.inspect(&task.id).await.unwrap().is_none()
            && listed.iter().all(|container| container.task != task.id)
    }
}

/// The assigned address on the only network.
pub(crate) fn address(container: &Container, port: u16) -> SocketAddr {
    let [network] = container.network_infos.as_slice() else {
        panic!("one network expected: {container:?}")
    };
    let ip = NetworkInfo::addresses(network).next().expect("an address");
    SocketAddr::new(ip, port)
}

/// Options with the fixture's host and directories below `dir`.
pub(crate) fn options(host: &Host, dir: &Path, owner: &str) -> EngineOptions {
    EngineOptions {
        owner: owner.to_owned(),
        cgroup_parent: Some(host.cgroup_parent()),
        dns_server: DNS,
        node_addresses: vec![host.address().into()],
        logs: dir.join("logs"),
        state: dir.join("state"),
    }
}

/// A case's body.
pub(crate) type Body = for<'a> fn(&'a Case<'a>) -> LocalBoxFuture<'a, ()>;

/// Names of the cases and their bodies.
pub(crate) const CASES: &[(&str, Body)] = &[
    ("runs and reports its address", |c| {
        network::reports_its_address(c).boxed_local()
    }),
    ("a missing network is named, with those that exist", |c| {
        network::missing(c).boxed_local()
    }),
    ("a mapped port is reached from the host", |c| {
        network::mapped_port(c).boxed_local()
    }),
    ("a taken port is named", |c| {
        network::taken_port(c).boxed_local()
    }),
    ("the host's network", |c| network::host(c).boxed_local()),
    ("the bridge", |c| network::bridge(c).boxed_local()),
    ("shell, environment and standard error", |c| {
        command::shell(c).boxed_local()
    }),
    ("arguments are not split", |c| {
        command::args(c).boxed_local()
    }),
    ("user and host name", |c| {
        command::user_and_hostname(c).boxed_local()
    }),
    ("exec succeeds, fails and times out", |c| {
        command::exec(c).boxed_local()
    }),
    ("volumes", |c| command::volumes(c).boxed_local()),
    ("exit codes", |c| life::exit_codes(c).boxed_local()),
    ("a missing image leaves nothing", |c| {
        life::missing_image(c).boxed_local()
    }),
    ("starting again finds the container", |c| {
        life::start_again(c).boxed_local()
    }),
    ("logs stay after removal", |c| {
        life::logs_stay(c).boxed_local()
    }),
    ("grace, then kill", |c| {
        life::grace_then_kill(c).boxed_local()
    }),
    ("a new engine finds running containers", |c| {
        life::adoption(c).boxed_local()
    }),
    ("events", |c| life::events(c).boxed_local()),
    ("removal may be repeated", |c| {
        life::remove_again(c).boxed_local()
    }),
    ("other owners' containers are left alone", |c| {
        life::other_owner(c).boxed_local()
    }),
    ("tasks start side by side", |c| {
        life::side_by_side(c).boxed_local()
    }),
    ("limits are enforced", |c| {
        resources::limits(c).boxed_local()
    }),
    ("who opts out of translation is apart", |c| {
        resources::opted_out(c).boxed_local()
    }),
    ("running out of memory is told", |c| {
        resources::out_of_memory(c).boxed_local()
    }),
];

/// Runs all cases and then fails if one did. Containers that a case leaves are removed.
pub(crate) async fn run(fixture: &dyn Fixture, cases: &[(&str, Body)]) {
    let only = std::env::var("SEALANE_CASE").unwrap_or_default();
    let mut failed = Vec::new();
    for (name, body) in cases.iter().filter(|(name, _)| name.contains(&only)) {
        let begun = Instant::now();
        let case = Case {
            fixture,
            engine: fixture.engine(OWNER),
        };
        let result = AssertUnwindSafe(body(&case)).catch_unwind().await;
        for container in case.engine.list().await.unwrap() {
            case.engine.remove(&container.task).await.unwrap();
        }
        let verdict = if result.is_ok() { "ok    " } else { "FAILED" };
        println!("{verdict} {name} ({:.1} s)", begun.elapsed().as_secs_f32());
        if result.is_err() {
            failed.push(*name);
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
}
