//! Tasks of real engines that bind what they may and what they may not, first of all.

use std::process::Command;
use std::time::Duration;

use datapath::{Datapath, Options};
use engines::{Engine, LogStream};
use model::TaskState;
use store::{Change, Expect, Outcome, Records, RedbStore};
use testlab::Host;
use tokio::sync::watch;
use tokio::task::JoinSet;
use vip::ServiceTable;

use super::*;
use crate::engine_lab::{Daemon, Kind, node};
use crate::exempt::Beforehand;
use crate::kernel_lab::{capacities, eventually};
use crate::placing::placing;
use crate::tasks::Tasks;

/// Starts that are tried: one could be lucky.
const TIMES: usize = 2;

/// The fields end in this order.
struct Site {
    parts: JoinSet<()>,
    kernel: Kernel,
    engine: Arc<dyn Engine>,
    daemon: Daemon,
    records: Records,
    mirror: Mirror,
    denials: Denials,
    reports: Reports,
    stop: CancellationToken,
    options: Options,
    host: Host,
}

impl Site {
    /// With or without the reconciler: without it all that is told are the ports of
    /// starts.
    async fn new(kind: Kind, reconciled: bool) -> Self {
        let host = Host::new("owners").unwrap();
        let daemon = Daemon::start(&host, kind);
        let bpffs = host.directory().join("bpf");
        datapath::ensure_bpffs(&bpffs).unwrap();
        let options = Options {
            cgroup: host.cgroup().to_owned(),
            pins: bpffs.join("pins"),
            capacities: capacities(),
        };
        // The host's own network is that of the lab.
        let datapath = host.inside(|| Datapath::open(&options)).unwrap().unwrap();
        let store = RedbStore::open(host.directory().join("store.redb")).await;
        let records = Records::new(Arc::new(store.unwrap()));
        let mut site = Self {
            parts: JoinSet::new(),
            kernel: Kernel::new(Some(datapath)),
            engine: daemon.engine(&host),
            daemon,
            mirror: Mirror::start(records.clone()),
            records,
            denials: Denials::default(),
            reports: Reports::default(),
            stop: CancellationToken::new(),
            options,
            host,
        };
        site.begin(reconciled).await;
        site
    }

    async fn begin(&mut self, reconciled: bool) {
        let (hints, stop) = (Hints::new(), self.stop.clone());
        let engine = Arc::clone(&self.engine);
        self.parts.spawn(hints.clone().follow(engine, stop.clone()));
        let before = Before::new(self.kernel.clone(), false);
        if reconciled {
            let owners = Owners {
                kernel: self.kernel.clone(),
                engines: self.daemon.engines(&self.engine),
                mirror: self.mirror.clone(),
                node: node().id,
                before: before.clone(),
                denials: self.denials.clone(),
                reports: self.reports.clone(),
            };
            self.parts.spawn(owners.run(hints.clone(), stop.clone()));
        }
        // The table is always up to date, and nobody places anything.
        let table = watch::channel((u64::MAX, Arc::<ServiceTable>::default())).1;
        let tasks = Tasks {
            records: self.records.clone(),
            mirror: self.mirror.clone(),
            engines: self.daemon.engines(&self.engine),
            node: node(),
            logs: self.host.directory().join("logs"),
            hints,
            table,
            placing: placing().0,
            beforehand: Beforehand::new(self.kernel.clone()),
            before,
            reports: self.reports.clone(),
        };
        self.parts.spawn(tasks.run(stop));
        self.commit(|_| {}).await;
    }

    async fn commit(&self, fill: impl FnOnce(&mut Change)) {
        let mut change = Change::new();
        fill(&mut change);
        if change.is_empty() {
            return;
        }
        let Outcome::Committed(revision) = self.records.commit(change).await.unwrap() else {
            panic!("a conflict")
        };
        self.mirror.at_least(revision).await;
    }

    /// A task with these words as its command.
    fn task(&self, app: &str, rule: &str, command: &[&str]) -> Task {
        let mut task = labelled(app, Some(rule));
        task.command.args = command.iter().map(|&it| it.to_owned()).collect();
        task.container = self.daemon.on_host_network();
        task
    }

    async fn start(&self, task: &Task, until: impl Fn(TaskState) -> bool) {
        self.commit(|change| {
            change.put_task(task, Expect::Absent);
        })
        .await;
        eventually("its state", || {
            let state = self.mirror.state();
            let status = state.statuses.get(&task.id);
            status.is_some_and(|status| until(status.state))
        })
        .await;
    }

    async fn remove(&self, task: &Task) {
        self.commit(|change| {
            change.delete_task(&task.id, Expect::Any);
        })
        .await;
        let is_there = || self.mirror.state().statuses.contains_key(&task.id);
        eventually("its removal", || !is_there()).await;
    }

