//! The server: accepts and closes.

use std::io::Write;
use std::net::{SocketAddrV4, TcpListener};
use std::path::PathBuf;
use std::thread;

use anyhow::{Context, Result};
use nix::sys::socket::{Backlog, listen};

use super::client::enter;

/// Two, so that one that waits for a core does not let the queue fill up.
const THREADS: usize = 2;

/// What the server is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where to listen; port 0 is any
    #[arg(long)]
    listen: SocketAddrV4,
    /// Send a byte before closing
    #[arg(long)]
    reply: bool,
    /// The file that takes a process into a cgroup
    #[arg(long)]
    cgroup: Option<PathBuf>,
}

/// Prints the address that it listens on and serves until it is killed.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(cgroup) = &arguments.cgroup {
        enter(cgroup)?;
    }
    let listener = TcpListener::bind(arguments.listen)
        .with_context(|| format!("listening on {}", arguments.listen))?;
    // As long as the host allows, instead of the library's 128: a full queue would
    // stop a client for a second.
    listen(&listener, Backlog::MAXALLOWABLE).context("listening with a longer queue")?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| serve(&listener, arguments.reply));
        }
    });
    Ok(())
}

fn serve(listener: &TcpListener, reply: bool) {
    for stream in listener.incoming() {
        if let (Ok(mut stream), true) = (stream, reply) {
            // A client that is gone wants no byte.
            let _ = stream.write_all(b"!");
        }
    }
}
