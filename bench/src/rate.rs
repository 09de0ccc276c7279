//! Connections a second, and what the programs take of a connection's time.

pub(crate) mod clock;
mod cost;

use anyhow::{Context, Result};
use model::Protocol;

use crate::figures::{Turns, short};
use crate::parts::connector::Slice;
use crate::results::Measurement;
use crate::site::{Half, Site};
use crate::way::{DIRECT, HAPROXY, NFTABLES, Serving, VIP, Way, names};
pub(crate) use cost::{REFLECTING, program_time};

/// Share of direct connections' rate that must be reached.
const REACH: f64 = 0.97;
/// How long a go lasts.
const MILLIS: u64 = 150;
/// Services of the large size, and what iptables gets of them: its list is walked from
/// the top, and loading and walking 10,000 is nobody's choice.
const MANY: u32 = 10_000;
const MANY_RULES: u32 = 1_000;

/// A server that counts what it accepts and closes it.
const ACCEPTING: Serving = Serving {
    part: "acceptor",
    options: &[],
    protocol: Protocol::Tcp,
    one_core: false,
};
/// The same with a byte before the end.
const REPLYING: Serving = Serving {
    options: &["--reply"],
    ..ACCEPTING
};

/// Connections a second, until the server has accepted them.
pub(crate) fn connect_rate() -> Result<Vec<Measurement>> {
    let ways = five(ACCEPTING)?;
    let met = |rates: &Turns| {
        let by = |peer| rates.ratio(VIP, peer);
        by(DIRECT) >= REACH && by(NFTABLES) > 1.0 && by(HAPROXY) > 1.0
    };
    let reach = format!("{REACH} of direct, ahead of nftables and haproxy");
    compare("connect-rate", 180, &ways, accepted, Some((reach, &met)))
}

/// Connections a second through which the server's first byte came.
pub(crate) fn reply_rate() -> Result<Vec<Measurement>> {
    compare("reply-rate", 40, &five(REPLYING)?, answered, None)
}

/// The first again, among many services.
pub(crate) fn connect_rate_many() -> Result<Vec<Measurement>> {
    let site = Site::new("bench-rate")?;
    let ways = [
        Way::vip(&site, ACCEPTING, MANY)?,
        Way::direct(&site, Half::Plain, ACCEPTING)?,
        Way::haproxy(&site, ACCEPTING, MANY)?,
        Way::iptables("iptables-1", ACCEPTING, 1)?,
        Way::iptables("iptables-1000", ACCEPTING, MANY_RULES)?,
        Way::nftables(ACCEPTING, MANY)?,
    ];
    let met = |rates: &Turns| rates.ratio(VIP, NFTABLES) > 1.0 && rates.ratio(VIP, HAPROXY) > 1.0;
    let reach = "ahead of nftables and haproxy".to_owned();
    compare(
        "connect-rate-10000",
        30,
        &ways,
        accepted,
        Some((reach, &met)),
    )
}

/// The ways of the small size.
fn five(serving: Serving) -> Result<[Way; 5]> {
    let site = Site::new("bench-rate")?;
    Ok([
        Way::vip(&site, serving, 1)?,
        Way::direct(&site, Half::Plain, serving)?,
        Way::direct(&site, Half::Attached, serving)?,
        Way::nftables(serving, 1)?,
        Way::haproxy(&site, serving, 1)?,
    ])
}

fn accepted(way: &Way) -> Result<Slice> {
    let control = way.server.control.display().to_string();
    let slice: Slice = way.go("connector", MILLIS, &["--control", &control])?;
    slice.check()
}

fn answered(way: &Way) -> Result<Slice> {
    way.go::<Slice>("connector", MILLIS, &[])?.check()
}

/// What must be reached, in words and as a condition.
type Reach<'r> = (String, &'r dyn Fn(&Turns) -> bool);

fn compare(
    name: &str,
    turns: usize,
    ways: &[Way],
    go: impl Fn(&Way) -> Result<Slice>,
    reach: Option<Reach<'_>>,
) -> Result<Vec<Measurement>> {
    let one = |index: usize| go(ways.get(index).context("no such way")?);
    let goes = Turns::take(turns, &names(ways), one, Slice::rate)?;
    let rates = goes.figures(Slice::rate);
    for way in ways.iter().filter(|way| way.name != VIP) {
        eprintln!(
            "  {VIP} by {}: {}",
            way.name,
            short(rates.ratio(VIP, way.name))
        );
    }
    let mut measurement = Measurement::new(name, rates.median(VIP), "1/s")
        .beside(rates.others(VIP), rates.ratio(VIP, DIRECT));
    if let Some((words, met)) = reach {
        measurement = measurement.must(words, met(&rates));
    }
    let micros = goes.figures(Slice::micros);
    let client = Measurement::new(format!("{name}/client"), micros.median(VIP), "us")
        .beside(micros.others(VIP), micros.ratio(VIP, DIRECT));
    Ok(vec![measurement, client])
}
