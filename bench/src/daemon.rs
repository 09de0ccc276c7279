//! What the daemon takes of the host when nothing happens: memory, and of a core.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testlab::wait_for;

use crate::figures::median;
use crate::lab::{Lab, PATIENCE, With};
use crate::process::pass;
use crate::results::Measurement;

/// VIPs of each app, of which there is one instance.
const VIPS_EACH: usize = 10;
/// Megabytes that the daemon must stay below.
const MEGABYTES: f64 = 60.0;
/// Percent of a core that it must stay below.
const PERCENT: f64 = 1.0;
/// How often it is asked for a list of all VIPs before that: what it keeps of one
/// answer is a matter of luck, what it keeps of several is not.
const LISTS: usize = 10;
/// How long its memory is watched once all is done.
const WATCHED: Duration = Duration::from_secs(10);
/// How long its work is counted: two of the times at which it compares everything.
const COUNTED: Duration = Duration::from_secs(60);
/// Units of `/proc/PID/stat` in a second (`USER_HZ`, the same on all that Sealane runs on).
const TICKS: f64 = 100.0;

/// Resident memory with a hundred VIPs, beside that of dockerd.
pub(crate) fn hundred() -> Result<Vec<Measurement>> {
    let host = Busy::new("bench-daemon", 10)?;
    host.memory("daemon-memory")
}

/// The same with a thousand VIPs, and what it takes of a core then.
pub(crate) fn thousand() -> Result<Vec<Measurement>> {
    let host = Busy::new("bench-daemon", 100)?;
    let mut measurements = host.memory("daemon-memory-1000")?;
    measurements.push(host.work()?);
    Ok(measurements)
}

/// A host whose VIPs all have a backend, and no client.
struct Busy {
    lab: Lab,
    dockerd: u32,
    /// The daemon's memory before the first app, in megabytes.
    empty: f64,
    /// The same with all apps, before anybody asked for a list of all VIPs.
    unlisted: f64,
}

impl Busy {
    fn new(name: &str, apps: usize) -> Result<Self> {
        let lab = Lab::new(
            name,
            With {
                docker: true,
                containerd: true,
            },
        )?;
        let docker = lab.docker.as_ref().context("no Docker")?;
        let pid = docker.socket().with_file_name("pid");
        let dockerd =
            fs::read_to_string(&pid).with_context(|| format!("reading {}", pid.display()))?;
        let dockerd = dockerd.trim().parse().context("dockerd's pid")?;
        let empty = resident(lab.daemon())?;
        for app in 0..apps {
            if app % 10 == 0 {
                eprintln!("  app {} of {apps}", app + 1);
            }
            lab.deploy(&definition(app))?;
        }
        let unlisted = resident(lab.daemon())?;
        wait_for("all VIPs", PATIENCE, || {
            (count(&lab).ok()? == apps * VIPS_EACH).then_some(())
        })?;
        for _ in 1..LISTS {
            count(&lab)?;
        }
        Ok(Self {
            lab,
            dockerd,
            empty,
            unlisted,
        })
    }

    /// Those who run a daemon do ask it for lists, so that what it keeps of the answer
    /// is part of the figure.
    fn memory(&self, name: &str) -> Result<Vec<Measurement>> {
        let value = watch(self.lab.daemon())?;
        let docker = watch(self.dockerd)?;
        Ok(vec![
            Measurement::new(name, value, "MB")
                .beside([("dockerd", docker)], value / docker)
                .must(format!("below {MEGABYTES} MB"), value < MEGABYTES),
            Measurement::new(format!("{name}/unlisted"), self.unlisted, "MB"),
            Measurement::new(format!("{name}/empty"), self.empty, "MB"),
        ])
    }

    /// Of one core, in percent, both over the same time. A ratio would say nothing:
    /// the kernel counts in hundredths of a second, and dockerd takes few of them.
    fn work(&self) -> Result<Measurement> {
        let (daemon, dockerd) = (Work::begin(self.lab.daemon())?, Work::begin(self.dockerd)?);
        pass(COUNTED);
        let (value, dockerd) = (daemon.percent()?, dockerd.percent()?);
        Ok(Measurement::new("daemon-idle-cpu", value, "%")
            .with([("dockerd", dockerd)])
            .must(format!("below {PERCENT} % of a core"), value < PERCENT))
    }
}

fn definition(app: usize) -> Value {
    let port = |index| json!({"port": 0, "labels": {"VIP_0": format!("app{app}port{index}:80")}});
    json!({
        "id": format!("/app{app}"), "cpus": 0.01, "mem": 16, "cmd": "exec sleep 1000000",
        "portDefinitions": (0..VIPS_EACH).map(port).collect::<Vec<_>>(),
    })
}

/// How many services with a backend the datapath has.
fn count(lab: &Lab) -> Result<usize> {
    let vips: Value = serde_json::from_str(&lab.get("/v1/vips")?)?;
    let vips = vips["vips"].as_array().context("no list of VIPs")?;
    let served = |vip: &&Value| {
        vip["backends"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    };
    Ok(vips.iter().filter(served).count())
}

/// Median of a process's resident memory over a while, in megabytes.
fn watch(process: u32) -> Result<f64> {
    let mut values = vec![resident(process)?];
    let mut looked = Instant::now();
    let begun = looked;
    wait_for("the end of watching", WATCHED * 2, || {
        if looked.elapsed() >= WATCHED / 20 {
            looked = Instant::now();
            values.extend(resident(process));
        }
        (begun.elapsed() >= WATCHED).then_some(())
    })?;
    Ok(median(&values))
}

/// Resident memory of a process, in megabytes (proc(5), `VmRSS`, which is in KiB).
fn resident(process: u32) -> Result<f64> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    ensure!(kib.is_some(), "{path} has no VmRSS");
    Ok(kib.unwrap_or_default() * 1024.0 / 1e6)
}

/// What a process has of the cores from a moment on.
struct Work {
    process: u32,
    since: Instant,
    before: f64,
}

impl Work {
    fn begin(process: u32) -> Result<Self> {
        Ok(Self {
            process,
            since: Instant::now(),
            before: worked(process)?,
        })
    }

    fn percent(&self) -> Result<f64> {
        let seconds = worked(self.process)? - self.before;
        Ok(seconds / self.since.elapsed().as_secs_f64() * 100.0)
    }
}

/// Seconds that a process has had a core, with threads that have ended and with the
/// programs that it ran to their end.
fn worked(process: u32) -> Result<f64> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    ticks(&stat)
        .map(|ticks| ticks / TICKS)
        .with_context(|| format!("{path} has no times"))
}

/// User's and system's time together, its own and that of children it has waited for,
/// from a line of proc(5)'s `stat`.
fn ticks(stat: &str) -> Option<f64> {
    // The second field is the program's name, which may have blanks.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let mut next = || times.next()?.parse::<f64>().ok();
    Some(next()? + next()? + next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194560 11 0 0 0 250 75 3 4 20 0 7 0 99 8";
        assert_eq!(ticks(stat), Some(332.0));
        assert_eq!(ticks("42 (sleep) S 1"), None);
    }

    #[test]
    fn work_is_counted() {
        let work = Work::begin(std::process::id()).unwrap();
        let counted = wait_for("some work", Duration::from_secs(10), || {
            let done: u64 = (0..3_000_000_u64).map(std::hint::black_box).sum();
            (done > 0 && work.percent().unwrap() > 0.0).then_some(())
        });
        counted.unwrap();
    }
}
