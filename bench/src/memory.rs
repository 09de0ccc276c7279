//! What the daemon takes of the host's memory.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testlab::wait_for;

use crate::figures::median;
use crate::lab::{Lab, PATIENCE, With};
use crate::results::Measurement;

/// Apps, each with as many VIPs.
const APPS: usize = 10;
const VIPS_EACH: usize = 10;
/// Megabytes that the daemon must stay below.
const REACH: f64 = 60.0;
/// How long it is watched once all is done.
const WATCHED: Duration = Duration::from_secs(10);

/// Resident memory of the daemon with a hundred VIPs, beside that of dockerd.
pub(crate) fn daemon_memory() -> Result<Vec<Measurement>> {
    let lab = Lab::new(
        "bench-memory",
        With {
            docker: true,
            containerd: true,
        },
    )?;
    let docker = lab.docker.as_ref().context("no Docker")?;
    let pid = docker.socket().with_file_name("pid");
    let dockerd = fs::read_to_string(&pid).with_context(|| format!("reading {}", pid.display()))?;
    let dockerd = dockerd.trim().parse().context("dockerd's pid")?;
    let empty = resident(lab.daemon())?;
    for app in 0..APPS {
        eprintln!("  app {} of {APPS}", app + 1);
        lab.deploy(&definition(app))?;
    }
    wait_for("all VIPs", PATIENCE, || {
        (count(&lab).ok()? == APPS * VIPS_EACH).then_some(())
    })?;
    let value = watch(lab.daemon())?;
    let docker = watch(dockerd)?;
    Ok(vec![
        Measurement::new("daemon-memory", value, "MB")
            .beside([("dockerd", docker)], value / docker)
            .must(format!("below {REACH} MB"), value < REACH),
        Measurement::new("daemon-memory/empty", empty, "MB"),
    ])
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
