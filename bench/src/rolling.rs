//! Connects that fail while everything under them is replaced: each backend, the
//! process that holds the datapath, the programs and maps themselves.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use datapath::Capacities;
use model::Protocol;
use vip::{Backend, BackendState, ServiceTable, Settings};

use crate::forward::{Forward, backend, key, table};
use crate::parts::holder::{self, Done, Order, Programs};
use crate::parts::pacer::{Paced, epoch_seconds};
use crate::process::{Dialogue, pass};
use crate::results::Measurement;
use crate::site::{Half, Server, Site};

/// Connects a second.
const RATE: u32 = 10_000;
/// Threads that share them, so that one that waits for a core stops nobody.
const THREADS: &str = "8";
/// Milliseconds after which a connect has failed.
const PATIENCE: &str = "1000";
/// Backends of the service; all are replaced, one after the other.
const BACKENDS: usize = 10;
/// How long a backend that takes no new connection goes on serving.
const DRAINED: Duration = Duration::from_millis(200);
/// Between two things that happen.
const STEP: Duration = Duration::from_millis(500);
/// How often the holder is killed.
const KILLS: usize = 5;
/// What follows the programs that run at first: two releases with other programs over
/// the same maps, then one with another layout, and the way back.
const RELEASES: [Programs; 5] = [
    Programs::Other,
    Programs::This,
    Programs::NextLayout,
    Programs::Other,
    Programs::This,
];

/// Failed connects in all and by what happened.
pub(crate) fn rolling_update() -> Result<Vec<Measurement>> {
    let site = Site::new("bench-rolling")?;
    let mut rolling = Rolling::new(&site)?;
    let mut command = site.part("pacer", Half::Attached)?;
    let (target, rate) = (rolling.service.from.to_string(), RATE.to_string());
    command.args(["--target", &target, "--rate", &rate, "--threads", THREADS]);
    let mut pacer = Dialogue::start(command.args(["--patience", PATIENCE]))?;
    let _begun: String = pacer.hear()?;
    pass(STEP);

    let mut phases = Vec::new();
    for (name, happen) in Rolling::PHASES {
        eprintln!("  {name}");
        phases.push((name, epoch_seconds()?));
        happen(&mut rolling)?;
    }
    pass(STEP);
    pacer.hang_up();
    let paced: Paced = pacer.hear()?;
    if let Some(failed) = paced.failures.first() {
        eprintln!("  the first that failed: {}", failed.why);
    }
    let count = paced.failures.len() as f64;
    let mut measurements = vec![
        Measurement::new("rolling-update", count, "connects")
            .must("no failed connect", paced.failures.is_empty()),
        Measurement::new(
            "rolling-update/rate",
            paced.connects as f64 / paced.seconds,
            "1/s",
        ),
    ];
    let ends = phases
        .iter()
        .skip(1)
        .map(|(_, at)| *at)
        .chain([f64::INFINITY]);
    for ((name, begun), ended) in phases.iter().zip(ends) {
        let during = |at: f64| (*begun..ended).contains(&at);
        let count = paced
            .failures
            .iter()
            .filter(|failed| during(failed.at))
            .count();
        let name = format!("rolling-update/{name}");
        measurements.push(Measurement::new(name, count as f64, "connects"));
    }
    Ok(measurements)
}

/// A service under way.
struct Rolling<'s> {
    site: &'s Rc<Site>,
    service: Forward,
    /// The oldest first, as the table has them.
    servers: Vec<(Rc<Server>, Backend)>,
    /// How many backends there have been.
    made: usize,
    programs: Programs,
    holder: Dialogue,
}

/// Something that happens to it.
type Happening<'s> = fn(&mut Rolling<'s>) -> Result<()>;

impl<'s> Rolling<'s> {
    const PHASES: [(&'static str, Happening<'s>); 3] = [
        ("backends", Self::replace_backends),
        ("kill", Self::kill_holder),
        ("programs", Self::replace_programs),
    ];

    fn new(site: &'s Rc<Site>) -> Result<Self> {
        let programs = Programs::This;
        let mut rolling = Self {
            site,
            service: Forward::new(0, Protocol::Tcp, &[]),
            servers: Vec::new(),
            made: 0,
            programs,
            holder: hold(site, programs)?,
        };
        for _ in 0..BACKENDS {
            rolling.add()?;
        }
        rolling.apply(&[])?;
        Ok(rolling)
    }

    /// Starts one more backend.
    fn add(&mut self) -> Result<()> {
        let server = self.site.serve("acceptor", Half::Attached, &[])?;
        let backend = backend(self.made, server.address)?;
        self.made += 1;
        self.servers.push((server, backend));
        Ok(())
    }

    /// Applies the table of all backends, of which those with these places drain.
    fn apply(&mut self, draining: &[usize]) -> Result<()> {
        let table = self.table(draining)?;
        self.holder.say(&Order::Apply(table))?;
        let _done: Done = self.holder.hear()?;
        Ok(())
    }

    fn table(&self, draining: &[usize]) -> Result<ServiceTable> {
        let mut table = table([&self.service], Settings::default())?;
        let service = table.services.get_mut(&key(&self.service));
        let backends = &mut service.context("no such service")?.backends;
        for (place, (_, backend)) in self.servers.iter().enumerate() {
            let state = match draining.contains(&place) {
                true => BackendState::Draining,
                false => BackendState::Ready,
            };
            let backend = backend.clone();
            backends.push(Backend { state, ..backend });
        }
        Ok(table)
    }

    /// Ten times: a new backend comes, the oldest one drains, leaves and ends.
    fn replace_backends(&mut self) -> Result<()> {
        for _ in 0..BACKENDS {
            self.add()?;
            self.apply(&[])?;
            self.apply(&[0])?;
            pass(DRAINED);
            let oldest = self.servers.remove(0);
            self.apply(&[])?;
            pass(DRAINED);
            drop(oldest);
        }
        Ok(())
    }

    /// The process that holds the datapath is killed and comes back.
    fn kill_holder(&mut self) -> Result<()> {
        for _ in 0..KILLS {
            self.reopen()?;
        }
        Ok(())
    }

    /// The same, but what comes back is another release each time.
    fn replace_programs(&mut self) -> Result<()> {
        for programs in RELEASES {
            self.programs = programs;
            self.reopen()?;
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<()> {
        self.holder.kill();
        pass(STEP / 2);
        self.holder = hold(self.site, self.programs)?;
        pass(STEP / 2);
        self.apply(&[])?;
        pass(STEP);
        Ok(())
    }
}

/// Starts the process that holds the datapath.
fn hold(site: &Site, programs: Programs) -> Result<Dialogue> {
    let mut command = site.part("holder", Half::Plain)?;
    let options = site.options(Capacities::default())?;
    let words = holder::Arguments::words(&options, programs);
    let mut holder = Dialogue::start(command.args(words))?;
    let _open: Done = holder.hear()?;
    Ok(holder)
}
