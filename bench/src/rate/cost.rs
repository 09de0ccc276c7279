//! What the programs take of a connection's time, by the kernel's own clock.

use anyhow::{Context, Result};
use datapath::ProgramTime;
use model::Protocol;
use serde::de::DeserializeOwned;

use super::clock::Clock;
use super::{ACCEPTING, MILLIS, Slice, accepted};
use crate::figures::{Turns, short};
use crate::parts::sender::Asked;
use crate::results::Measurement;
use crate::site::{Half, Site};
use crate::way::{Serving, Way};

/// Turns whose medians count.
const TURNS: usize = 20;
/// Nanoseconds of a connection that all programs together may take.
const BUDGET: f64 = 1000.0;

/// A server that sends datagrams back.
pub(crate) const REFLECTING: Serving = Serving {
    part: "reflector",
    options: &[],
    protocol: Protocol::Udp,
    one_core: true,
};

/// A go: either all programs' time in a connection, or a direct connection's own.
struct Go {
    nanos: f64,
    /// Of these, what an empty program would have taken in as many runs.
    clock: f64,
    hooks: Vec<Hook>,
}

/// One program's part in a connection.
struct Hook {
    name: &'static str,
    nanos: f64,
    runs: f64,
}

/// Time of all programs in a connection through a VIP, its client's and its server's
/// end together, and that of each program; and the same of a datagram and its answer.
pub(crate) fn program_time() -> Result<Vec<Measurement>> {
    let tcp = compared(ACCEPTING)?;
    let connection = |way: &Way| accepted(way);
    let (mut measurements, nanos) = timed("program-time", "connection", &tcp, connection)?;
    if let Some(all) = measurements.first_mut() {
        let reach = format!("at most {BUDGET} ns a connection");
        *all = all.clone().must(reach, nanos <= BUDGET);
    }
    let udp = compared(REFLECTING)?;
    let request = |way: &Way| way.go::<Asked>("sender", MILLIS, &[]);
    let (more, _) = timed("program-time-udp", "request", &udp, request)?;
    measurements.extend(more);
    Ok(measurements)
}

/// Something done many times, and the processor time that each took of its client.
trait Amount: DeserializeOwned {
    fn amount(&self) -> f64;
    fn micros(&self) -> f64;
}

impl Amount for Slice {
    fn amount(&self) -> f64 {
        self.connections()
    }

    fn micros(&self) -> f64 {
        self.micros()
    }
}

impl Amount for Asked {
    fn amount(&self) -> f64 {
        self.requests as f64
    }

    fn micros(&self) -> f64 {
        self.micros()
    }
}

/// Sealane's way and the direct one, and what an empty program takes.
struct Compared {
    vip: Way,
    direct: Way,
    clock: Clock,
}

fn compared(serving: Serving) -> Result<Compared> {
    let site = Site::new("bench-cost")?;
    Ok(Compared {
        vip: Way::vip(&site, serving, 1)?,
        direct: Way::direct(&site, Half::Plain, serving)?,
        clock: Clock::new(site.host.directory())?,
    })
}

/// Measures with and without a VIP; `what` is what the latter is of. Yields the rows
/// and the time of all programs.
fn timed<T: Amount>(
    name: &str,
    what: &'static str,
    Compared { vip, direct, clock }: &Compared,
    work: impl Fn(&Way) -> Result<T>,
) -> Result<(Vec<Measurement>, f64)> {
    let programs = || -> Result<Go> {
        let datapath = vip.datapath()?;
        let (done, times) = datapath.time_programs(|| work(vip))?;
        Ok(Go::of(&times, done?.amount(), clock.nanos()?))
    };
    let alone = || -> Result<Go> {
        Ok(Go {
            nanos: work(direct)?.micros() * 1000.0,
            clock: 0.0,
            hooks: Vec::new(),
        })
    };
    let go = |index| if index == 0 { programs() } else { alone() };
    let turns = Turns::take(TURNS, &["programs", what], go, |go| go.nanos)?;
    let nanos = turns.figures(|go| go.nanos);
    let value = nanos.median("programs");
    let ratio = nanos.ratio("programs", what);
    let all = Measurement::new(name, value, "ns").beside(nanos.others("programs"), ratio);
    let clock = turns.figures(|go| go.clock).median("programs");
    let clock = Measurement::new(format!("{name}/clock"), clock, "ns");
    let mut measurements = vec![all, clock];
    let first = turns.of("programs").first().context("no turn")?;
    for hook in first.hooks.iter().map(|hook| hook.name) {
        let of = |pick: fn(&Hook) -> f64| {
            let value = |go: &Go| go.hooks.iter().find(|it| it.name == hook).map_or(0.0, pick);
            turns.figures(value).median("programs")
        };
        let (nanos, runs) = (of(|hook| hook.nanos), of(|hook| hook.runs));
        // Others have nothing to do with it.
        if runs >= 0.5 {
            eprintln!("  {hook} ran {} times a {what}", short(runs));
            measurements.push(Measurement::new(format!("{name}/{hook}"), nanos, "ns"));
        }
    }
    Ok((measurements, value))
}

impl Go {
    /// Of all programs, when `amount` of something was done, and `empty` is what an
    /// empty one takes for a run.
    fn of(times: &[ProgramTime], amount: f64, empty: f64) -> Self {
        let hooks = times.iter().map(|time| Hook {
            name: time.hook,
            nanos: time.nanos as f64 / amount,
            runs: time.runs as f64 / amount,
        });
        let hooks: Vec<_> = hooks.collect();
        let runs: f64 = hooks.iter().map(|hook| hook.runs).sum();
        eprintln!(
            "  an empty program takes {} ns, and {} run",
            short(empty),
            short(runs)
        );
        Self {
            nanos: hooks.iter().map(|hook| hook.nanos).sum(),
            clock: runs * empty,
            hooks,
        }
    }
}
