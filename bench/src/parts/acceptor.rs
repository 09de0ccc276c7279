//! The acceptor: a server that counts connections and closes them.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::thread;

use anyhow::{Context, Result};

use super::standing::Listening;
use super::tally::Tally;

/// Two, so that one that waits for a core does not let the queue fill up.
const THREADS: usize = 2;

/// What the acceptor is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    listening: Listening,
    /// Send a byte before closing
    #[arg(long)]
    reply: bool,
}

/// Prints the address that it listens on and serves until it is killed.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let tally = Tally::default();
    let path = &arguments.listening.control;
    let control =
        UnixListener::bind(path).with_context(|| format!("listening at {}", path.display()))?;
    let listener = arguments.listening.tcp()?;
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| serve(&listener, &tally, arguments.reply));
        }
        tally.answer(&control);
    });
    Ok(())
}

fn serve(listener: &TcpListener, tally: &Tally, reply: bool) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        tally.count();
        if reply {
            // A client that is gone wants no byte.
            let _ = stream.write_all(b"!");
        }
    }
}
