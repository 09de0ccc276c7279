//! How long tables take to reach the kernel: all at once, and one change.

use std::cell::RefCell;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use datapath::{Capacities, Datapath};
use vip::{ServiceTable, Settings};

use crate::figures::{Turns, median, short};
use crate::forward::{Forward, backend, key, middle, table};
use crate::peers::nft;
use crate::results::Measurement;
use crate::site::{Site, in_force};
use crate::way::NFTABLES;

/// Services of the large table, and backends of each.
const SERVICES: u32 = 10_000;
const EACH: u32 = 10;
/// Milliseconds in which all of them must be in the kernel.
const REACH: f64 = 1000.0;
/// How often they are loaded; nftables once, since that takes minutes.
const LOADS: usize = 3;
/// Changes at each size, whose median counts.
const CHANGES: usize = 40;
/// Sizes at which one backend changes, in services, and their names.
const SIZES: [(u32, &str); 3] = [
    (10, "10 services"),
    (1_000, "1000 services"),
    (SERVICES, "10000 services"),
];

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

/// Milliseconds to apply a table that differs in one backend from the one in force, by
/// the size of the table.
pub(crate) fn one_change() -> Result<Vec<Measurement>> {
    let sizes = SIZES.map(|(services, _)| Changing::new(services));
    let sizes = sizes.into_iter().map(|size| size.map(RefCell::new));
    let sizes: Vec<_> = sizes.collect::<Result<_>>()?;
    let go = |index: usize| {
        sizes
            .get(index)
            .context("no such size")?
            .borrow_mut()
            .change()
    };
    let turns = Turns::take(CHANGES, &SIZES.map(|(_, name)| name), go, |millis| *millis)?;
    let [(_, small), _, (_, large)] = SIZES;
    let measurement = Measurement::new("one-change", turns.median(large), "ms")
        .beside(turns.others(large), turns.ratio(large, small));
    Ok(vec![measurement])
}

/// A datapath with a table that changes to and fro.
struct Changing {
    datapath: Datapath,
    /// The table in force comes second.
    tables: [ServiceTable; 2],
    _site: std::rc::Rc<Site>,
}

impl Changing {
    fn new(services: u32) -> Result<Self> {
        let forwards = Forward::different(services, EACH);
        let before = table(&forwards, Settings::default())?;
        let mut after = before.clone();
        let service = after.services.get_mut(&key(middle(&forwards)?));
        let backends = &mut service.context("no such service")?.backends;
        let last = backends.last_mut().context("no backend")?;
        *last = backend(EACH as usize, "10.255.0.1:8080".parse()?)?;
        let site = Site::new("bench-change")?;
        let mut datapath = site.open(large())?;
        in_force(&datapath.apply(&before)?)?;
        Ok(Self {
            datapath,
            tables: [after, before],
            _site: site,
        })
    }

    fn change(&mut self) -> Result<f64> {
        self.tables.reverse();
        let [_, next] = &self.tables;
        let begun = Instant::now();
        let applied = self.datapath.apply(next)?;
        let millis = millis(begun);
        in_force(&applied)?;
        ensure!(
            applied.changed == 1,
            "{} services were changed",
            applied.changed
        );
        Ok(millis)
    }
}

/// Room for the large table twice.
fn large() -> Capacities {
    Capacities {
        slots: SERVICES * EACH * 2,
        backends: SERVICES * EACH * 2,
        ..Capacities::default()
    }
}

fn millis(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1000.0
}
