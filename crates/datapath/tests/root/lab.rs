//! A cgroup, a bpf filesystem, a datapath and clients for one test.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::SocketAddr;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use datapath::{Applied, BackendUsage, Capacities, Datapath, Options, ServiceUsage};
use model::Protocol;
use nix::mount::{MntFlags, umount2};
use tempfile::TempDir;
use vip::{Backend, BackendState, Near, NetworkKey, Service, ServiceKey, ServiceTable};

use crate::orders::{Order, Reply, SOCKET, Tally};

/// The address that most tests use; each datapath translates its own cgroup only.
pub(crate) const VIP: &str = "11.0.0.1";

pub(crate) struct Lab {
    pub(crate) datapath: Option<Datapath>,
    pub(crate) options: Options,
    directory: TempDir,
    started: AtomicU32,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with(small())
    }

    pub(crate) fn with(capacities: Capacities) -> Self {
        static LABS: AtomicU32 = AtomicU32::new(0);
        let directory = TempDir::new().unwrap();
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let name = format!("sealane-datapath-{}-{number}", std::process::id());
        let cgroup = datapath::find_cgroup2().unwrap().join(name);
        fs::create_dir(&cgroup).unwrap();
        let bpffs = directory.path().join("bpf");
        let options = Options {
            cgroup,
            pins: bpffs.join("pins"),
            capacities,
        };
        let mut lab = Self {
            datapath: None,
            options,
            directory,
            started: AtomicU32::new(0),
        };
        datapath::ensure_bpffs(&bpffs).unwrap();
        lab.open();
        lab
    }

    /// Opens the datapath, as a starting daemon does.
    pub(crate) fn open(&mut self) {
        self.datapath = None;
        self.datapath = Some(Datapath::open(&self.options).unwrap());
    }

    pub(crate) fn datapath(&mut self) -> &mut Datapath {
        self.datapath.as_mut().unwrap()
    }

    /// Applies a table without any failure.
    pub(crate) fn apply(&mut self, table: &ServiceTable) -> Applied {
        let applied = self.datapath().apply(table).unwrap();
        assert!(applied.failures.is_empty(), "{:?}", applied.failures);
        applied
    }

    /// A process in the lab's cgroup and this namespace.
    pub(crate) fn client(&self) -> Client {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let path = self.directory.path().join(format!("client-{number}"));
        let listener = UnixListener::bind(&path).unwrap();
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["client::process", "--exact", "--ignored", "--nocapture"])
            .env(SOCKET, &path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        fs::write(
            self.options.cgroup.join("cgroup.procs"),
            process.id().to_string(),
        )
        .unwrap();
        let (orders, _) = listener.accept().unwrap();
        let replies = BufReader::new(orders.try_clone().unwrap());
        Client {
            process,
            orders,
            replies,
        }
    }

    pub(crate) fn service(&self, vip: SocketAddr, protocol: Protocol) -> ServiceUsage {
        let key = ServiceKey {
            address: vip.ip(),
            port: vip.port(),
            protocol,
        };
        let usage = self.datapath.as_ref().unwrap().usage();
        usage
            .into_iter()
            .find(|service| service.key == key)
            .unwrap()
    }

    /// The numbers of one backend.
    pub(crate) fn backend(&self, vip: SocketAddr, protocol: Protocol, task: &str) -> BackendUsage {
        let service = self.service(vip, protocol);
        let is_it = |backend: &BackendUsage| {
            backend
                .task
                .as_ref()
                .is_some_and(|found| found.as_str() == task)
        };
        service.backends.into_iter().find(is_it).unwrap()
    }

    /// Open connections of all backends of all services.
    pub(crate) fn open_connections(&self) -> u32 {
        let usage = self.datapath.as_ref().unwrap().usage();
        usage
            .iter()
            .flat_map(|service| &service.backends)
            .map(|backend| backend.open)
            .sum()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.datapath = None;
        let _ = fs::write(self.options.cgroup.join("cgroup.kill"), "1");
        let uninstalled = Datapath::uninstall(&self.options);
        let _ = umount2(&self.directory.path().join("bpf"), MntFlags::MNT_DETACH);
        let busy = |error: &std::io::Error| error.kind() == ErrorKind::ResourceBusy;
        let deadline = Instant::now() + Duration::from_secs(5);
        while fs::remove_dir(&self.options.cgroup).is_err_and(|error| busy(&error))
            && Instant::now() < deadline
        {
            thread::park_timeout(Duration::from_millis(5));
        }
        if !thread::panicking() {
            uninstalled.unwrap();
        }
    }
}

pub(crate) struct Client {
    process: Child,
    orders: UnixStream,
    replies: BufReader<UnixStream>,
}

/// A failed system call of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) errno: i32,
    pub(crate) micros: u64,
}

