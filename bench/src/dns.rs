//! Names a second that one core answers, beside those who do nothing else.
//!
//! All three have the same ten thousand names in memory and know no upstream. Each has
//! the first core for itself while it has its go, and the client another, if there is one.

use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde::Deserialize;
use testlab::{Host, wait_for};

use crate::figures::{Turns, times};
use crate::lab::PATIENCE;
use crate::parts::asker::Asked;
use crate::process::{Running, output, report, settle, this_program};
use crate::results::Measurement;

/// Names that everybody has.
pub(crate) const NAMES: u32 = 10_000;
/// Turns whose medians count.
const TURNS: usize = 10;
/// Seconds of a go.
const SECONDS: usize = 2;
/// Queries a second at which latencies are taken: all of the three have time to spare.
const PACE: u32 = 5_000;
/// Contenders, ours first, and their ports.
const CONTENDERS: [(&str, u16); 3] = [("sealane", 5400), ("dnsmasq", 5401), ("unbound", 5402)];

/// What a server did in one go.
#[derive(Debug, Deserialize)]
struct Go {
    /// Queries for each second that it had a core.
    per_core: f64,
    /// Queries a second.
    rate: f64,
}

/// Queries for each second of a core, and how long answers take.
pub(crate) fn queries() -> Result<Vec<Measurement>> {
    let host = Host::new("bench-dns")?;
    let questions = host.directory().join("questions");
    fs::write(&questions, all(|name, _| format!("{name} A\n")))?;
    let servers = [sealane(&host)?, dnsmasq(&host)?, unbound(&host)?];
    for (name, port) in CONTENDERS {
        wait_for("the server to answer", PATIENCE, || {
            ask(&host, port, 1).ok()
        })
        .with_context(|| name.to_owned())?;
    }
    let names = CONTENDERS.map(|(name, _)| name);
    let [ours, dnsmasq, _] = names;
    let goes = Turns::take(
        TURNS,
        &names,
        |index| {
            settle(&servers.iter().collect::<Vec<_>>())?;
            flood(&host, &servers[index], CONTENDERS[index].1)
        },
        |go| go.per_core,
    )?;
    let (cores, rates) = (goes.figures(|go| go.per_core), goes.figures(|go| go.rate));
    let waits = Turns::take(
        TURNS,
        &names,
        |index| ask(&host, CONTENDERS[index].1, PACE).map(|asked| asked.p99),
        |micros| *micros,
    )?;
    let ratio = cores.ratio(ours, dnsmasq);
    let wait = waits.ratio(ours, dnsmasq);
    Ok(vec![
        Measurement::new("dns-queries", cores.median(ours), "1/core s")
            .beside(cores.others(ours), ratio)
            .must("more than dnsmasq", ratio > 1.0),
        Measurement::new("dns-queries/rate", rates.median(ours), "1/s")
            .beside(rates.others(ours), rates.ratio(ours, dnsmasq)),
        Measurement::new("dns-queries/p99", waits.median(ours), "us")
            .beside(waits.others(ours), wait),
    ])
}

/// As many questions as dnsperf can ask.
fn flood(host: &Host, server: &Running, port: u16) -> Result<Go> {
    let mut dnsperf = on_core(host, last_core(), "dnsperf");
    let questions = host.directory().join("questions");
    dnsperf
        .args([
            "-s",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-c",
            "16",
            "-q",
            "100",
        ])
        .args(["-l", &times(SECONDS).to_string(), "-d"])
        .arg(questions);
    let before = server.busy();
    let told = output(&mut dnsperf)?;
    let busy = server.busy().saturating_sub(before) as f64 / 1e9;
    let figure = |of: &str| {
        let line = told.lines().find_map(|line| line.trim().strip_prefix(of));
        let word = line.and_then(|line| line.split_whitespace().next());
        word.and_then(|word| word.parse::<f64>().ok())
            .with_context(|| format!("dnsperf does not tell '{of}': {told}"))
    };
    Ok(Go {
        per_core: figure("Queries completed:")? / busy,
        rate: figure("Queries per second:")?,
    })
}

