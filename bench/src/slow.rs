//! One backend of ten is ten times slower: what the slowest answers take.

use std::net::SocketAddrV4;
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context, Result};
use model::Protocol;
use vip::{Policy, Settings};

use crate::figures::{Turns, short};
use crate::forward::{Forward, key, table};
use crate::parts::crowd::Seen;
use crate::peers::haproxy::{self, HaProxy, Listen};
use crate::peers::nft;
use crate::process::report;
use crate::results::Measurement;
use crate::site::{Half, Server, Site};
use crate::way::{HAPROXY, NFTABLES, VIP};

/// Turns whose medians count.
const TURNS: usize = 5;
/// How long a backend takes for an answer, and how long the slow one does.
const FAST: &str = "10";
const SLOW: &str = "100";
/// Answers that a backend works on at a time; others wait for it.
const SLOTS: &str = "4";
/// Backends; the last one is slow.
const BACKENDS: u8 = 10;
/// Clients, each of which waits for its answer before it asks again. All backends
/// together work on 40 at a time, so that nine fast ones would be well used by them.
const CLIENTS: &str = "40";
/// Milliseconds in which queues get as long as they get, and in which it counts.
const WARM: &str = "500";
const COUNTED: &str = "1500";
/// How many times as long all others must take.
const REACH: f64 = 3.0;

/// Sealane's own choice without load.
const RANDOM: &str = "random";
/// HAProxy's.
const HAPROXY_RANDOM: &str = "haproxy-random";

/// Who chooses among ten backends.
struct Chooser {
    name: &'static str,
    target: SocketAddrV4,
    half: Half,
    site: Rc<Site>,
}

/// The 99th percentile of the time to an answer, in milliseconds, by who chooses.
pub(crate) fn slow_backend() -> Result<Vec<Measurement>> {
    let site = Site::new("bench-slow")?;
    let (backends, to) = workers(&site, Half::Attached)?;
    let services = Forward::alike(2, Protocol::Tcp, &to);
    let [loaded, random] = services.as_slice() else {
        anyhow::bail!("there are not two services");
    };
    let datapath = site.datapath(&two_policies(loaded, random)?)?;
    let proxy = HaProxy::start(&site.host, &sections(loaded, random), None)?;
    let tracked = Site::new("bench-slow-rules")?;
    let (others, to) = workers(&tracked, Half::Plain)?;
    nft::load(&tracked.host, &[Forward::new(0, Protocol::Tcp, &to)])?;

    let chooser = |name, target, half, site: &Rc<Site>| Chooser {
        name,
        target,
        half,
        site: Rc::clone(site),
    };
    let listens = |forward| haproxy::address(forward);
    let choosers = [
        chooser(VIP, loaded.from, Half::Attached, &site),
        chooser(RANDOM, random.from, Half::Attached, &site),
        chooser(HAPROXY, listens(loaded), Half::Plain, &site),
        chooser(HAPROXY_RANDOM, listens(random), Half::Plain, &site),
        chooser(NFTABLES, loaded.from, Half::Plain, &tracked),
    ];
    let measurements = compare(&choosers);
    drop((proxy, datapath, backends, others));
    measurements
}

fn compare(choosers: &[Chooser]) -> Result<Vec<Measurement>> {
    let names: Vec<_> = choosers.iter().map(|chooser| chooser.name).collect();
    let go = |index: usize| choosers.get(index).context("no such chooser")?.go();
    let goes: Turns<Seen> = Turns::take(TURNS, &names, go, |seen| seen.p99)?;
    let p99 = goes.figures(|seen| seen.p99);
    let slow = goes.figures(|seen| seen.slow);
    for name in &names {
        eprintln!(
            "  {name}: {} of the answers are slow ones",
            short(slow.median(name))
        );
    }
    let better = |peer: &&str| p99.ratio(VIP, peer) * REACH <= 1.0;
    let met = names.iter().filter(|name| **name != VIP).all(better);
    let measurement = Measurement::new("slow-backend", p99.median(VIP), "ms")
        .beside(p99.others(VIP), p99.ratio(VIP, RANDOM))
        .must(format!("at most 1/{REACH} of all others"), met);
    let row = |name, figure: fn(&Seen) -> f64, unit| {
        let turns = goes.figures(figure);
        Measurement::new(format!("slow-backend/{name}"), turns.median(VIP), unit)
            .beside(turns.others(VIP), turns.ratio(VIP, RANDOM))
    };
    Ok(vec![
        measurement,
        row("p50", |seen| seen.p50, "ms"),
        row("answers", |seen| seen.rate, "1/s"),
    ])
}

impl Chooser {
    fn go(&self) -> Result<Seen> {
        let mut command: Command = self.site.part("crowd", self.half)?;
        let target = self.target.to_string();
        command.args(["--target", &target, "--clients", CLIENTS, "--warm", WARM]);
        let slow = (BACKENDS - 1).to_string();
        report(command.args(["--millis", COUNTED, "--slow", &slow]))
    }
}

/// Ten backends, of which the last one is slow, and their addresses.
fn workers(site: &Rc<Site>, half: Half) -> Result<(Vec<Rc<Server>>, Vec<SocketAddrV4>)> {
    let worker = |number: u8| {
        let millis = if number + 1 == BACKENDS { SLOW } else { FAST };
        let number = number.to_string();
        let options = ["--millis", millis, "--slots", SLOTS, "--number", &number];
        site.serve("worker", half, &options)
    };
    let workers: Vec<_> = (0..BACKENDS).map(worker).collect::<Result<_>>()?;
    let addresses = workers.iter().map(|worker| worker.address).collect();
    Ok((workers, addresses))
}

/// One service by load, the other by chance.
fn two_policies(loaded: &Forward, random: &Forward) -> Result<vip::ServiceTable> {
    let mut table = table([loaded, random], Settings::default())?;
    let service = table.services.get_mut(&key(random));
    service.context("no such service")?.settings.policy = Policy::Random;
    Ok(table)
}

fn sections<'f>(loaded: &'f Forward, random: &'f Forward) -> [Listen<'f>; 2] {
    let listen = |forward, section| Listen {
        forward,
        section,
        server: "",
    };
    [
        listen(loaded, "balance roundrobin"),
        listen(random, "balance random(1)"),
    ]
}
