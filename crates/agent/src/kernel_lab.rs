//! A real datapath for tests: a cgroup, a bpf filesystem, and clients in the cgroup.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use datapath::{Capacities, Datapath, Options, ServiceUsage};
use mesos::ContainerInfo;
use model::{AppId, Goal, NodeId, Protocol, Resources, Task, TaskId, Timestamp};
use tempfile::TempDir;
use vip::{Backend, BackendState, Service, ServiceKey, ServiceTable};

use crate::services::Kernel;

mod client;

/// What tests may wait for at most.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A datapath over a cgroup of its own.
pub(crate) struct KernelLab {
    pub(crate) kernel: Kernel,
    pub(crate) options: Options,
    directory: TempDir,
    clients: AtomicU32,
}

/// A process in the lab's cgroup.
pub(crate) struct Client {
    process: Child,
    orders: UnixStream,
    replies: BufReader<UnixStream>,
}

/// What became of connects: how many answered, and how many did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) answered: u32,
    pub(crate) failed: u32,
}

impl KernelLab {
    pub(crate) fn new() -> Self {
        static LABS: AtomicU32 = AtomicU32::new(0);
        let directory = TempDir::new().unwrap();
        let number = LABS.fetch_add(1, Relaxed);
        let name = format!("sealane-agent-{}-{number}", std::process::id());
        let cgroup = datapath::find_cgroup2().unwrap().join(name);
        fs::create_dir(&cgroup).unwrap();
        let bpffs = directory.path().join("bpf");
        datapath::ensure_bpffs(&bpffs).unwrap();
        let options = Options {
            cgroup,
            pins: bpffs.join("pins"),
            capacities: capacities(),
        };
        let datapath = Datapath::open(&options).unwrap();
        Self {
            kernel: Kernel::new(Some(datapath)),
            options,
            directory,
            clients: AtomicU32::new(0),
        }
    }

    pub(crate) fn apply(&self, table: &ServiceTable) {
        let applied = self.kernel.with(|datapath| datapath.apply(table));
        let failures = applied.unwrap().unwrap().failures;
        assert!(failures.is_empty(), "{failures:?}");
    }

    /// The only service that there is.
    pub(crate) fn service(&self) -> ServiceUsage {
        let usage = self.kernel.usage();
        let [service] = usage.as_slice() else {
            panic!("{usage:?}")
        };
        service.clone()
    }

    /// How many connects each backend of the only service has got, by task.
    pub(crate) fn totals(&self) -> BTreeMap<String, u64> {
        let backends = self.service().backends.into_iter();
        let named = |task: Option<TaskId>| task.unwrap().to_string();
        backends.map(|it| (named(it.task), it.total)).collect()
    }

    /// A client in this network namespace, in the lab's cgroup or one below.
    pub(crate) fn client(&self, cgroup: &str) -> Client {
        self.start(cgroup, &[])
    }

    /// A client in a network namespace of its own, with loopback up.
    pub(crate) fn client_apart(&self, cgroup: &str) -> Client {
        let mut client = self.start(cgroup, &["unshare", "--net"]);
        client.run("ip link set lo up");
        client
    }

    fn start(&self, cgroup: &str, before: &[&str]) -> Client {
        let number = self.clients.fetch_add(1, Relaxed);
        let path = self.directory.path().join(format!("client-{number}"));
        let listener = UnixListener::bind(&path).unwrap();
        let cgroup = self.options.cgroup.join(cgroup);
        fs::create_dir_all(&cgroup).unwrap();
        let process = Command::new("sh")
            .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
            .arg(cgroup.join("cgroup.procs"))
            .args(before)
            .arg(std::env::current_exe().unwrap())
            .args(["kernel_lab::client::process", "--exact", "--ignored"])
            .env(client::SOCKET, &path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (orders, _) = listener.accept().unwrap();
        let replies = BufReader::new(orders.try_clone().unwrap());
        Client {
            process,
            orders,
            replies,
        }
    }

    fn cgroups(&self) -> Vec<PathBuf> {
        let below = fs::read_dir(&self.options.cgroup).into_iter().flatten();
        let below = below.flatten().map(|entry| entry.path());
        let mut all: Vec<_> = below.filter(|path| path.is_dir()).collect();
        all.push(self.options.cgroup.clone());
        all
    }
}

impl Drop for KernelLab {
    fn drop(&mut self) {
        let _ = fs::write(self.options.cgroup.join("cgroup.kill"), "1");
        drop(std::mem::replace(&mut self.kernel, Kernel::new(None)));
        // Reconcilers that were stopped a moment ago may still hold it.
        let uninstalled = until_done(|| Datapath::uninstall(&self.options).ok());
        let bpffs = self.directory.path().join("bpf");
        let _ = Command::new("umount").arg("-l").arg(bpffs).status();
        for cgroup in self.cgroups() {
            until_done(|| match fs::remove_dir(&cgroup) {
                Err(error) if error.kind() == ErrorKind::ResourceBusy => None,
                _ => Some(()),
            });
        }
        if !thread::panicking() {
            uninstalled.unwrap();
        }
    }
}

fn until_done<T>(mut work: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let done = work();
        if done.is_some() || Instant::now() > deadline {
            return done;
        }
        thread::park_timeout(Duration::from_millis(5));
    }
}

