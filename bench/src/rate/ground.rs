//! The host that connections are made on, and the ways from client to server.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use datapath::{Capacities, Datapath, Options, ProgramTime, ensure_bpffs};
use model::Protocol;
use testlab::{Host, wait_for};
use vip::{Backend, BackendState, Service, ServiceKey, ServiceTable};

use super::Kind;
use super::client::Slice;
use crate::peers::{haproxy::HaProxy, nft::Rules};
use crate::process::{Running, report, this_program};

/// How long a go lasts.
const MILLIS: u64 = 150;
/// Nanoseconds of work between two looks at servers that do nothing.
const IDLE: u64 = 300_000;
/// The service, for the datapath and for nftables alike.
const VIP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(11, 1, 2, 3), 80);

/// A way from a client to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Through the datapath.
    Vip,
    /// To the server's own address on a machine without Sealane.
    Direct,
    /// To the server's own address on a machine with it.
    Attached,
    /// Through destination NAT.
    Rules,
    /// Through a proxy.
    HaProxy,
}

impl Way {
    pub(super) const ALL: [Self; 5] = [
        Self::Vip,
        Self::Direct,
        Self::Attached,
        Self::Rules,
        Self::HaProxy,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Vip => "vip",
            Self::Direct => "direct",
            Self::Attached => "direct-attached",
            Self::Rules => "nftables",
            Self::HaProxy => "haproxy",
        }
    }
}

/// A host with two halves: a cgroup that the programs are attached to, with a server
/// and its clients, and one without them, with the same.
pub(super) struct Ground {
    kind: Kind,
    datapath: Datapath,
    haproxy: HaProxy,
    attached: Server,
    plain: Server,
    /// The proxy's own, since it goes on talking to it when its client has gone.
    proxied: Server,
    /// The file that takes a process into the half with programs.
    procs: PathBuf,
    /// Last, since all of the above is on it.
    host: Host,
}

struct Server {
    process: Running,
    address: SocketAddrV4,
}

impl Ground {
    pub(super) fn new(kind: Kind) -> Result<Self> {
        let host = Host::new("bench-rate")?;
        // A queue that holds every connection of a go: an overflow would measure the
        // second that TCP waits before it tries again.
        host.inside(|| fs::write("/proc/sys/net/core/somaxconn", "65535"))?
            .context("setting somaxconn of the host's namespace")?;
        let cgroup = host.cgroup().join("attached");
        fs::create_dir(&cgroup).with_context(|| format!("making {}", cgroup.display()))?;
        let procs = cgroup.join("cgroup.procs");
        let attached = Server::start(&host, kind, Some(&procs))?;
        let plain = Server::start(&host, kind, None)?;
        let proxied = Server::start(&host, kind, None)?;
        let haproxy = HaProxy::start(&host, proxied.address)?;
        let datapath = open(&host, cgroup, attached.address)?;
        Ok(Self {
            kind,
            datapath,
            haproxy,
            attached,
            plain,
            proxied,
            procs,
            host,
        })
    }

    /// One go of a client.
    pub(super) fn go(&self, way: Way) -> Result<Slice> {
        match way {
            Way::Vip => self.slice(VIP, true),
            Way::Direct => self.slice(self.plain.address, false),
            Way::Attached => self.slice(self.attached.address, true),
            Way::Rules => {
                let _rules = Rules::load(&self.host, VIP, self.plain.address)?;
                self.slice(VIP, false)
            }
            Way::HaProxy => self.slice(self.haproxy.address, false),
        }
    }

    /// One go through the VIP while the kernel times the programs.
    pub(super) fn timed_go(&self) -> Result<(Slice, Vec<ProgramTime>)> {
        let (slice, times) = self.datapath.time_programs(|| self.go(Way::Vip))?;
        Ok((slice?, times))
    }

    fn slice(&self, target: SocketAddrV4, attached: bool) -> Result<Slice> {
        let mut command = self.host.command(this_program()?);
        command.args(["client", "--target", &target.to_string()]);
        command.args(["--millis", &MILLIS.to_string()]);
        if self.kind == Kind::Reply {
            command.arg("--reply");
        }
        if attached {
            command.arg("--cgroup").arg(&self.procs);
        }
        let slice: Slice = report(&mut command)?;
        self.settle()?;
        ensure!(
            slice.connections > 100 * slice.failures,
            "{} of {} connections failed: {}",
            slice.failures,
            slice.connections + slice.failures,
            slice.failure.unwrap_or_default()
        );
        Ok(slice)
    }

    /// Waits until nobody works on what the last client left, which would be at the
    /// cost of the next one: a proxy goes on for long.
    fn settle(&self) -> Result<()> {
        let servers = [&self.attached, &self.plain, &self.proxied].map(|server| &server.process);
        let busy = || -> u64 { servers.iter().map(|server| server.busy()).sum() };
        let mut before = None;
        wait_for("servers to be idle", Duration::from_secs(30), || {
            let now = busy() + self.haproxy.process.busy();
            let idle = before
                .replace(now)
                .is_some_and(|before| now.saturating_sub(before) < IDLE);
            idle.then_some(())
        })
    }
}

impl Server {
    fn start(host: &Host, kind: Kind, procs: Option<&Path>) -> Result<Self> {
        let mut command = host.command(this_program()?);
        command.args(["server", "--listen", &format!("{}:0", host.address())]);
        if kind == Kind::Reply {
            command.arg("--reply");
        }
        if let Some(procs) = procs {
            command.arg("--cgroup").arg(procs);
        }
        let mut process = Running::start(command.stdout(Stdio::piped()))?;
        let line = process.first_line()?;
        let address = line
            .parse()
            .with_context(|| format!("the server printed '{line}'"))?;
        Ok(Self { process, address })
    }
}

/// A datapath of one service with one backend, as a daemon would have it.
fn open(host: &Host, cgroup: PathBuf, backend: SocketAddrV4) -> Result<Datapath> {
    let bpf = host.directory().join("bpf");
    ensure_bpffs(&bpf)?;
    let options = Options {
        cgroup,
        pins: bpf.join("bench"),
        capacities: Capacities::default(),
    };
    // Inside, since it asks which namespace is the host's.
    let mut datapath = host.inside(|| Datapath::open(&options))??;
    let applied = datapath.apply(&table(backend)?)?;
    let failures = applied
        .failures
        .iter()
        .map(|failure| failure.error.to_string());
    let failures: Vec<_> = failures.collect();
    ensure!(
        failures.is_empty(),
        "the VIP is not in the kernel: {}",
        failures.join("; ")
    );
    let findings = datapath.check();
    ensure!(findings.is_empty(), "the programs do not run: {findings:?}");
    Ok(datapath)
}

fn table(backend: SocketAddrV4) -> Result<ServiceTable> {
    let backend = Backend {
        task: "bench".parse()?,
        near: None,
        far: Some(backend.into()),
        weight: 1,
        state: BackendState::Ready,
    };
    let key = ServiceKey {
        address: (*VIP.ip()).into(),
        port: VIP.port(),
        protocol: Protocol::Tcp,
    };
    let service = Service {
        backends: vec![backend],
        ..Service::default()
    };
    let mut table = ServiceTable::default();
    table.addresses.insert(key.address);
    table.services.insert(key, service);
    Ok(table)
}
