//! From what happens to an instance to the kernel's table, on one node with a real
//! daemon and a real engine.

mod engine;
mod watch;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testlab::wait_for;

use crate::figures::{quantile, times};
use crate::lab::{Lab, PATIENCE, With};
use crate::process::this_program;
use crate::results::Measurement;
use engine::Events;
use watch::{Shown, Watch};

/// Instances that die, one after the other.
const DEATHS: usize = 100;
/// Instances that fall ill and recover at the same time, and how often.
const PATIENTS: usize = 5;
const ROUNDS: usize = 20;
/// Milliseconds that 99 of 100 changes may take.
const REACH: f64 = 10.0;
/// The port of the VIPs.
const PORT: u16 = 80;

/// Milliseconds from an instance's end, or from the answer to a health check that
/// changes its standing, to the table that the kernel has.
pub(crate) fn change_propagation() -> Result<Vec<Measurement>> {
    let lab = Lab::new(
        "bench-change",
        With {
            docker: false,
            containerd: true,
        },
    )?;
    let (deaths, engine) = deaths(&lab)?;
    let mut rows = rows("dies", &deaths);
    let engine = quantile(&engine, 0.99);
    rows.push(Measurement::new(
        "change-propagation/dies/engine",
        engine,
        "ms",
    ));
    let (ill, well) = illnesses(&lab)?;
    rows.extend(self::rows("falls-ill", &ill));
    rows.extend(self::rows("recovers", &well));
    Ok(rows)
}

fn rows(name: &str, millis: &[f64]) -> Vec<Measurement> {
    let name = format!("change-propagation/{name}");
    let p99 = quantile(millis, 0.99);
    let p50 = Measurement::new(format!("{name}/p50"), quantile(millis, 0.5), "ms");
    let reach = format!("99 of 100 within {REACH} ms");
    vec![
        Measurement::new(name, p99, "ms").must(reach, p99 <= REACH),
        p50,
    ]
}

/// An app of gates on the host's network.
fn app(id: &str, instances: usize) -> Result<Value> {
    let program = this_program()?.display().to_string();
    Ok(json!({
        "id": id, "cpus": 0.01, "mem": 32, "instances": instances,
        "cmd": format!("exec {program} gate --port $PORT0"),
        // Those that end are wanted again at once.
        "backoffSeconds": 0, "backoffFactor": 1.0,
        "portDefinitions": [{"port": 0, "labels": {"VIP_0": format!("{id}:{PORT}")}}],
    }))
}

/// Instances die one after the other: how long the table took for each, and of that,
/// containerd's own word.
fn deaths(lab: &Lab) -> Result<(Vec<f64>, Vec<f64>)> {
    let events = Events::listen(lab)?;
    lab.deploy(&app("/dies", 1)?)?;
    let mut watch = Watch::new(lab, PORT)?;
    let (mut millis, mut moments) = (Vec::new(), Vec::new());
    for _ in 0..times(DEATHS) {
        let mut victim = None;
        watch.until("an instance", |shown| {
            victim = shown.iter().find(|it| it.ready).cloned();
            victim.is_some()
        })?;
        let victim = victim.context("no instance")?;
        let died: f64 = ask(lab, victim.address, "/die")?.parse()?;
        let gone = |shown: &[Shown]| shown.iter().all(|it| it.task != victim.task || !it.ready);
        let seen = watch.until("the end of an instance", gone)?;
        millis.push((seen - died) * 1000.0);
        moments.push(died);
    }
    let engine = events.ends_after(&moments)?;
    lab.delete("/dies")?;
    Ok((millis, engine))
}

/// All instances fall ill and recover, again and again: the times of both.
fn illnesses(lab: &Lab) -> Result<(Vec<f64>, Vec<f64>)> {
    let mut app = app("/ill", PATIENTS)?;
    app["healthChecks"] = json!([{
        "protocol": "HTTP", "path": "/", "portIndex": 0, "gracePeriodSeconds": 0,
        "delaySeconds": 0, "intervalSeconds": 1, "timeoutSeconds": 5,
        // Nobody is ended for being ill.
        "maxConsecutiveFailures": 0,
    }]);
    lab.deploy(&app)?;
    let mut watch = Watch::new(lab, PORT)?;
    let mut patients = Vec::new();
    watch.until("all instances", |shown| {
        patients = shown.to_vec();
        shown.len() == PATIENTS && shown.iter().all(|it| it.ready)
    })?;
    let (mut ill, mut well) = (Vec::new(), Vec::new());
    for _ in 0..times(ROUNDS) {
        ill.extend(turn(lab, &mut watch, &patients, false)?);
        well.extend(turn(lab, &mut watch, &patients, true)?);
    }
    lab.delete("/ill")?;
    Ok((ill, well))
}

/// Makes all patients ill or well, and yields how long the table took for each.
fn turn(lab: &Lab, watch: &mut Watch, patients: &[Shown], well: bool) -> Result<Vec<f64>> {
    for patient in patients {
        ask(lab, patient.address, if well { "/heal" } else { "/sicken" })?;
    }
    let mut waiting = patients.to_vec();
    let mut millis = Vec::new();
    while !waiting.is_empty() {
        let mut changed = Vec::new();
        let seen = watch.until("a change of health", |shown| {
            let ready = |task: &str| shown.iter().any(|it| it.task == task && it.ready);
            changed = waiting
                .extract_if(.., |it| ready(&it.task) == well)
                .collect();
            !changed.is_empty()
        })?;
        for patient in changed {
            let since = ask(lab, patient.address, "/since")?;
            let since: f64 = since
                .parse()
                .context("the table changed before the check did")?;
            millis.push((seen - since) * 1000.0);
        }
    }
    Ok(millis)
}

/// The body of a gate's answer. An instance without health checks counts as ready
/// before its server listens.
fn ask(lab: &Lab, gate: SocketAddr, path: &str) -> Result<String> {
    let mut stream = wait_for("a gate to listen", PATIENCE, || {
        watch::connect(lab, gate).ok()
    })?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: gate\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(
        answer.starts_with("HTTP/1.1 200"),
        "the gate answered {answer}"
    );
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    Ok(body.to_owned())
}