impl Client {
    pub(crate) fn ask(&mut self, order: &Order) -> Result<Reply, Refused> {
        writeln!(self.orders, "{}", serde_json::to_string(order).unwrap()).unwrap();
        let mut line = String::new();
        self.replies.read_line(&mut line).unwrap();
        match serde_json::from_str(&line).unwrap() {
            Reply::Failed { errno, micros } => Err(Refused { errno, micros }),
            reply => Ok(reply),
        }
    }

    pub(crate) fn open(&mut self, protocol: Protocol) -> u32 {
        match self.ask(&Order::Open {
            tcp: protocol == Protocol::Tcp,
        }) {
            Ok(Reply::Socket(socket)) => socket,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn connect(&mut self, socket: u32, to: SocketAddr) -> Result<(), Refused> {
        self.ask(&Order::Connect { socket, to }).map(drop)
    }

    /// A new socket, connected.
    pub(crate) fn dial(&mut self, protocol: Protocol, to: SocketAddr) -> Result<u32, Refused> {
        let socket = self.open(protocol);
        self.connect(socket, to).map(|()| socket)
    }

    pub(crate) fn peer(&mut self, socket: u32) -> Result<SocketAddr, Refused> {
        match self.ask(&Order::Peer { socket })? {
            Reply::Address(address) => Ok(address),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn send_to(
        &mut self,
        socket: u32,
        to: SocketAddr,
        text: &str,
    ) -> Result<(), Refused> {
        self.ask(&Order::SendTo {
            socket,
            to,
            text: text.to_owned(),
        })
        .map(drop)
    }

    /// What comes next, and from where as far as UDP tells.
    pub(crate) fn receive(&mut self, socket: u32) -> (Option<SocketAddr>, String) {
        match self.ask(&Order::Receive { socket }) {
            Ok(Reply::Text { from, text }) => (from, text),
            other => panic!("{other:?}"),
        }
    }

    /// Who answers at `to` over TCP; the connection is closed again.
    pub(crate) fn who(&mut self, to: SocketAddr) -> Result<String, Refused> {
        let socket = self.dial(Protocol::Tcp, to)?;
        let (_, name) = self.receive(socket);
        self.close(socket);
        Ok(name)
    }

    pub(crate) fn close(&mut self, socket: u32) {
        self.ask(&Order::Close { socket }).unwrap();
    }

    pub(crate) fn hammer(&mut self, to: SocketAddr) {
        self.ask(&Order::Hammer { to }).unwrap();
    }

    pub(crate) fn rest(&mut self) -> Tally {
        match self.ask(&Order::Rest) {
            Ok(Reply::Tally(tally)) => tally,
            other => panic!("{other:?}"),
        }
    }

    /// Moves to a namespace of its own and tells its cookie.
    pub(crate) fn leave_host(&mut self) -> u64 {
        match self.ask(&Order::LeaveHost) {
            Ok(Reply::Cookie(cookie)) => cookie,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn serve(&mut self, at: &str, name: &str) -> SocketAddr {
        let order = Order::Serve {
            at: at.parse().unwrap(),
            name: name.to_owned(),
        };
        match self.ask(&order) {
            Ok(Reply::Address(address)) => address,
            other => panic!("{other:?}"),
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Capacities that keep tests small.
pub(crate) fn small() -> Capacities {
    Capacities {
        services: 64,
        slots: 4_096,
        backends: 1_024,
        places: 64,
        strays: 64,
        affinity: 1_024,
        exempt: 16,
        tenants: 256,
        owners: 64,
    }
}

pub(crate) fn vip(port: u16) -> SocketAddr {
    SocketAddr::new(VIP.parse().unwrap(), port)
}

/// A backend with one address for everybody.
pub(crate) fn far(task: &str, address: SocketAddr) -> Backend {
    Backend {
        task: task.parse().unwrap(),
        near: None,
        far: Some(address),
        weight: 1,
        state: BackendState::Ready,
        preferred: true,
    }
}

pub(crate) fn draining(backend: Backend) -> Backend {
    Backend {
        state: BackendState::Draining,
        ..backend
    }
}

pub(crate) fn near(network: &NetworkKey, address: SocketAddr) -> Option<Near> {
    Some(Near {
        address,
        network: network.clone(),
    })
}

/// A table of services, least loaded, and their addresses.
pub(crate) fn table(services: &[(SocketAddr, Protocol, &[Backend])]) -> ServiceTable {
    let mut table = ServiceTable::default();
    for (vip, protocol, backends) in services {
        let key = ServiceKey {
            address: vip.ip(),
            port: vip.port(),
            protocol: *protocol,
        };
        let service = Service {
            backends: backends.to_vec(),
            ..Service::default()
        };
        table.addresses.insert(vip.ip());
        table.services.insert(key, service);
    }
    table
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// Asserts the one refusal that VIPs have: at once, and as if nobody listened.
pub(crate) fn assert_refused<T: std::fmt::Debug>(outcome: Result<T, Refused>) {
    let refused = outcome.unwrap_err();
    assert_eq!(refused.errno, libc::ECONNREFUSED, "{refused:?}");
    assert!(refused.micros < 100_000, "{refused:?}");
}
