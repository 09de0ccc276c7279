//! Two hundred containers started and stopped: what is left of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::json;
use testlab::wait_for;

use crate::lab::{Lab, PATIENCE, With, server_program};
use crate::process::output;
use crate::results::Measurement;

/// Containers at a time.
const CONTAINERS: usize = 200;
/// The app that they are instances of.
const APP: &str = "/many";

/// Seconds to start and to stop them all, and what is left.
pub(crate) fn two_hundred() -> Result<Vec<Measurement>> {
    let lab = Lab::new(
        "bench-many",
        With {
            docker: false,
            containerd: true,
        },
    )?;
    let command = format!("exec {} 8000", server_program()?.display());
    let app = |instances: usize| {
        json!({
            "id": APP, "cpus": 0.01, "mem": 16, "instances": instances,
            "networks": [{"mode": "container", "name": "dcos"}], "cmd": command,
            "container": {"type": "MESOS", "portMappings": [
                {"containerPort": 8000, "hostPort": 0, "labels": {"VIP_0": "many:80"}}]},
        })
    };
    // What the first container makes for good is none of the others' leak.
    lab.deploy(&app(1))?;
    lab.delete(APP)?;
    let before = census(&lab)?;
    let begun = Instant::now();
    lab.deploy(&app(CONTAINERS))?;
    let started = begun.elapsed().as_secs_f64();
    let during = census(&lab)?;
    let leased = during.get("leases").copied().unwrap_or_default();
    ensure!(leased >= CONTAINERS, "only {leased} addresses are leased");
    let begun = Instant::now();
    lab.delete(APP)?;
    let stopped = begun.elapsed().as_secs_f64();
    let mut after = census(&lab)?;
    // The last DEL may be under way when the last task is reported gone.
    let settled = wait_for("everything to be gone", PATIENCE, || {
        after = census(&lab).ok()?;
        (after == before).then_some(())
    });
    let left: usize = after
        .iter()
        .map(|(what, count)| count.saturating_sub(before.get(what).copied().unwrap_or_default()))
        .sum();
    if settled.is_err() {
        eprintln!("  before: {before:?}\n  after: {after:?}");
    }
    Ok(vec![
        Measurement::new("two-hundred", left as f64, "left").must("nothing left", left == 0),
        Measurement::new("two-hundred/start", started, "s"),
        Measurement::new("two-hundred/stop", stopped, "s"),
    ])
}

/// What containers leave behind when they leave something behind, counted.
fn census(lab: &Lab) -> Result<BTreeMap<&'static str, usize>> {
    let lines = |words: &[&str]| -> Result<usize> {
        let mut command = lab.host.command(words[0]);
        Ok(output(command.args(&words[1..]))?.lines().count())
    };
    let state = lab.host.directory();
    Ok([
        ("links", lines(&["ip", "-o", "link"])?),
        ("addresses", lines(&["ip", "-o", "addr"])?),
        ("routes", lines(&["ip", "route", "show", "table", "all"])?),
        (
            "routes6",
            lines(&["ip", "-6", "route", "show", "table", "all"])?,
        ),
        ("rules", lines(&["nft", "list", "ruleset"])?),
        ("leases", files(&state.join("state"), "leases")?),
        ("namespaces", files(&state.join("state"), "netns")?),
        ("records", files(&state.join("state"), "attachments")?),
    ]
    .into())
}

/// How many files are below directories of that name.
fn files(root: &Path, name: &str) -> Result<usize> {
    fn walk(directory: &Path, inside: bool, name: &str) -> usize {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries
            .map(|entry| {
                let path = entry.path();
                if path.is_dir() {
                    walk(&path, inside || entry.file_name() == name, name)
                } else {
                    usize::from(inside)
                }
            })
            .sum()
    }
    Ok(walk(root, false, name))
}
