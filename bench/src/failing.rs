//! A backend dies, or its host vanishes, and nobody tells: how many connects fail
//! before it is avoided.

use std::net::SocketAddrV4;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use model::Protocol;
use testlab::Lan;
use vip::Settings;

use crate::figures::times;
use crate::forward::{Forward, table};
use crate::parts::pacer::{Paced, epoch_seconds};
use crate::peers::haproxy::{self, HaProxy, Listen};
use crate::peers::nft;
use crate::process::{Dialogue, output, pass};
use crate::results::Measurement;
use crate::site::{Half, Server, Site};
use crate::way::{HAPROXY, NFTABLES, VIP};

/// How often each fault is made; the worst counts.
const TIMES: usize = 3;
/// Backends, each on a host of its own.
const BACKENDS: usize = 5;
/// Connects a second, of each contender.
const RATE: u32 = 100;
/// Connects that may hang at a time. More than there are in the second that one may
/// take, so that the pace holds while a fifth of them hangs.
const THREADS: &str = "64";
/// Milliseconds after which a connect has failed.
const PATIENCE: &str = "1000";
/// Before the fault, and after it.
const BEFORE: Duration = Duration::from_secs(1);
const AFTER: Duration = Duration::from_secs(6);
/// So many connects in a row that succeed show that the backend is avoided: by chance,
/// four of five being well, that happens once in 10^9 times.
const IN_A_ROW: u64 = 100;
/// Failed connects that are allowed.
const REACH: f64 = 3.0;

/// HAProxy with health checks and with an eye on what connects do.
const HAPROXY_CHECK: &str = "haproxy-check";
const CONTENDERS: [&str; 4] = [VIP, HAPROXY, HAPROXY_CHECK, NFTABLES];

/// What befalls a backend.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Its process dies, so that its host refuses connects.
    Dies,
    /// Its host is off the net, so that nobody answers.
    Vanishes,
}

/// Failed connects of one contender.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Count {
    /// Before it avoids the backend, or all if it never does.
    first: f64,
    /// Afterwards, when it tries the backend again.
    later: f64,
}

/// Failed connects by fault: the worst of several times.
pub(crate) fn failed_connects() -> Result<Vec<Measurement>> {
    let mut measurements = Vec::new();
    for (fault, name) in [(Fault::Dies, "dies"), (Fault::Vanishes, "vanishes")] {
        let mut worst = [Count::default(); CONTENDERS.len()];
        for time in 1..=times(TIMES) {
            let counts = once(fault)?;
            eprintln!("  {name}, time {time}: {counts:?}");
            for (worst, count) in worst.iter_mut().zip(counts) {
                worst.first = worst.first.max(count.first);
                worst.later = worst.later.max(count.later);
            }
        }
        let [vip, peers @ ..] = worst;
        let row = |name: String, value: f64, pick: fn(&Count) -> f64| {
            let others = CONTENDERS
                .iter()
                .skip(1)
                .copied()
                .zip(peers.iter().map(pick));
            Measurement::new(name, value, "connects").with(others)
        };
        let name = format!("failed-connects/{name}");
        let later = row(format!("{name}/later"), vip.later, |count| count.later);
        let first = row(name, vip.first, |count| count.first);
        measurements.push(first.must(format!("at most {REACH}"), vip.first <= REACH));
        measurements.push(later);
    }
    Ok(measurements)
}

