//! The sender: a client that sends datagrams and waits for each one's answer.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::standing::{Standing, on_core};
use crate::process::tell;

/// Bytes of a request and of its answer.
const MESSAGE: usize = 64;
/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(5);

/// What the sender is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    standing: Standing,
    /// Where to send to
    #[arg(long)]
    target: SocketAddrV4,
    /// For how long
    #[arg(long)]
    millis: u64,
    /// Connect the socket, instead of naming the target each time
    #[arg(long)]
    connected: bool,
}

/// What the sender did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// Requests with their answers.
    pub(crate) requests: u64,
    seconds: f64,
    /// How long the sender had a core meanwhile; 0 where the kernel does not tell.
    on_core: f64,
}

impl Asked {
    /// Requests with their answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    /// Microseconds that the sender had a core for each.
    pub(crate) fn micros(&self) -> f64 {
        self.on_core * 1e6 / self.requests as f64
    }
}

/// Runs the sender and prints what it [`Asked`] as JSON.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    arguments.standing.take()?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(LIMIT))?;
    let target = SocketAddr::from(arguments.target);
    if arguments.connected {
        socket.connect(target).context("connect")?;
    }
    let once = || match arguments.connected {
        true => with_connected(&socket),
        false => with_named(&socket, target),
    };
    once()?;
    let limit = Duration::from_millis(arguments.millis);
    let before = on_core();
    let mut requests = 0;
    let begun = Instant::now();
    while begun.elapsed() < limit {
        once()?;
        requests += 1;
    }
    tell(&Asked {
        requests,
        seconds: begun.elapsed().as_secs_f64(),
        on_core: (on_core() - before).as_secs_f64(),
    })
}

fn with_connected(socket: &UdpSocket) -> Result<()> {
    socket.send(&[7; MESSAGE]).context("sending a request")?;
    socket
        .recv(&mut [0; MESSAGE])
        .context("waiting for an answer")?;
    Ok(())
}

fn with_named(socket: &UdpSocket, target: SocketAddr) -> Result<()> {
    socket
        .send_to(&[7; MESSAGE], target)
        .context("sending a request")?;
    let answer = socket.recv_from(&mut [0; MESSAGE]);
    let (_, from) = answer.context("waiting for an answer")?;
    // A resolver, for one, drops what seems to come from somebody else.
    ensure!(from == target, "asked {target}, and {from} answered");
    Ok(())
}