    /// What a container prints that does this and nothing else.
    async fn says(&self, app: &str, rule: &str, command: &[String; 3]) -> String {
        let mut task = self.task(app, rule, &command.each_ref().map(String::as_str));
        if let Daemon::Docker(_) = self.daemon {
            python(&mut task);
        }
        self.start(&task, TaskState::is_terminal).await;
        let mut said = String::new();
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            said.push_str(&self.printed(&task, stream).await);
        }
        self.remove(&task).await;
        said
    }

    /// What a task printed that has ended: its logs may be on the way to where they are
    /// kept.
    async fn printed(&self, task: &Task, stream: LogStream) -> String {
        let reading = async {
            loop {
                if let Ok(text) = self.engine.logs(&task.id, stream, None).await {
                    return String::from_utf8_lossy(&text).into_owned();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, reading).await.unwrap()
    }

    /// What a command in a container that runs prints.
    async fn exec(&self, task: &Task, shell: &str) -> String {
        let done = self.engine.exec(&task.id, shell, Duration::from_secs(20));
        done.await.unwrap().output
    }

    fn owners(&self) -> BTreeMap<u64, BTreeSet<OwnedPort>> {
        self.kernel.with(|datapath| datapath.owners()).unwrap()
    }

    async fn end(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.parts.join_next().await {
            ended.unwrap();
        }
        self.kernel = Kernel::new(None);
        for container in self.engine.list().await.unwrap() {
            self.engine.remove(&container.task).await.unwrap();
        }
        Datapath::uninstall(&self.options).unwrap();
    }
}

/// Binds a socket and ends, or says why not.
fn bind(protocol: Protocol, port: u16, address: &str) -> [String; 3] {
    let family = match address.contains(':') {
        true => "AF_INET6",
        false => "AF_INET",
    };
    let kind = match protocol {
        Protocol::Udp => "SOCK_DGRAM",
        Protocol::Tcp => "SOCK_STREAM",
    };
    let program = format!(
        "import socket as s; s.socket(s.{family}, s.{kind}).bind(('{address}', {port})); print('bound')"
    );
    ["/usr/bin/python3".to_owned(), "-c".to_owned(), program]
}

/// What a container needs of the host to run that.
fn python(task: &mut Task) {
    let paths = [
        ("/usr", "/usr"),
        ("/usr/lib", "/lib"),
        ("/usr/lib64", "/lib64"),
    ];
    task.container.volumes = paths
        .map(|(host, inside)| mesos::Volume {
            host_path: Some(host.to_owned()),
            container_path: inside.to_owned(),
            mode: mesos::VolumeMode::Ro,
        })
        .into();
}

const DENIED: &str = "Permission denied";

#[tokio::test(flavor = "multi_thread")]
async fn docker_containers_bind_their_ports_alone() {
    bind_their_own(Kind::Docker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_containers_bind_their_ports_alone() {
    bind_their_own(Kind::Native).await;
}

/// A container binds with its first instruction. The reconciler is as late as can be: it
/// is not there at all.
async fn bind_their_own(kind: Kind) {
    let site = Site::new(kind, false).await;
    for turn in 0..TIMES {
        let (tcp, udp) = (Protocol::Tcp, Protocol::Udp);
        for (index, (protocol, port, address, denied)) in [
            (tcp, 31_001, "0.0.0.0", false),
            (tcp, 31_002, "127.0.0.1", true),
            (tcp, 31_009, "::", true),
            (tcp, 0, "::", false),
            (udp, 31_002, "::", false),
            (udp, 31_001, "0.0.0.0", true),
            (udp, 0, "127.0.0.1", false),
        ]
        .into_iter()
        .enumerate()
        {
            let what = format!("{kind:?} {turn}: {protocol} {address} {port}");
            let app = format!("/own/{turn}-{index}");
            let said = site
                .says(&app, "enforce", &bind(protocol, port, address))
                .await;
            assert_eq!(said.contains(DENIED), denied, "{what}: {said}");
            assert_eq!(said.contains("bound"), !denied, "{what}: {said}");
            let told = site.kernel.with(|it| it.set_owners(&BTreeMap::new()));
            told.unwrap().unwrap();
        }
    }
    // The same app without the rule.
    let command = bind(Protocol::Tcp, 31_009, "0.0.0.0");
    let said = site.says("/own/free", "free", &command).await;
    assert!(said.contains("bound"), "{said}");
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_containers_stay_so_and_are_told_of() {
    stay_so(Kind::Docker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_containers_stay_so_and_are_told_of() {
    stay_so(Kind::Native).await;
}

async fn stay_so(kind: Kind) {
    let site = Site::new(kind, true).await;
    let idle = ["/bin/busybox", "sleep", "1000"];
    // Other ids than in the tests above: all containers of a machine meet in runc's directory.
    let own = site.task("/stays/own", "enforce", &idle);
    let free = site.task("/stays/free", "free", &idle);
    for task in [&own, &free] {
        site.start(task, |state| state == TaskState::Running).await;
    }
    eventually("the container itself is known", || {
        site.reports
            .all()
            .get("owners")
            .is_some_and(|it| it.did.is_some())
    })
    .await;
    assert_eq!(site.owners().len(), 1);
    let shell = |port: &str| format!("/bin/busybox timeout 1 /bin/busybox nc -l -p {port} 2>&1");
    let said = site.exec(&own, &shell("31009")).await;
    assert!(said.contains(DENIED), "{said}");
    let said = site.exec(&own, &shell("31001")).await;
    assert!(!said.contains(DENIED), "{said}");
    let said = site.exec(&free, &shell("31009")).await;
    assert!(!said.contains(DENIED), "{said}");
    // Nobody else's are enforced: this process binds what it likes.
    let host = site.host.netns_name();
    let nc = ["netns", "exec", host, "/bin/busybox", "timeout", "1"];
    let other = Command::new("ip")
        .args(nc)
        .args(["/bin/busybox", "nc", "-l", "-p", "31009"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!said.contains(DENIED), "{said}");
    let denied = site.kernel.with(|datapath| datapath.denied_binds());
    assert_eq!(denied.unwrap().into_values().collect::<Vec<_>>(), [1]);
    site.remove(&own).await;
    eventually("nobody's ports are enforced", || site.owners().is_empty()).await;
    site.end().await;
}
