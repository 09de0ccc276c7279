//! The asker: a DNS client that asks at a steady pace, whether answers come or not.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::dns::{NAMES, named};
use crate::figures::quantile;
use crate::process::tell;

/// Questions of a go; ids do not come twice.
const MOST: u32 = 10_000;
/// How long the last answer may take.
const LIMIT: Duration = Duration::from_secs(2);

/// What the asker is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Port of the server on loopback
    #[arg(long)]
    port: u16,
    /// Questions a second; they last a second in all, or are ten thousand
    #[arg(long)]
    pace: u32,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// Microseconds that 99 of 100 answers took at most.
    pub(crate) p99: f64,
}

/// Asks, and prints how long answers took.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, arguments.port))?;
    socket.set_read_timeout(Some(LIMIT))?;
    let count = arguments.pace.clamp(1, MOST);
    let sent: Vec<AtomicU64> = (0..count).map(|_| AtomicU64::new(0)).collect();
    let began = Instant::now();
    let micros = thread::scope(|scope| {
        let listening = scope.spawn(|| listen(&socket, &sent, began));
        let gap = Duration::from_secs(1) / arguments.pace.max(1);
        for id in 0..count {
            let due = gap * id;
            while began.elapsed() < due {
                std::hint::spin_loop();
                thread::yield_now();
            }
            sent[id as usize].store(nanos(began), Ordering::Release);
            socket.send(&question(id))?;
        }
        listening.join().ok().context("the listener failed")?
    })?;
    tell(&Asked {
        p99: quantile(&micros, 0.99),
    })
}

/// Microseconds of each answer.
fn listen(socket: &UdpSocket, sent: &[AtomicU64], began: Instant) -> Result<Vec<f64>> {
    let mut buffer = [0; 512];
    let mut micros = Vec::with_capacity(sent.len());
    while micros.len() < sent.len() {
        let length = socket.recv(&mut buffer).context("an answer is missing")?;
        let now = nanos(began);
        ensure!(
            length > 12 && buffer[3] & 0xf == 0 && buffer[7] == 1,
            "no answer"
        );
        let id = usize::from(u16::from_be_bytes([buffer[0], buffer[1]]));
        let at = sent.get(id).context("an answer to nothing")?;
        micros.push((now - at.load(Ordering::Acquire)) as f64 / 1e3);
    }
    Ok(micros)
}

fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn question(id: u32) -> Vec<u8> {
    let [.., high, low] = id.to_be_bytes();
    let mut packet = vec![high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let (name, _) = named(id * 7_919 % NAMES);
    for label in name.split('.') {
        packet.push(label.len() as u8);
        packet.extend(label.as_bytes());
    }
    packet.extend([0, 0, 1, 0, 1]);
    packet
}