/// Questions at a steady pace, by a client of ours: dnsperf does not tell percentiles.
fn ask(host: &Host, port: u16, pace: u32) -> Result<Asked> {
    let program = this_program()?;
    let mut asker = on_core(host, last_core(), &program.to_string_lossy());
    asker.args([
        "asker",
        "--port",
        &port.to_string(),
        "--pace",
        &pace.to_string(),
    ]);
    report(&mut asker)
}

fn sealane(host: &Host) -> Result<Running> {
    let program = this_program()?;
    let mut namer = on_core(host, 0, &program.to_string_lossy());
    namer.args(["namer", "--port", &CONTENDERS[0].1.to_string()]);
    Running::start(&mut namer)
}

/// Without its log and cache: names of a file are not cached anyway.
fn dnsmasq(host: &Host) -> Result<Running> {
    let hosts = host.directory().join("names.hosts");
    fs::write(&hosts, all(|name, address| format!("{address} {name}\n")))?;
    let mut dnsmasq = on_core(host, 0, "dnsmasq");
    dnsmasq
        .args([
            "--no-daemon",
            "--conf-file=/dev/null",
            "--user=root",
            "--no-hosts",
        ])
        .args([
            "--no-resolv",
            "--local-ttl=5",
            "--cache-size=0",
            "--bind-interfaces",
        ])
        .args([
            "--listen-address=127.0.0.1",
            "--port",
            &CONTENDERS[1].1.to_string(),
        ])
        .arg(format!("--addn-hosts={}", hosts.display()));
    Running::start(dnsmasq.stdout(Stdio::null()).stderr(Stdio::null()))
}

fn unbound(host: &Host) -> Result<Running> {
    let directory = host.directory().display();
    let port = CONTENDERS[2].1;
    let local = all(|name, address| format!("  local-data: \"{name}. 5 A {address}\"\n"));
    let config = format!(
        "server:\n  interface: 127.0.0.1@{port}\n  num-threads: 1\n  do-daemonize: no\n  \
         use-syslog: no\n  username: \"\"\n  chroot: \"\"\n  pidfile: \"\"\n  \
         directory: \"{directory}\"\n  access-control: 127.0.0.0/8 allow\n  \
         local-zone: \"{ZONE}.\" static\n{local}remote-control:\n  control-enable: no\n"
    );
    let path = host.directory().join("unbound.conf");
    fs::write(&path, config)?;
    let mut unbound = on_core(host, 0, "unbound");
    unbound.arg("-d").arg("-c").arg(&path);
    Running::start(unbound.stdout(Stdio::null()).stderr(Stdio::null()))
}

fn on_core(host: &Host, core: usize, program: &str) -> Command {
    let mut command = host.command("taskset");
    command.args(["--cpu-list", &core.to_string(), program]);
    command
}

fn last_core() -> usize {
    std::thread::available_parallelism().map_or(0, |cores| cores.get() - 1)
}

const ZONE: &str = "l4lb.thisdcos.directory";

/// Name and address of a number.
pub(crate) fn named(number: u32) -> (String, Ipv4Addr) {
    let address = Ipv4Addr::from_bits(0x0b00_0001 + number);
    (format!("service{number}.marathon.{ZONE}"), address)
}

/// A line for each name, in an order that no cache likes.
fn all(line: impl Fn(&str, Ipv4Addr) -> String) -> String {
    let mut text = String::new();
    for index in 0..NAMES {
        // Without a common divisor, so that each comes once.
        let (name, address) = named(index * 7_919 % NAMES);
        // Writing to a string does not fail.
        let _ = write!(text, "{}", line(&name, address));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_once() {
        let text = all(|name, address| format!("{name} {address}\n"));
        let lines: std::collections::BTreeSet<&str> = text.lines().collect();
        assert_eq!(lines.len(), NAMES as usize);
        assert!(lines.contains("service9999.marathon.l4lb.thisdcos.directory 11.0.39.16"));
    }
}
