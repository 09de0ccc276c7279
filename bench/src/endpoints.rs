//! An endpoint made and removed: our plugin beside the reference plugins.
//!
//! Both are run as a runtime runs them, a process for each plugin and verb, for the same
//! wish: an address, a default route, a host port. What a runtime would keep of its own
//! is left out of both.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use testlab::{Host, wait_for};

use crate::figures::Turns;
use crate::lab::{Lab, PATIENCE, With};
use crate::process::{output, this_program};
use crate::results::Measurement;

/// Turns whose medians count.
const TURNS: usize = 30;
/// Containers at once.
const MANY: usize = 32;
/// Where the reference plugins are.
const REFERENCE: &str = "/usr/lib/cni";
/// Host port of the first container.
const PORTS: usize = 20_000;
/// Contenders, ours first.
const NAMES: [&str; 2] = ["sealane-cni", "reference"];

/// Milliseconds of ADD and DEL, one container at a time and [`MANY`] at once.
pub(crate) fn endpoints() -> Result<Vec<Measurement>> {
    let without = With {
        docker: false,
        containerd: false,
    };
    let lab = Lab::new("bench-cni", without)?;
    let contenders = [ours(&lab)?, reference(&lab)];
    let namespaces = Namespaces::new(&lab.host, MANY)?;
    let mut measurements = Vec::new();
    for (name, count) in [("endpoint", 1), ("endpoint-32", MANY)] {
        let turns = Turns::take(
            TURNS,
            &NAMES,
            |index| together(&lab.host, &contenders[index], &namespaces.0[..count]),
            |millis| *millis,
        )?;
        let ratio = turns.ratio(NAMES[0], NAMES[1]);
        measurements.push(
            Measurement::new(name, turns.median(NAMES[0]), "ms")
                .beside(turns.others(NAMES[0]), ratio)
                .must("at most a third of the reference", ratio <= 1.0 / 3.0),
        );
    }
    Ok(measurements)
}

/// Plugins that are run one after the other for one container.
struct Contender {
    directory: PathBuf,
    name: &'static str,
    plugins: Vec<Value>,
}

/// What a daemon writes for runtimes, read as a runtime reads it.
fn ours(lab: &Lab) -> Result<Contender> {
    let state = lab.host.directory().join("state");
    let list = wait_for("the daemon to write its network", PATIENCE, || {
        let found = output(
            Command::new("find")
                .arg(&state)
                .args(["-name", "dcos.conflist"]),
        );
        let path = found.ok()?.lines().next()?.to_owned();
        serde_json::from_str::<Value>(&fs::read_to_string(path).ok()?).ok()
    })?;
    let plugins = list["plugins"]
        .as_array()
        .context("a list without plugins")?;
    // Where the plugin of that type is, under the name of the type.
    let directory = lab.host.directory().join("bin");
    fs::create_dir_all(&directory)?;
    let program = this_program()?.with_file_name("sealane-cni");
    fs::copy(program, directory.join("sealane"))
        .context("the plugin is missing; run: cargo build --release --bin sealane-cni")?;
    Ok(Contender {
        directory,
        name: "dcos",
        plugins: plugins.clone(),
    })
}

fn reference(lab: &Lab) -> Contender {
    let leases = lab.host.directory().join("leases");
    let bridge = json!({
        "type": "bridge", "bridge": "bench0", "isGateway": true, "ipMasq": true,
        "hairpinMode": true,
        "ipam": {"type": "host-local", "dataDir": leases,
                 "ranges": [[{"subnet": "10.88.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]},
    });
    let portmap = json!({"type": "portmap", "capabilities": {"portMappings": true}});
    Contender {
        directory: REFERENCE.into(),
        name: "bench",
        plugins: vec![bridge, portmap],
    }
}

/// Milliseconds until all containers were added and deleted, each by its own thread.
fn together(host: &Host, contender: &Contender, namespaces: &[String]) -> Result<f64> {
    let begun = Instant::now();
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for (index, name) in namespaces.iter().enumerate() {
            threads.push(scope.spawn(move || round(host, contender, index, name)));
        }
        for thread in threads {
            match thread.join() {
                Ok(done) => done?,
                Err(_) => bail!("a thread panicked"),
            }
        }
        Ok(())
    })?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

/// ADD by every plugin in order, DEL by every plugin in reverse.
fn round(host: &Host, contender: &Contender, index: usize, namespace: &str) -> Result<()> {
    let ports = json!([{"hostPort": PORTS + index, "containerPort": 80, "protocol": "tcp"}]);
    let mut result = Value::Null;
    for plugin in &contender.plugins {
        let printed = run(host, contender, plugin, "ADD", namespace, &result, &ports)?;
        result = serde_json::from_str(&printed)?;
    }
    for plugin in contender.plugins.iter().rev() {
        run(host, contender, plugin, "DEL", namespace, &result, &ports)?;
    }
    Ok(())
}

fn run(
    host: &Host,
    contender: &Contender,
    plugin: &Value,
    verb: &str,
    namespace: &str,
    previous: &Value,
    ports: &Value,
) -> Result<String> {
    let mut config = plugin.clone();
    config["name"] = json!(contender.name);
    config["cniVersion"] = json!("0.4.0");
    if plugin["capabilities"]["portMappings"] == json!(true) {
        config["runtimeConfig"] = json!({"portMappings": ports});
    }
    if !previous.is_null() {
        config["prevResult"] = previous.clone();
    }
    let kind = plugin["type"].as_str().context("a plugin without a type")?;
    let mut command = host.command(contender.directory.join(kind));
    command
        .env("CNI_COMMAND", verb)
        .env("CNI_CONTAINERID", namespace)
        .env("CNI_NETNS", Path::new("/run/netns").join(namespace))
        .env("CNI_IFNAME", "eth0")
        .env("CNI_PATH", &contender.directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut input = child.stdin.take().context("no pipe")?;
    input.write_all(config.to_string().as_bytes())?;
    drop(input);
    let done = child.wait_with_output()?;
    let printed = String::from_utf8_lossy(&done.stdout).into_owned();
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        bail!("{verb} by {kind}: {printed}{said}");
    }
    Ok(printed)
}

/// Network namespaces that go with this value.
struct Namespaces(Vec<String>);

impl Namespaces {
    fn new(host: &Host, count: usize) -> Result<Self> {
        let mut made = Self(Vec::new());
        for index in 0..count {
            let name = format!("{}-c{index}", host.netns_name());
            output(Command::new("ip").args(["netns", "add", &name]))?;
            made.0.push(name);
        }
        Ok(made)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in &self.0 {
            if let Err(error) = output(Command::new("ip").args(["netns", "delete", name])) {
                eprintln!("namespace {name} is left: {error:#}");
            }
        }
    }
}
