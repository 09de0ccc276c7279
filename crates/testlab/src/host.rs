//! A host.

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};

use crate::cgroup::Cgroup;
use crate::mark::Mark;
use crate::netns::Netns;
use crate::{Dockerd, Lan, janitor, lan, mounts};

/// What a test takes for a machine; see the crate's documentation.
///
/// `Display` is the command that enters it.
#[derive(Debug)]
pub struct Host {
    // In the order in which they must go: processes, namespace, link.
    cgroup: Cgroup,
    netns: Netns,
    _lan: Option<Lan>,
    directory: PathBuf,
    address: Ipv4Addr,
    address6: Ipv6Addr,
}

impl Host {
    /// A host for itself: 10.99.1.1/24 and fd99:0:0:1::1/64 on `eth0`, with default
    /// routes that lead nowhere. `name` is 1 to 20 of a-z, 0-9 and `-`; it appears
    /// in the names of the host's parts and need not be unique.
    ///
    /// # Errors
    /// Without root, without cgroup v2, or when `ip` is missing.
    pub fn new(name: &str) -> Result<Self> {
        Self::make(name, None)
    }

    /// A host on `lan`, with an address of its own there.
    ///
    /// # Errors
    /// As [`Host::new`].
    pub fn on(lan: &Lan, name: &str) -> Result<Self> {
        Self::make(name, Some(lan.clone()))
    }

    fn make(name: &str, lan: Option<Lan>) -> Result<Self> {
        janitor::once();
        let mark = Mark::new(name)?;
        let cgroup = Cgroup::add(mark.cgroup())?;
        let netns = Netns::add(mark.netns())?;
        let (address, address6) = match &lan {
            Some(lan) => lan.join(&netns)?,
            None => lan::join_alone(&netns)?,
        };
        let directory = mark.directory();
        std::fs::create_dir(&directory)
            .with_context(|| format!("making {}", directory.display()))?;
        Ok(Self {
            cgroup,
            netns,
            _lan: lan,
            directory,
            address,
            address6,
        })
    }

    /// Its IPv4 address on `eth0`.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Its IPv6 address on `eth0`.
    #[must_use]
    pub fn address6(&self) -> Ipv6Addr {
        self.address6
    }

    /// Path of its network namespace, below `/run/netns`.
    #[must_use]
    pub fn netns_path(&self) -> PathBuf {
        self.netns.path()
    }

    /// Name of its network namespace, for `ip -n`.
    #[must_use]
    pub fn netns_name(&self) -> &str {
        self.netns.name()
    }

    /// Its directory in the cgroup v2 hierarchy. Its processes and containers are in
    /// cgroups below, so what is attached here sees them all.
    #[must_use]
    pub fn cgroup(&self) -> &Path {
        self.cgroup.path()
    }

    /// The same as engines want it: `/sealane-test-…`, below the cgroup root.
    #[must_use]
    pub fn cgroup_parent(&self) -> String {
        format!("/{}", self.cgroup.name())
    }

    /// A directory for files of the host, removed with it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A command that runs on the host: in its network namespace and its cgroup.
    ///
    /// What it starts ends with the host at the latest.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let netns = self.netns.open();
        let procs = OpenOptions::new().write(true).open(self.cgroup.procs());
        let enter = move || {
            let netns = netns.as_ref().map_err(|_| io::ErrorKind::NotFound)?;
            let procs = procs.as_ref().map_err(|_| io::ErrorKind::NotFound)?;
            // "0" stands for the writer itself.
            nix::unistd::write(procs, b"0")?;
            setns(netns, CloneFlags::CLONE_NEWNET)?;
            Ok(())
        };
        // SAFETY: between fork and exec only async-signal-safe calls are allowed. The
        // files were opened before; what runs here is write(2) and setns(2) on their
        // descriptors, and conversions of error codes, none of which allocates.
        unsafe { command.pre_exec(enter) };
        command
    }

    /// Runs `work` on a thread inside the network namespace (not the cgroup: that
    /// holds processes). Sockets made there belong to the host wherever they are used.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    ///
    /// # Panics
    /// When `work` does.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.netns.inside(work)
    }

    /// Starts a Docker engine of its own on the host.
    ///
    /// # Errors
    /// With the end of its log when it does not come up.
    pub fn dockerd(&self) -> Result<Dockerd> {
        Dockerd::start(self, &[])
    }

    /// [`Host::dockerd`] with more options for it, such as `--ipv6`.
    ///
    /// # Errors
    /// With the end of its log when it does not come up.
    pub fn dockerd_with(&self, options: &[&str]) -> Result<Dockerd> {
        Dockerd::start(self, options)
    }

    /// Makes an image from the machine's static busybox.
    ///
    /// # Errors
    /// When busybox is missing or Docker refuses.
    pub fn import_busybox(&self, dockerd: &Dockerd, image: &str) -> Result<()> {
        dockerd.import_busybox(image)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "nsenter --net={} sh -c 'echo $$ > {}; exec bash'",
            self.netns.path().display(),
            self.cgroup.procs().display()
        )
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The fields' own drops do the rest; files go last but after the processes.
        if let Err(error) = crate::cgroup::end_processes(self.cgroup.name()) {
            eprintln!("testlab: {error:#}");
        }
        if let Err(error) = mounts::remove_tree(&self.directory) {
            eprintln!(
                "testlab: leaving {} behind: {error:#}",
                self.directory.display()
            );
        }
    }
}
