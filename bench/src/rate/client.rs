//! The client: connects and closes, for a while.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::libc::linger;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, connect, setsockopt, socket, sockopt,
};
use serde::{Deserialize, Serialize};

use crate::process;

/// What the client is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where to connect to
    #[arg(long)]
    target: SocketAddrV4,
    /// For how long
    #[arg(long)]
    millis: u64,
    /// Wait for the server's first byte each time
    #[arg(long)]
    reply: bool,
    /// The file that takes a process into a cgroup
    #[arg(long)]
    cgroup: Option<PathBuf>,
}

/// What the client did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Slice {
    /// Connections that were made.
    pub(crate) connections: u64,
    /// In which time.
    pub(crate) seconds: f64,
    /// How long the client had a core meanwhile; 0 where the kernel does not tell.
    pub(crate) on_core: f64,
    /// Those that were not, and why the last one was not.
    pub(crate) failures: u64,
    pub(crate) failure: Option<String>,
}

impl Slice {
    /// Connections a second.
    pub(crate) fn rate(&self) -> f64 {
        self.connections as f64 / self.seconds
    }

    /// Microseconds that the client had a core for each connection. On loopback this
    /// is nearly all of a connection, the server's part of the handshake included,
    /// and hardly depends on what else the machine does.
    pub(crate) fn micros(&self) -> f64 {
        self.on_core * 1e6 / self.connections as f64
    }
}

/// Runs the client and prints its [`Slice`] as JSON.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(cgroup) = &arguments.cgroup {
        enter(cgroup)?;
    }
    let target = SockaddrIn::from(arguments.target);
    let limit = Duration::from_millis(arguments.millis);
    let mut slice = Slice {
        connections: 0,
        seconds: 0.0,
        on_core: 0.0,
        failures: 0,
        failure: None,
    };
    let before = on_core();
    let begun = Instant::now();
    while begun.elapsed() < limit {
        match once(&target, arguments.reply) {
            Ok(()) => slice.connections += 1,
            Err(error) => {
                slice.failures += 1;
                slice.failure = Some(format!("{error:#}"));
            }
        }
    }
    slice.seconds = begun.elapsed().as_secs_f64();
    slice.on_core = (on_core() - before).as_secs_f64();
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&slice)?)?;
    Ok(())
}

fn on_core() -> Duration {
    // The kernel brings the figure up to date when it looks whose turn it is.
    std::thread::yield_now();
    Duration::from_nanos(process::on_core("/proc/thread-self".as_ref()).unwrap_or(0))
}

/// Moves this process to a cgroup. Sockets belong to the cgroup that they are made
/// in, so this comes before the first one.
pub(super) fn enter(procs: &PathBuf) -> Result<()> {
    // "0" stands for the writer.
    fs::write(procs, "0").with_context(|| format!("entering {}", procs.display()))
}

/// One connection, reset at its end: a reset leaves nothing behind, so that client
/// ports do not run out.
fn once(target: &SockaddrIn, reply: bool) -> Result<()> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None).context("socket")?;
    let reset = linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&socket, sockopt::Linger, &reset).context("linger")?;
    connect(socket.as_raw_fd(), target).context("connect")?;
    if reply {
        let read = TcpStream::from(socket).read(&mut [0]).context("read")?;
        ensure!(read == 1, "closed without a byte");
    }
    Ok(())
}
