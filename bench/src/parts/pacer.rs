//! The pacer: connects at a steady pace, whatever becomes of the connections before.

use std::io::Read;
use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::standing::{Standing, connect_within};
use crate::process::tell;

/// What the pacer is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    standing: Standing,
    /// Where to connect to
    #[arg(long)]
    target: SocketAddrV4,
    /// How many connects a second
    #[arg(long)]
    rate: f64,
    /// Threads that share the work; as many connects can be under way
    #[arg(long)]
    threads: usize,
    /// How long a connect may take before it counts as failed
    #[arg(long)]
    patience: u64,
    /// Wait for the server's first byte each time
    #[arg(long)]
    reply: bool,
}

/// What became of the connects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Paced {
    /// How many there were, and in how many seconds.
    pub(crate) connects: u64,
    pub(crate) seconds: f64,
    /// Those that failed, in the order in which they began.
    pub(crate) failures: Vec<Failed>,
}

/// A connect that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failed {
    /// Its place among all connects.
    pub(crate) number: u64,
    /// When it began, in seconds of the Unix epoch.
    pub(crate) at: f64,
    pub(crate) why: String,
}

struct Pace<'a> {
    arguments: &'a Arguments,
    begun: Instant,
    epoch: f64,
    next: AtomicU64,
    stop: AtomicBool,
    failures: Mutex<Vec<Failed>>,
}

/// Tells that it begins, goes on until its input ends, and prints what [`Paced`] was.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    arguments.standing.take()?;
    let pace = Pace {
        arguments,
        begun: Instant::now(),
        epoch: epoch_seconds()?,
        next: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        failures: Mutex::new(Vec::new()),
    };
    thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| pace.keep());
        }
        let told = tell(&"begun");
        // Whatever comes is the end, and so is nothing.
        let _ = std::io::stdin().read(&mut [0]);
        pace.stop.store(true, Ordering::Relaxed);
        told
    })?;
    let mut failures = pace
        .failures
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    failures.sort_by_key(|failed| failed.number);
    let connects = pace.next.load(Ordering::Relaxed);
    tell(&Paced {
        connects,
        seconds: pace.begun.elapsed().as_secs_f64(),
        failures,
    })
}

impl Pace<'_> {
    /// Takes the next connect when its time has come, until the end. One that is late
    /// is made at once, so that the pace holds.
    #[expect(clippy::disallowed_methods, reason = "the pace is what this is for")]
    fn keep(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let due = Duration::from_secs_f64(number as f64 / self.arguments.rate);
            if let Some(early) = due.checked_sub(self.begun.elapsed()) {
                thread::sleep(early);
            }
            let at = self.epoch + self.begun.elapsed().as_secs_f64();
            if let Err(error) = self.connect() {
                let why = format!("{error:#}");
                let failed = Failed { number, at, why };
                let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
                failures.push(failed);
            }
        }
    }

    fn connect(&self) -> Result<()> {
        let begun = Instant::now();
        let patience = Duration::from_millis(self.arguments.patience);
        let mut stream = connect_within(self.arguments.target, patience)?;
        if self.arguments.reply {
            let left = patience.saturating_sub(begun.elapsed());
            stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            stream
                .read_exact(&mut [0])
                .context("waiting for the first byte")?;
        }
        Ok(())
    }
}

/// Seconds of the Unix epoch, which all processes of the machine agree on.
pub(crate) fn epoch_seconds() -> Result<f64> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Ok(since.context("the clock is before 1970")?.as_secs_f64())
}
