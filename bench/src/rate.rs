//! Connections a second, and what the programs take of a connection's time.

pub(crate) mod client;
mod cost;
mod ground;
pub(crate) mod server;

use anyhow::Result;

use crate::figures::{Turns, short};
use crate::results::Measurement;
use client::Slice;
pub(crate) use cost::program_time;
use ground::{Ground, Way};

/// Sealane's own way among the contenders.
const VIP: &str = Way::Vip.name();
/// Turns whose medians count.
const TURNS: usize = 60;
/// Share of direct connections' rate that must be reached.
const REACH: f64 = 0.97;

/// What a client does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Closes it at once.
    Connect,
    /// Waits for the server's first byte.
    Reply,
}

/// Calls of connect() a second.
pub(crate) fn connect_rate() -> Result<Vec<Measurement>> {
    rate("connect-rate", Kind::Connect)
}

/// Connections a second through which the server's first byte came.
pub(crate) fn reply_rate() -> Result<Vec<Measurement>> {
    rate("reply-rate", Kind::Reply)
}

fn rate(name: &str, kind: Kind) -> Result<Vec<Measurement>> {
    let ground = Ground::new(kind)?;
    let ways = Way::ALL.map(Way::name);
    let goes = Turns::take(
        TURNS,
        &ways,
        |index| ground.go(Way::ALL[index]),
        Slice::rate,
    )?;
    let rates = goes.figures(Slice::rate);
    let by = |way: Way| rates.ratio(VIP, way.name());
    let ratio = by(Way::Direct);
    let met = ratio >= REACH && by(Way::Rules) > 1.0 && by(Way::HaProxy) > 1.0;
    for way in [Way::Direct, Way::Attached, Way::Rules, Way::HaProxy] {
        eprintln!("  {VIP} by {}: {}", way.name(), short(by(way)));
    }
    let micros = goes.figures(Slice::micros);
    Ok(vec![
        Measurement::new(name, rates.median(VIP), "1/s")
            .beside(rates.others(VIP), ratio)
            .must(
                format!("{REACH} of direct, ahead of nftables and haproxy"),
                met,
            ),
        Measurement::new(format!("{name}/client"), micros.median(VIP), "us")
            .beside(micros.others(VIP), micros.ratio(VIP, Way::Direct.name())),
    ])
}
