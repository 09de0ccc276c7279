//! From wanting a service to an answer at its VIP.

use std::cell::Cell;
use std::fs;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use vip::{APP_FRAMEWORK, VipRanges, claim, record_name};

use crate::figures::Turns;
use crate::lab::{API, IMAGE, Lab, With, server_program};
use crate::parts::starter::Started;
use crate::process::{output, report, this_program};
use crate::results::Measurement;

/// Turns whose medians count.
const TURNS: usize = 10;
/// Port of the VIP, and of the server inside a container.
const PORT: u16 = 6666;
/// Host port that a peer publishes.
const PUBLISHED: u16 = 9100;
/// The app that is deployed each time.
const APP: &str = "/bench";

/// A command on the host's network, run by containerd.
pub(crate) fn native() -> Result<Vec<Measurement>> {
    let lab = Lab::new(
        "bench-native",
        With {
            docker: false,
            containerd: true,
        },
    )?;
    let app = json!({
        "id": APP, "cpus": 0.1, "mem": 32,
        "cmd": format!("exec {}", server_program()?.display()),
        "portDefinitions": [{"port": 0, "labels": {"VIP_0": format!("bench:{PORT}")}}],
    });
    let containerd = lab.containerd.as_ref().context("no containerd")?;
    let root = lab.server_root()?.display().to_string();
    let socket = containerd.socket().display().to_string();
    let port = PUBLISHED.to_string();
    let number = Cell::new(0);
    let run = || {
        number.set(number.get() + 1);
        let name = format!("peer-{}", number.get());
        let cgroup = format!("{}/{name}", lab.host.cgroup_parent());
        #[rustfmt::skip]
        let words = [
            "ctr", "--address", &socket, "--namespace", "peer", "run", "--detach", "--null-io",
            "--net-host", "--cgroup", &cgroup, "--rootfs", &root, &name, "/myservice", &port,
        ];
        words.map(str::to_owned).to_vec()
    };
    let remove = || {
        let name = format!("peer-{}", number.get());
        let ctr = |words: &[&str]| {
            let mut command = lab.host.command("ctr");
            command
                .args(["--address", &socket, "--namespace", "peer"])
                .args(words);
            output(&mut command)
        };
        ctr(&["tasks", "delete", "--force", &name])?;
        ctr(&["containers", "delete", &name]).map(drop)
    };
    compare(
        "start-to-vip-native",
        300.0,
        &lab,
        &app,
        &Peer {
            name: "ctr run",
            run: &run,
            remove: &remove,
        },
    )
}

/// An image on Docker's bridge.
pub(crate) fn docker() -> Result<Vec<Measurement>> {
    let lab = Lab::new(
        "bench-docker",
        With {
            docker: true,
            containerd: false,
        },
    )?;
    let docker = lab.docker.as_ref().context("no Docker")?;
    lab.import_server(docker)?;
    let app = json!({
        "id": APP, "cpus": 0.1, "mem": 32,
        "container": {
            "type": "DOCKER", "docker": {"image": IMAGE},
            "portMappings": [{
                "containerPort": PORT, "hostPort": 0, "labels": {"VIP_0": format!("bench:{PORT}")}}],
        },
        "networks": [{"mode": "container/bridge"}],
    });
    let socket = format!("unix://{}", docker.socket().display());
    let publish = format!("{PUBLISHED}:{PORT}");
    let run = || {
        #[rustfmt::skip]
        let words = [
            "docker", "--host", &socket, "run", "--detach", "--name", "peer", "--publish", &publish, IMAGE,
        ];
        words.map(str::to_owned).to_vec()
    };
    let remove = || docker.docker(&["rm", "--force", "peer"]).map(drop);
    compare(
        "start-to-vip-docker",
        1000.0,
        &lab,
        &app,
        &Peer {
            name: "docker run",
            run: &run,
            remove: &remove,
        },
    )
}

/// What an operator does by hand to get the same server without a VIP.
struct Peer<'l> {
    name: &'static str,
    /// The command that starts it, published at [`PUBLISHED`].
    run: &'l dyn Fn() -> Vec<String>,
    remove: &'l dyn Fn() -> Result<()>,
}

fn compare(
    name: &str,
    reach: f64,
    lab: &Lab,
    app: &Value,
    peer: &Peer<'_>,
) -> Result<Vec<Measurement>> {
    let body = lab.host.directory().join("deploy.json");
    fs::write(&body, app.to_string())?;
    let body = body.display().to_string();
    let go = |index| {
        if index == 0 {
            let vip = SocketAddr::new(address()?, PORT);
            let started = start(lab, vip, &["--post", API, "--body", &body])?;
            lab.delete(APP)?;
            // Or the next turn would be answered by this one's instance.
            lab.wait_until_refused(vip)?;
            return Ok(started.millis);
        }
        let published = SocketAddrV4::new(lab.host.address(), PUBLISHED).into();
        let words = (peer.run)();
        let words = std::iter::once("--").chain(words.iter().map(String::as_str));
        let started = start(lab, published, &words.collect::<Vec<_>>());
        (peer.remove)()?;
        lab.wait_until_refused(published)?;
        Ok(started?.millis)
    };
    let turns = Turns::take(TURNS, &["vip", peer.name], go, |millis| *millis)?;
    let value = turns.median("vip");
    let all = Measurement::new(name, value, "ms")
        .beside(turns.others("vip"), turns.ratio("vip", peer.name))
        .must(format!("at most {reach} ms"), value <= reach);
    let p90 = turns.p90("vip");
    let slow = turns.p90(peer.name);
    let p90 =
        Measurement::new(format!("{name}/p90"), p90, "ms").beside([(peer.name, slow)], p90 / slow);
    Ok(vec![all, p90])
}

fn start(lab: &Lab, target: SocketAddr, rest: &[&str]) -> Result<Started> {
    let mut command = lab.host.command(this_program()?);
    report(
        command
            .args(["starter", "--target", &target.to_string()])
            .args(rest),
    )
}

/// The VIP's address, which follows from its name.
fn address() -> Result<IpAddr> {
    let name = record_name("bench", APP_FRAMEWORK)?;
    Ok(claim(&name, &VipRanges::default(), |_| false)?.ipv4.into())
}
