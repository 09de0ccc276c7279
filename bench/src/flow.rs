//! What goes through an established connection, where nothing of Sealane runs.

use anyhow::{Context, Result};
use model::Protocol;

use crate::figures::{Turns, short};
use crate::parts::talker::Talk;
use crate::results::Measurement;
use crate::site::{Half, Site};
use crate::way::{DIRECT, Serving, VIP, Way, names};

/// Turns whose medians count.
const TURNS: usize = 30;
/// How long a go lasts.
const MILLIS: u64 = 200;
/// Share of a direct connection's rate that must be reached.
const REACH: f64 = 0.99;

/// A server that sends every message back.
const ECHOING: Serving = Serving {
    part: "echo",
    options: &[],
    protocol: Protocol::Tcp,
    one_core: true,
};
/// A server that reads and counts.
const SWALLOWING: Serving = Serving {
    options: &["--sink"],
    one_core: false,
    ..ECHOING
};

/// Requests with their answers a second, one after the other.
pub(crate) fn request_rate() -> Result<Vec<Measurement>> {
    compare("request-rate", ECHOING, &[], "1/s", 1.0)
}

/// Megabytes a second, one way.
pub(crate) fn bulk() -> Result<Vec<Measurement>> {
    compare("bulk", SWALLOWING, &["--bulk"], "MB/s", 1e6)
}

fn compare(
    name: &str,
    serving: Serving,
    options: &[&str],
    unit: &'static str,
    divisor: f64,
) -> Result<Vec<Measurement>> {
    let site = Site::new("bench-flow")?;
    let ways = [
        Way::vip(&site, serving, 1)?,
        Way::direct(&site, Half::Plain, serving)?,
        Way::nftables(serving, 1)?,
        Way::haproxy(&site, serving, 1)?,
    ];
    let go = |index: usize| {
        let way = ways.get(index).context("no such way")?;
        Ok(way.go::<Talk>("talker", MILLIS, options)?.rate() / divisor)
    };
    let rates = Turns::take(TURNS, &names(&ways), go, |rate| *rate)?;
    for way in ways.iter().filter(|way| way.name != VIP) {
        eprintln!(
            "  {VIP} by {}: {}",
            way.name,
            short(rates.ratio(VIP, way.name))
        );
    }
    let ratio = rates.ratio(VIP, DIRECT);
    let measurement = Measurement::new(name, rates.median(VIP), unit)
        .beside(rates.others(VIP), ratio)
        .must(format!("{REACH} of direct"), ratio >= REACH);
    Ok(vec![measurement])
}
