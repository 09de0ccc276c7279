//! From container to container: a virtual network beside Docker's bridge.
//!
//! The containers are Docker's in both cases, so that the way between them is all that
//! differs. Clients and servers are processes of this program in their namespaces.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use datapath::time_named;
use testlab::wait_for;

use crate::figures::{Turns, short};
use crate::lab::{IMAGE, Lab, PATIENCE, With};
use crate::parts::talker::Talk;
use crate::process::{Running, report, settle, this_program};
use crate::rate::clock::Clock;
use crate::results::Measurement;

/// Turns whose medians count.
const TURNS: usize = 30;
/// How long a go lasts.
const MILLIS: &str = "200";
/// The ways, ours first: Docker's name of the network.
const NETWORKS: [&str; 2] = ["dcos", "bridge"];
/// The programs at containers' links.
const PROGRAMS: [&str; 2] = ["sl_from", "sl_to"];

/// Requests a second and megabytes a second through one connection.
pub(crate) fn container_traffic() -> Result<Vec<Measurement>> {
    let lab = Lab::new(
        "bench-traffic",
        With {
            docker: true,
            containerd: false,
        },
    )?;
    let docker = lab.docker.as_ref().context("no Docker")?;
    lab.import_server(docker)?;
    wait_for("Docker to know the virtual network", PATIENCE, || {
        docker.docker(&["network", "inspect", NETWORKS[0]]).ok()
    })?;
    let mut measurements = Vec::new();
    for (name, sink, unit, divisor) in [
        ("container-requests", false, "1/s", 1.0),
        ("container-bulk", true, "MB/s", 1e6),
    ] {
        let pairs = NETWORKS
            .iter()
            .map(|network| Pair::new(&lab, network, sink))
            .collect::<Result<Vec<_>>>()?;
        if !sink {
            measurements.push(group_check(&lab, &pairs[0])?);
        }
        let go = |index: usize| Ok(pairs[index].go(&lab, sink)?.rate() / divisor);
        let rates = Turns::take(TURNS, &NETWORKS, go, |rate| *rate)?;
        let ratio = rates.ratio(NETWORKS[0], NETWORKS[1]);
        eprintln!("  {name}: {} of Docker's bridge", short(ratio));
        measurements.push(
            Measurement::new(name, rates.median(NETWORKS[0]), unit)
                .beside([("docker bridge", rates.median(NETWORKS[1]))], ratio)
                // Equal within what the machine's noise lets anybody tell.
                .must("at least equal (0.98)", ratio >= 0.98),
        );
    }
    Ok(measurements)
}

/// What keeping groups apart takes of each packet, by the kernel's statistics, while two
/// containers of a virtual network talk. Each packet is looked at as it leaves the one and
/// as it comes to the other.
fn group_check(lab: &Lab, pair: &Pair) -> Result<Measurement> {
    let clock = Clock::new(lab.host.directory())?;
    let checked = || -> Result<Check> {
        let (talk, times) = time_named(&PROGRAMS, || pair.go(lab, false))?;
        talk?;
        let (runs, nanos) = times
            .iter()
            .fold((0, 0), |sum, it| (sum.0 + it.runs, sum.1 + it.nanos));
        ensure!(runs > 0, "no packet was looked at");
        Ok(Check {
            nanos: nanos as f64 / runs as f64,
            clock: clock.nanos()?,
        })
    };
    let turns = Turns::take(TURNS, &["check"], |_| checked(), |check| check.nanos)?;
    let nanos = turns.figures(|check| check.nanos).median("check");
    let clock = turns.figures(|check| check.clock).median("check");
    eprintln!("  {} ns of it are an empty program's", short(clock));
    Ok(Measurement::new("group-check", nanos, "ns").with([("empty program", clock)]))
}

/// Nanoseconds a packet.
struct Check {
    nanos: f64,
    clock: f64,
}

/// Two containers of one network, and the server in the first.
struct Pair {
    server: Running,
    target: String,
    client: String,
}

impl Pair {
    fn new(lab: &Lab, network: &str, sink: bool) -> Result<Self> {
        let docker = lab.docker.as_ref().context("no Docker")?;
        let run = || docker.docker(&["run", "--detach", "--network", network, IMAGE]);
        let (server, client) = (run()?, run()?);
        let inspect = |id: &str, format: &str| docker.docker(&["inspect", "-f", format, id]);
        let address = inspect(
            &server,
            "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
        )?;
        let pid = |id: &str| inspect(id, "{{.State.Pid}}");
        let control = lab.host.directory().join(format!("{network}-{sink}"));
        drop(fs::remove_file(&control));
        let mut command = inside(lab, &pid(&server)?)?;
        command
            .args(["echo", "--listen", &format!("{address}:0"), "--control"])
            .arg(&control);
        if sink {
            command.arg("--sink");
        }
        let mut server = Running::start(command.stdout(Stdio::piped()))?;
        let target = server.first_line()?;
        Ok(Self {
            server,
            target,
            client: pid(&client)?,
        })
    }

    fn go(&self, lab: &Lab, bulk: bool) -> Result<Talk> {
        let mut command = inside(lab, &self.client)?;
        command.args(["talker", "--target", &self.target, "--millis", MILLIS]);
        if bulk {
            command.arg("--bulk");
        }
        let talk = report(&mut command)?;
        settle(&[&self.server])?;
        Ok(talk)
    }
}

/// This program in a container's network namespace.
fn inside(lab: &Lab, pid: &str) -> Result<Command> {
    let mut command = lab.host.command("nsenter");
    command
        .args(["--net", "--target", pid])
        .arg(this_program()?);
    Ok(command)
}