impl Client {
    /// Connects to an address so many times, one after the other.
    pub(crate) fn dial(&mut self, to: SocketAddr, count: u32) -> Outcome {
        let reply = self.ask(&format!("dial {to} {count}"));
        let (answered, failed) = reply.split_once(' ').unwrap();
        Outcome {
            answered: answered.parse().unwrap(),
            failed: failed.parse().unwrap(),
        }
    }

    /// Connects to an address and stays connected.
    pub(crate) fn hold(&mut self, to: SocketAddr) {
        assert_eq!(self.ask(&format!("hold {to}")), "held");
    }

    /// How many connections of [`Client::hold`] have been ended under it.
    pub(crate) fn broken(&mut self) -> usize {
        self.ask("broken ones").parse().unwrap()
    }

    /// What a command in the client's namespaces prints.
    pub(crate) fn run(&mut self, command: &str) -> String {
        let reply = self.ask(&format!("run {command}"));
        let (outcome, text) = reply.split_once(' ').unwrap_or((&reply, ""));
        assert_eq!(outcome, "0", "{command}: {text}");
        text.to_owned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    fn ask(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").unwrap();
        let mut line = String::new();
        self.replies.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Enough for tests.
pub(crate) fn capacities() -> Capacities {
    Capacities {
        services: 64,
        slots: 1_024,
        backends: 256,
        places: 64,
        strays: 64,
        affinity: 64,
        exempt: 16,
        tenants: 64,
        owners: 64,
    }
}

/// The VIP of all tests.
pub(crate) fn vip() -> SocketAddr {
    SocketAddr::from(([11, 0, 0, 1], 80))
}

/// A table with one service at [`vip`].
pub(crate) fn table(backends: &[(&str, SocketAddr)]) -> ServiceTable {
    let backend = |(task, address): &(&str, SocketAddr)| Backend {
        task: task.parse().unwrap(),
        near: None,
        far: Some(*address),
        weight: 1,
        state: BackendState::Ready,
        preferred: true,
    };
    let service = Service {
        name: Some("web.marathon.l4lb.thisdcos.directory".to_owned()),
        backends: backends.iter().map(backend).collect(),
        ..Service::default()
    };
    let mut table = ServiceTable::default();
    table.addresses.insert(vip().ip());
    table.services.insert(key(), service);
    table
}

/// A native task of node `n1`.
pub(crate) fn task(name: &str) -> Task {
    let app = AppId::resolve(name).unwrap();
    Task {
        id: TaskId::for_instance(&app, "1"),
        app,
        framework: "marathon".into(),
        version: Timestamp::from_millis(1),
        node: NodeId("n1".into()),
        goal: Goal::Run,
        command: model::Command::default(),
        env: BTreeMap::new(),
        labels: BTreeMap::new(),
        resources: Resources::default(),
        container: ContainerInfo::native(),
        ports: Vec::new(),
        health_checks: Vec::new(),
        kill_grace_ms: 1_500,
        created: Timestamp::from_millis(1),
    }
}

/// The key of that service.
pub(crate) fn key() -> ServiceKey {
    ServiceKey {
        address: vip().ip(),
        port: vip().port(),
        protocol: Protocol::Tcp,
    }
}

/// Answers everybody at an address, for as long as the test lasts.
pub(crate) fn serve(at: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(at).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b".");
        }
    });
    address
}

/// Accepts everybody at a port and keeps them, for as long as the test lasts.
pub(crate) fn keep() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let kept: Vec<_> = listener.incoming().collect();
        drop(kept);
    });
    address
}

/// A port where nobody listens.
pub(crate) fn deaf_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let looking = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let found = tokio::time::timeout(LIMIT, looking).await;
    assert!(found.is_ok(), "not within {LIMIT:?}: {what}");
}