/// All contenders on one host, at the same time, before the same five backends.
fn once(fault: Fault) -> Result<[Count; CONTENDERS.len()]> {
    let lan = Lan::new()?;
    let site = Site::on(&lan, "bench-fail")?;
    let mut backends = Vec::new();
    for number in 0..BACKENDS {
        let host = Site::on(&lan, &format!("bench-backend-{number}"))?;
        let server = host.serve("acceptor", Half::Plain, &["--reply"])?;
        backends.push((server, host));
    }
    let to: Vec<_> = backends.iter().map(|(server, _)| server.address).collect();
    let services = Forward::alike(4, Protocol::Tcp, &to);
    let [vip, plain, checked, tracked] = services.as_slice() else {
        anyhow::bail!("there are not four services");
    };
    let _datapath = site.datapath(&table([vip], Settings::default())?)?;
    let _proxy = HaProxy::start(&site.host, &sections(plain, checked), None)?;
    nft::load(&site.host, std::slice::from_ref(tracked))?;

    let targets = [
        (vip.from, Half::Attached),
        (haproxy::address(plain), Half::Plain),
        (haproxy::address(checked), Half::Plain),
        (tracked.from, Half::Plain),
    ];
    let mut pacers = Vec::new();
    for (target, half) in targets {
        pacers.push(pacer(&site, target, half)?);
    }
    pass(BEFORE);
    let at = epoch_seconds()?;
    let victim = backends.pop().context("no backend")?;
    let victim = fault.befall(victim)?;
    pass(AFTER);
    pacers.iter_mut().for_each(Dialogue::hang_up);
    let mut counts = [Count::default(); CONTENDERS.len()];
    for (count, pacer) in counts.iter_mut().zip(&mut pacers) {
        *count = judge(&pacer.hear()?, at)?;
    }
    drop(victim);
    Ok(counts)
}

impl Fault {
    /// Makes it happen; what is left of the backend ends with what this yields.
    fn befall(
        self,
        (server, host): (Rc<Server>, Rc<Site>),
    ) -> Result<(Option<Rc<Server>>, Rc<Site>)> {
        match self {
            Self::Dies => {
                drop(server);
                Ok((None, host))
            }
            Self::Vanishes => {
                let mut ip = Command::new("ip");
                let netns = host.host.netns_name();
                output(ip.args(["-n", netns, "link", "set", "eth0", "down"]))?;
                Ok((Some(server), host))
            }
        }
    }
}

fn sections<'f>(plain: &'f Forward, checked: &'f Forward) -> [Listen<'f>; 2] {
    [
        Listen {
            forward: plain,
            section: "",
            server: "",
        },
        Listen {
            forward: checked,
            section: "option redispatch 1",
            server: "check inter 1s fall 3 observe layer4 error-limit 3 on-error mark-down",
        },
    ]
}

fn pacer(site: &Site, target: SocketAddrV4, half: Half) -> Result<Dialogue> {
    let mut command = site.part("pacer", half)?;
    let (target, rate) = (target.to_string(), RATE.to_string());
    command.args(["--target", &target, "--rate", &rate, "--threads", THREADS]);
    let mut pacer = Dialogue::start(command.args(["--patience", PATIENCE, "--reply"]))?;
    let _begun: String = pacer.hear()?;
    Ok(pacer)
}

/// Counts the failures up to the first long row of connects that succeeded, and those
/// after it.
fn judge(paced: &Paced, fault: f64) -> Result<Count> {
    let mut count = Count::default();
    let mut avoided = false;
    let mut before = None;
    for failed in &paced.failures {
        // One that was under way may fail of what happened meanwhile.
        ensure!(
            failed.at > fault - 1.0,
            "a connect failed without a fault: {}",
            failed.why
        );
        avoided |= before.is_some_and(|before| failed.number - before > IN_A_ROW);
        before = Some(failed.number);
        match avoided {
            true => count.later += 1.0,
            false => count.first += 1.0,
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::pacer::Failed;

    #[test]
    fn failures_count_until_the_backend_is_avoided() {
        let failed = |number| Failed {
            number,
            at: 10.0,
            why: "refused".to_owned(),
        };
        let numbers = [100, 101, 150, 251, 260];
        let paced = Paced {
            connects: 600,
            seconds: 6.0,
            failures: numbers.map(failed).to_vec(),
        };
        let count = judge(&paced, 10.0).unwrap();
        assert_eq!((count.first, count.later), (3.0, 2.0));
        assert!(judge(&paced, 20.0).is_err());
    }
}
