//! The talker: a client that talks through one established connection.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::standing::{Standing, connect_within};
use crate::process::tell;

/// Bytes of a request and of its answer.
pub(super) const MESSAGE: usize = 64;
/// Bytes that are written at a time where throughput counts.
pub(super) const CHUNK: usize = 128 * 1024;
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What the talker is told.
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
    /// Send one way, as much as fits
    #[arg(long)]
    bulk: bool,
}

/// How much went through the connection in which time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Talk {
    /// Requests with their answers, or bytes that the server has read.
    amount: u64,
    seconds: f64,
}

impl Talk {
    /// The amount in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.amount as f64 / self.seconds
    }
}

/// Runs the talker and prints its [`Talk`] as JSON.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    arguments.standing.take()?;
    let stream = connect_within(arguments.target, LIMIT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let limit = Duration::from_millis(arguments.millis);
    let talk = if arguments.bulk {
        send(stream, limit)
    } else {
        ask(stream, limit)
    };
    tell(&talk?)
}

fn ask(mut stream: TcpStream, limit: Duration) -> Result<Talk> {
    let mut message = [7; MESSAGE];
    let mut amount = 0;
    let begun = Instant::now();
    while begun.elapsed() < limit {
        stream.write_all(&message).context("sending a request")?;
        stream
            .read_exact(&mut message)
            .context("waiting for an answer")?;
        amount += 1;
    }
    let seconds = begun.elapsed().as_secs_f64();
    Ok(Talk { amount, seconds })
}

/// Ends with the server's word, so that what is still in queues does not count.
fn send(mut stream: TcpStream, limit: Duration) -> Result<Talk> {
    let chunk = vec![7; CHUNK];
    let begun = Instant::now();
    while begun.elapsed() < limit {
        stream.write_all(&chunk).context("sending")?;
    }
    stream.shutdown(Shutdown::Write)?;
    let mut total = [0; 8];
    stream
        .read_exact(&mut total)
        .context("waiting for the server's count")?;
    let seconds = begun.elapsed().as_secs_f64();
    let amount = u64::from_le_bytes(total);
    Ok(Talk { amount, seconds })
}
