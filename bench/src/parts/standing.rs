//! Where a part stands, and what all clients and servers do alike.

use std::fs;
use std::io::Write;
use std::net::{SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::libc::linger;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{Backlog, listen, setsockopt, sockopt};
use nix::unistd::Pid;

use crate::process;

/// Where a part stands.
#[derive(Debug, clap::Args)]
pub(super) struct Standing {
    /// Files that take a process into a cgroup
    #[arg(long)]
    cgroup: Vec<PathBuf>,
    /// The only core that it may use
    #[arg(long)]
    core: Option<usize>,
}

impl Standing {
    /// Moves this process there. Sockets belong to the cgroup that they are made in,
    /// so this comes before the first one.
    pub(super) fn take(&self) -> Result<()> {
        for procs in &self.cgroup {
            // "0" stands for the writer.
            fs::write(procs, "0").with_context(|| format!("entering {}", procs.display()))?;
        }
        if let Some(core) = self.core {
            let mut cores = CpuSet::new();
            cores.set(core)?;
            sched_setaffinity(Pid::from_raw(0), &cores).context("staying on one core")?;
        }
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, most, most).context("allowing many open files")
    }
}

/// What every server is told.
#[derive(Debug, clap::Args)]
pub(super) struct Listening {
    #[command(flatten)]
    standing: Standing,
    /// Where to listen; port 0 is any
    #[arg(long)]
    pub(super) listen: SocketAddrV4,
    /// Where to be asked things, by those who ask
    #[arg(long)]
    pub(super) control: PathBuf,
}

impl Listening {
    /// Takes its place and listens, and tells where on standard output.
    pub(super) fn tcp(&self) -> Result<TcpListener> {
        self.standing.take()?;
        let listener = TcpListener::bind(self.listen);
        let listener = listener.with_context(|| format!("listening on {}", self.listen))?;
        // As long as the host allows, instead of the library's 128: a full queue would
        // stop a client for a second.
        listen(&listener, Backlog::MAXALLOWABLE).context("listening with a longer queue")?;
        writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
        Ok(listener)
    }

    /// The same for datagrams.
    pub(super) fn udp(&self) -> Result<UdpSocket> {
        self.standing.take()?;
        let socket = UdpSocket::bind(self.listen);
        let socket = socket.with_context(|| format!("listening on {}", self.listen))?;
        writeln!(std::io::stdout(), "{}", socket.local_addr()?)?;
        Ok(socket)
    }
}

/// Lets a socket be reset when it is closed: a reset leaves nothing behind, so that
/// client ports do not run out.
pub(super) fn reset_at_close(socket: &impl AsFd) -> Result<()> {
    let reset = linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(socket, sockopt::Linger, &reset).context("linger")
}

/// Connects within `limit`, to be reset at the end.
pub(super) fn connect_within(target: SocketAddrV4, limit: Duration) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&target.into(), limit).context("connect")?;
    reset_at_close(&stream)?;
    Ok(stream)
}

/// How long this thread has had a core.
pub(super) fn on_core() -> Duration {
    // The kernel brings the figure up to date when it looks whose turn it is.
    std::thread::yield_now();
    Duration::from_nanos(process::on_core("/proc/thread-self".as_ref()).unwrap_or(0))
}
