//! The crowd: many clients at once, each of which asks again when it has an answer.

use std::io::Read;
use std::net::SocketAddrV4;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};

use super::standing::{Standing, connect_within};
use crate::figures::quantile;
use crate::process::tell;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(20);

/// What the crowd is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    standing: Standing,
    /// Where to connect to
    #[arg(long)]
    target: SocketAddrV4,
    /// How many clients
    #[arg(long)]
    clients: usize,
    /// For how long they ask before it counts
    #[arg(long)]
    warm: u64,
    /// For how long it counts
    #[arg(long)]
    millis: u64,
    /// The number of the server whose share is of interest
    #[arg(long)]
    slow: u8,
}

/// What the crowd saw; times are from connect() to the answer, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Answers that count.
    pub(crate) answers: usize,
    /// Answers a second.
    pub(crate) rate: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// The part of all answers that came from the slow server.
    pub(crate) slow: f64,
}

/// One answer: how long it took, in milliseconds, and who gave it.
type Answer = (f64, u8);

/// Runs the crowd and prints what it has [`Seen`] as JSON.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    arguments.standing.take()?;
    let counts = Instant::now() + Duration::from_millis(arguments.warm);
    let ends = counts + Duration::from_millis(arguments.millis);
    let answers = thread::scope(|scope| {
        let client = || client(arguments.target, counts, ends);
        let clients: Vec<_> = (0..arguments.clients)
            .map(|_| scope.spawn(client))
            .collect();
        let mut answers = Vec::new();
        for client in clients {
            let ended = client.join();
            answers.extend(ended.map_err(|_| anyhow!("a client panicked"))??);
        }
        anyhow::Ok(answers)
    })?;
    ensure!(!answers.is_empty(), "there was no answer");
    let times: Vec<_> = answers.iter().map(|(millis, _)| *millis).collect();
    let slow = answers.iter().filter(|(_, who)| *who == arguments.slow);
    tell(&Seen {
        answers: answers.len(),
        rate: answers.len() as f64 * 1000.0 / arguments.millis as f64,
        p50: quantile(&times, 0.5),
        p99: quantile(&times, 0.99),
        slow: slow.count() as f64 / answers.len() as f64,
    })
}

/// Asks until `ends`. What was asked before that is waited for, however long it
/// takes: leaving it out would hide the slowest.
fn client(target: SocketAddrV4, counts: Instant, ends: Instant) -> Result<Vec<Answer>> {
    let mut answers = Vec::new();
    loop {
        let begun = Instant::now();
        if begun >= ends {
            return Ok(answers);
        }
        let who = ask(target)?;
        if begun >= counts {
            answers.push((begun.elapsed().as_secs_f64() * 1000.0, who));
        }
    }
}

fn ask(target: SocketAddrV4) -> Result<u8> {
    let mut stream = connect_within(target, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut who = [0];
    stream
        .read_exact(&mut who)
        .context("waiting for an answer")?;
    let [who] = who;
    Ok(who)
}
