//! How long a whole table takes to reach an empty kernel.

use std::time::Instant;

use anyhow::{Result, ensure};
use datapath::Capacities;
use vip::Settings;

use crate::figures::{median, short};
use crate::forward::{Forward, table};
use crate::peers::nft;
use crate::results::Measurement;
use crate::site::{Site, in_force};
use crate::way::NFTABLES;

/// Services of the large table, and backends of each.
pub(crate) const SERVICES: u32 = 10_000;
pub(crate) const EACH: u32 = 10;
/// Milliseconds in which all of them must be in the kernel.
const REACH: f64 = 1000.0;
/// How often they are loaded; nftables once, since that takes minutes.
const LOADS: usize = 3;

/// 10,000 services of ten backends into an empty datapath, in milliseconds.
pub(crate) fn cold_load() -> Result<Vec<Measurement>> {
    let forwards = Forward::different(SERVICES, EACH);
    let table = table(&forwards, Settings::default())?;
    let mut times = Vec::new();
    for load in 1..=LOADS {
        // A host of its own each time: what was there before would be compared.
        let site = Site::new("bench-load")?;
        let mut datapath = site.open(large())?;
        let begun = Instant::now();
        let applied = datapath.apply(&table)?;
        times.push(millis(begun));
        in_force(&applied)?;
        ensure!(
            applied.added == SERVICES as usize,
            "only {} were added",
            applied.added
        );
        eprintln!("  {load} of {LOADS}: {} ms", short(millis(begun)));
    }
    eprintln!("  now nftables, which may take minutes");
    let site = Site::new("bench-load-rules")?;
    let rules = nft::prepare(&site.host, &forwards)?;
    let begun = Instant::now();
    nft::apply(&site.host, &rules)?;
    let peer = millis(begun);
    let value = median(&times);
    let measurement = Measurement::new("cold-load", value, "ms")
        .beside([(NFTABLES, peer)], value / peer)
        .must(format!("at most {REACH} ms"), value <= REACH);
    Ok(vec![measurement])
}

/// Room for the large table twice.
pub(crate) fn large() -> Capacities {
    Capacities {
        slots: SERVICES * EACH * 2,
        backends: SERVICES * EACH * 2,
        ..Capacities::default()
    }
}

fn millis(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1000.0
}
