//! A host to measure on.
//!
//! Its cgroup has two halves: one that Sealane's programs are attached to, and one
//! without them, which is a machine that has no Sealane.

use std::cell::Cell;
use std::fs;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::rc::Rc;

use anyhow::{Context, Result, bail, ensure};
use datapath::{Applied, Capacities, Datapath, Options, ensure_bpffs};
use testlab::{Host, Lan};
use vip::ServiceTable;

use crate::process::{Running, this_program};

/// A host to measure on; what runs on it ends with it.
pub(crate) struct Site {
    attached: PathBuf,
    servers: Cell<u32>,
    pub(crate) host: Host,
}

/// Where a process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    /// Where programs are attached.
    Attached,
    /// Where none are.
    Plain,
}

/// A server on a site.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) process: Running,
    pub(crate) address: SocketAddrV4,
    /// A unix socket, for those that are asked things.
    pub(crate) control: PathBuf,
}

impl Site {
    /// A host for itself.
    pub(crate) fn new(name: &str) -> Result<Rc<Self>> {
        Self::make(Host::new(name)?)
    }

    /// A host that reaches others.
    pub(crate) fn on(lan: &Lan, name: &str) -> Result<Rc<Self>> {
        Self::make(Host::on(lan, name)?)
    }

    fn make(host: Host) -> Result<Rc<Self>> {
        // A queue that holds every connection of a go: an overflow would measure the
        // second that TCP waits before it tries again.
        host.inside(|| fs::write("/proc/sys/net/core/somaxconn", "65535"))?
            .context("setting somaxconn of the host's namespace")?;
        let attached = host.cgroup().join("attached");
        fs::create_dir(&attached).with_context(|| format!("making {}", attached.display()))?;
        let servers = Cell::new(0);
        Ok(Rc::new(Self {
            attached,
            servers,
            host,
        }))
    }

    /// A command for a part of this program.
    pub(crate) fn part(&self, name: &str, half: Half) -> Result<Command> {
        let mut command = self.host.command(this_program()?);
        command.arg(name);
        if half == Half::Attached {
            let procs = self.attached.join("cgroup.procs");
            command.arg("--cgroup").arg(procs);
        }
        Ok(command)
    }

    /// Starts a part that is a server on any free port.
    pub(crate) fn serve(&self, name: &str, half: Half, options: &[&str]) -> Result<Rc<Server>> {
        let number = self.servers.get();
        self.servers.set(number + 1);
        let control = self.host.directory().join(format!("server-{number}"));
        let listen = SocketAddrV4::new(self.host.address(), 0).to_string();
        let mut command = self.part(name, half)?;
        command
            .args(["--listen", &listen, "--control"])
            .arg(&control);
        command.args(options).stdout(Stdio::piped());
        let mut process = Running::start(&mut command)?;
        let line = process.first_line()?;
        let address = line
            .parse()
            .with_context(|| format!("the {name} printed '{line}'"))?;
        Ok(Rc::new(Server {
            process,
            address,
            control,
        }))
    }

    /// Where the datapath of this site's first half is.
    pub(crate) fn options(&self, capacities: Capacities) -> Result<Options> {
        let bpf = self.host.directory().join("bpf");
        ensure_bpffs(&bpf)?;
        Ok(Options {
            cgroup: self.attached.clone(),
            pins: bpf.join("bench"),
            capacities,
        })
    }

    /// An empty datapath, as a daemon would have it.
    pub(crate) fn open(&self, capacities: Capacities) -> Result<Datapath> {
        let options = self.options(capacities)?;
        // Inside, since it asks which namespace is the host's.
        Ok(self.host.inside(|| Datapath::open(&options))??)
    }

    /// A datapath with a table in force.
    pub(crate) fn datapath(&self, table: &ServiceTable) -> Result<Datapath> {
        let mut datapath = self.open(Capacities::default())?;
        in_force(&datapath.apply(table)?)?;
        let findings = datapath.check();
        ensure!(findings.is_empty(), "the programs do not run: {findings:?}");
        Ok(datapath)
    }
}

/// Makes sure that all of a table reached the kernel.
pub(crate) fn in_force(applied: &Applied) -> Result<()> {
    if let Some(first) = applied.failures.first() {
        let count = applied.failures.len();
        bail!(
            "{count} things are not in the kernel, the first: {}",
            first.error
        );
    }
    Ok(())
}
