//! Datagrams and their answers a second.

use anyhow::{Context, Result};

use crate::figures::{Turns, short};
use crate::parts::sender::Asked;
use crate::rate::REFLECTING;
use crate::results::Measurement;
use crate::site::{Half, Site};
use crate::way::{DIRECT, VIP, Way, names};

/// Turns whose medians count.
const TURNS: usize = 30;
/// How long a go lasts.
const MILLIS: u64 = 150;

/// Requests with their answers a second: from a connected socket, and from one that
/// names the VIP each time and checks who answered.
pub(crate) fn udp_rate() -> Result<Vec<Measurement>> {
    let site = Site::new("bench-udp")?;
    let ways = [
        Way::vip(&site, REFLECTING, 1)?,
        Way::direct(&site, Half::Plain, REFLECTING)?,
        Way::nftables(REFLECTING, 1)?,
    ];
    let kinds: [(&str, &[&str]); 2] = [("connected", &["--connected"]), ("unconnected", &[])];
    let mut measurements = Vec::new();
    for (kind, options) in kinds {
        eprintln!("  {kind}");
        let go = |index: usize| {
            let way = ways.get(index).context("no such way")?;
            way.go::<Asked>("sender", MILLIS, options)
        };
        let goes = Turns::take(TURNS, &names(&ways), go, Asked::rate)?;
        let rates = goes.figures(Asked::rate);
        for way in ways.iter().filter(|way| way.name != VIP) {
            eprintln!(
                "  {VIP} by {}: {}",
                way.name,
                short(rates.ratio(VIP, way.name))
            );
        }
        measurements.push(
            Measurement::new(format!("udp-rate/{kind}"), rates.median(VIP), "1/s")
                .beside(rates.others(VIP), rates.ratio(VIP, DIRECT)),
        );
    }
    Ok(measurements)
}
