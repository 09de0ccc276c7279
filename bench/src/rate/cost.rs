//! What the programs take of a connection's time, by the kernel's own clock.

use anyhow::Result;

use super::Kind;
use super::ground::{Ground, Way};
use crate::figures::{Turns, short};
use crate::results::Measurement;

/// Turns whose medians count.
const TURNS: usize = 20;
/// Nanoseconds of a connection that all programs together may take.
const BUDGET: f64 = 1000.0;

/// A go: either all programs' time in a connection, or a direct connection's own.
struct Go {
    nanos: f64,
    hooks: Vec<Hook>,
}

/// One program's part in a connection.
struct Hook {
    name: &'static str,
    nanos: f64,
    runs: f64,
}

/// Time of all programs in a connection through a VIP, its client's and its server's
/// end together, and that of each program.
pub(crate) fn program_time() -> Result<Vec<Measurement>> {
    let ground = Ground::new(Kind::Connect)?;
    let go = |index| match index {
        0 => timed(&ground),
        _ => untimed(&ground),
    };
    let turns = Turns::take(TURNS, &["programs", "connection"], go, |go| go.nanos)?;
    let nanos = turns.figures(|go| go.nanos);
    let value = nanos.median("programs");
    let ratio = nanos.ratio("programs", "connection");
    let mut measurements = vec![
        Measurement::new("program-time", value, "ns")
            .beside(nanos.others("programs"), ratio)
            .must(format!("at most {BUDGET} ns a connection"), value <= BUDGET),
    ];
    for name in timed(&ground)?.hooks.iter().map(|hook| hook.name) {
        let of = |pick: fn(&Hook) -> f64| {
            let hook = |go: &Go| {
                go.hooks
                    .iter()
                    .find(|hook| hook.name == name)
                    .map_or(0.0, pick)
            };
            turns.figures(hook).median("programs")
        };
        let (nanos, runs) = (of(|hook| hook.nanos), of(|hook| hook.runs));
        // Those for datagrams have nothing to do here.
        if runs >= 0.5 {
            eprintln!("  {name} ran {} times a connection", short(runs));
            measurements.push(Measurement::new(
                format!("program-time/{name}"),
                nanos,
                "ns",
            ));
        }
    }
    Ok(measurements)
}

fn timed(ground: &Ground) -> Result<Go> {
    let (slice, times) = ground.timed_go()?;
    let each = |count: u64| count as f64 / slice.connections as f64;
    let hooks = times.iter().map(|time| Hook {
        name: time.hook,
        nanos: each(time.nanos),
        runs: each(time.runs),
    });
    Ok(Go {
        nanos: each(times.iter().map(|time| time.nanos).sum()),
        hooks: hooks.collect(),
    })
}

fn untimed(ground: &Ground) -> Result<Go> {
    let slice = ground.go(Way::Direct)?;
    Ok(Go {
        nanos: slice.micros() * 1000.0,
        hooks: Vec::new(),
    })
}
