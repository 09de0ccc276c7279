//! The connector: a client that connects and closes, for a while.

use std::io::Read;
use std::net::{SocketAddrV4, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, connect, socket};
use serde::{Deserialize, Serialize};

use super::standing::{Standing, on_core, reset_at_close};
use super::tally::Asker;
use crate::process::tell;

/// Connections that are open at a time while a server is asked whether it has them.
/// Many, so that asking is a small part of it; few enough for a proxy that needs two
/// files for each.
const ROUND: usize = 500;

/// What the connector is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    standing: Standing,
    /// Where to connect to
    #[arg(long)]
    target: SocketAddrV4,
    /// For how long
    #[arg(long)]
    millis: u64,
    /// Where the server is asked whether it accepted them; without it, the server's
    /// first byte is waited for each time
    #[arg(long)]
    control: Option<PathBuf>,
}

/// What the connector did.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Slice {
    /// Connections that were made.
    connections: u64,
    /// In which time.
    seconds: f64,
    /// How long the client had a core meanwhile; 0 where the kernel does not tell.
    on_core: f64,
    /// Those that were not, and why the last one was not.
    failures: u64,
    failure: Option<String>,
}

impl Slice {
    /// Connections that were made.
    pub(crate) fn connections(&self) -> f64 {
        self.connections as f64
    }

    /// Connections a second.
    pub(crate) fn rate(&self) -> f64 {
        self.connections() / self.seconds
    }

    /// Microseconds that the client had a core for each connection, its end included.
    /// On loopback this is nearly all of a connection, the server's part of the
    /// handshake included, and hardly depends on what else the machine does.
    pub(crate) fn micros(&self) -> f64 {
        self.on_core * 1e6 / self.connections()
    }

    /// Refuses figures that are of failures more than of connections.
    pub(crate) fn check(self) -> Result<Self> {
        ensure!(
            self.connections > 100 * self.failures,
            "{} of {} connections failed: {}",
            self.failures,
            self.connections + self.failures,
            self.failure.unwrap_or_default()
        );
        Ok(self)
    }

    fn note<T>(&mut self, done: Result<T>) -> Option<T> {
        match done {
            Ok(done) => {
                self.connections += 1;
                Some(done)
            }
            Err(error) => {
                self.failures += 1;
                self.failure = Some(format!("{error:#}"));
                None
            }
        }
    }
}

/// Runs the connector and prints its [`Slice`] as JSON.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    arguments.standing.take()?;
    let target = SockaddrIn::from(arguments.target);
    let limit = Duration::from_millis(arguments.millis);
    let before = on_core();
    let mut slice = match &arguments.control {
        Some(control) => accepted(&target, limit, control)?,
        None => answered(&target, limit),
    };
    slice.on_core = (on_core() - before).as_secs_f64();
    tell(&slice)
}

/// Connects in rounds, each of which lasts until the server has accepted all of it.
/// Connections stay open so long, since a proxy may drop what its client has closed;
/// closing them is on nobody's clock.
fn accepted(target: &SockaddrIn, limit: Duration, control: &Path) -> Result<Slice> {
    let mut asker = Asker::new(control)?;
    let mut slice = Slice::default();
    let begun = Instant::now();
    while begun.elapsed() < limit {
        let round = Instant::now();
        let open: Vec<_> = (0..ROUND)
            .filter_map(|_| slice.note(connected(target)))
            .collect();
        asker.wait(open.len())?;
        slice.seconds += round.elapsed().as_secs_f64();
    }
    Ok(slice)
}

/// Connects and waits for the server's first byte each time.
fn answered(target: &SockaddrIn, limit: Duration) -> Slice {
    let mut slice = Slice::default();
    let begun = Instant::now();
    while begun.elapsed() < limit {
        slice.note(connected(target).and_then(first_byte));
    }
    slice.seconds = begun.elapsed().as_secs_f64();
    slice
}

fn connected(target: &SockaddrIn) -> Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None).context("socket")?;
    reset_at_close(&socket)?;
    connect(socket.as_raw_fd(), target).context("connect")?;
    Ok(socket)
}

fn first_byte(socket: OwnedFd) -> Result<()> {
    let read = TcpStream::from(socket).read(&mut [0]).context("read")?;
    ensure!(read == 1, "closed without a byte");
    Ok(())
}
