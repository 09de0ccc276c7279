//! The worker: a server that takes its time and serves a few at a time, as services
//! with a pool of threads or of database connections do.

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::standing::Listening;

/// Connections that may wait for a slot; more than there are clients.
const QUEUE: usize = 4096;

/// What the worker is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    listening: Listening,
    /// How long it serves a connection
    #[arg(long)]
    millis: u64,
    /// How many it serves at a time
    #[arg(long)]
    slots: usize,
    /// The byte that it answers, which tells it from others
    #[arg(long)]
    number: u8,
}

/// Prints the address that it listens on and serves until it is killed.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let listener = arguments.listening.tcp()?;
    let (queue, waiting) = sync_channel(QUEUE);
    let waiting = Mutex::new(waiting);
    thread::scope(|scope| {
        for _ in 0..arguments.slots {
            scope.spawn(|| serve(&waiting, arguments));
        }
        for stream in listener.incoming().flatten() {
            queue.send(stream)?;
        }
        Ok(())
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the time that a service takes is what is played here"
)]
fn serve(waiting: &Mutex<Receiver<TcpStream>>, arguments: &Arguments) {
    let next = || {
        waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv()
    };
    while let Ok(mut stream) = next() {
        thread::sleep(Duration::from_millis(arguments.millis));
        // A client that is gone wants no answer.
        let _ = stream.write_all(&[arguments.number]);
    }
}
