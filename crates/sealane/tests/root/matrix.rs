//! Every kind of container in every network mode calls every other, and itself, by
//! named VIPs and by IP VIPs.
//!
//! The rows are DC/OS' own integration test of networking: {native command, native
//! image, Docker} x {HOST, BRIDGE, USER, several networks}, each of them client and
//! server, and processes of the host as clients too.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use serde_json::{Value, json};
use testlab::wait_for;

use crate::clients::by_name;
use crate::lab::{Lab, SOON, With, myservice};

/// The port that servers have inside their containers.
const PORT: u16 = 8000;

/// How a task is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Command,
    Image,
    Docker,
}

/// How it is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Host,
    Bridge,
    User,
    Several,
}

/// One app of the matrix.
#[derive(Debug, Clone)]
struct App {
    kind: Kind,
    mode: Mode,
    name: String,
    /// Its VIP without a name.
    plain: String,
}

/// What is known of an app that runs.
struct Running {
    app: App,
    instance: String,
    /// Its process, as a client.
    pid: u32,
    addresses: Vec<IpAddr>,
    /// The address of its VIP's name.
    vip: String,
}

fn apps() -> Vec<App> {
    let mut apps = Vec::new();
    for kind in [Kind::Command, Kind::Image, Kind::Docker] {
        for mode in [Mode::Host, Mode::Bridge, Mode::User, Mode::Several] {
            // Marathon gives Docker containers one network.
            if (kind, mode) == (Kind::Docker, Mode::Several) {
                continue;
            }
            apps.push(App {
                kind,
                mode,
                name: format!("{kind:?}-{mode:?}").to_lowercase(),
                plain: format!("11.250.0.{}", apps.len() + 1),
            });
        }
    }
    apps
}

impl App {
    fn definition(&self) -> Value {
        let server = match self.kind {
            Kind::Command => myservice().unwrap().display().to_string(),
            Kind::Image | Kind::Docker => "/bin/myservice".to_owned(),
        };
        let labels = json!({"VIP_0": format!("{}:80", self.name),
                            "VIP_1": format!("{}:80", self.plain)});
        let image = json!({"image": "chrisrc/myservice"});
        let mut container = match self.kind {
            Kind::Command => json!({"type": "MESOS"}),
            Kind::Image => json!({"type": "MESOS", "docker": image}),
            Kind::Docker => json!({"type": "DOCKER", "docker": image}),
        };
        let mut app = json!({"id": format!("/{}", self.name), "cpus": 0.05, "mem": 32});
        if self.mode == Mode::Host {
            app["cmd"] = json!(format!("exec {server}"));
            app["portDefinitions"] = json!([{"port": 0, "labels": labels}]);
        } else {
            app["cmd"] = json!(format!("exec {server} {PORT}"));
            let mut mapping = json!({"containerPort": PORT, "labels": labels});
            match self.mode {
                Mode::Bridge => mapping["hostPort"] = json!(0),
                Mode::Several => mapping["networkNames"] = json!(["dcos"]),
                Mode::Host | Mode::User => {}
            }
            container["portMappings"] = json!([mapping]);
        }
        app["container"] = container;
        app["networks"] = match self.mode {
            Mode::Host => json!([{"mode": "host"}]),
            Mode::Bridge => json!([{"mode": "container/bridge"}]),
            Mode::User => json!([{"mode": "container", "name": "dcos"}]),
            Mode::Several => json!([{"mode": "container", "name": "dcos"},
                                    {"mode": "container", "name": "second"}]),
        };
        app
    }
}

/// The process of a task, by its environment: the one that every engine gives.
pub(crate) fn process(lab: &Lab, instance: &str) -> Option<u32> {
    let wanted = format!("MESOS_TASK_ID={instance}");
    let mut found = None;
    each_process(lab.host.cgroup(), &mut |pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let is_it = environment
            .split(|byte| *byte == 0)
            .any(|one| one == wanted.as_bytes());
        if is_it {
            found = found.max(Some(pid));
        }
    });
    found
}

fn each_process(cgroup: &Path, look: &mut impl FnMut(u32)) {
    let listed = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    listed
        .lines()
        .filter_map(|pid| pid.parse().ok())
        .for_each(&mut *look);
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            each_process(&entry.path(), look);
        }
    }
}

/// What `urls` answer a client, a line each: a container's process, or the host's.
fn fetch(lab: &Lab, client: Option<&Running>, urls: &[String]) -> Result<Vec<String>, String> {
    let mut command = match client {
        None => lab.host.command("curl"),
        Some(running) => {
            let mut command = lab.host.command("nsenter");
            let pid = running.pid.to_string();
            command.args([
                "--net", "--mount", "--root", "--wd=/", "--target", &pid, "curl",
            ]);
            command
        }
    };
    command
        .args(["-sS", "--fail-with-body", "-m", "5"])
        .args(urls);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<String> = said.lines().map(ToOwned::to_owned).collect();
    if output.status.success() && lines.len() == urls.len() {
        return Ok(lines);
    }
    Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}

fn running(lab: &Lab, app: App) -> Running {
    let id = format!("/{}", app.name);
    lab.deploy(&app.definition()).unwrap();
    let (instance, pid) = running_as(lab, &id);
    let task = &lab.tasks(&id).unwrap()[0];
    let addresses = task["ipAddresses"].as_array().unwrap().iter();
    let addresses = addresses
        .map(|it| it["ipAddress"].as_str().unwrap().parse().unwrap())
        .collect();
    let vip = lab.vip(&format!("{}.marathon", app.name)).unwrap();
    Running {
        app,
        instance,
        pid,
        addresses,
        vip,
    }
}

/// The addresses that a process's namespace really has, without loopback ones.
fn own_addresses(lab: &Lab, running: &Running) -> Vec<IpAddr> {
    let mut command = lab.host.command("nsenter");
    let pid = running.pid.to_string();
    command.args([
        "--net", "--target", &pid, "ip", "-j", "addr", "show", "scope", "global",
    ]);
    let output = command.output().unwrap();
    let links: Value = serde_json::from_slice(&output.stdout).unwrap();
    let links = links.as_array().unwrap().iter();
    let infos = links.flat_map(|link| link["addr_info"].as_array().cloned().unwrap_or_default());
    infos
        .filter_map(|info| info["local"].as_str()?.parse().ok())
        .collect()
}

#[test]
fn all_modes_reach_all_modes_by_both_kinds_of_vip() {
    let lab = Lab::new("matrix", With::Both).unwrap();
    let docker = lab.docker.as_ref().unwrap();
    let tar = lab.host.directory().join("native.tar");
    docker
        .docker(&["save", "-o", tar.to_str().unwrap(), "chrisrc/myservice"])
        .unwrap();
    lab.containerd.as_ref().unwrap().import_image(&tar).unwrap();
    lab.sealane(&[
        "network",
        "create",
        "second",
        "--subnet",
        "10.66.0.0/16",
        "--block",
        "24",
    ])
    .unwrap();
    let all: Vec<Running> = apps().into_iter().map(|app| running(&lab, app)).collect();
    for one in &all {
        addresses_are_true(&lab, one);
    }
    let mut wrong = BTreeMap::new();
    for client in all.iter().map(Some).chain([None]) {
        for server in &all {
            let named = match client {
                Some(_) => by_name(&server.app.name, 80),
                // The host itself was not told of the name server.
                None => format!("http://{}:80/", server.vip),
            };
            let by_ip = format!("http://{}:80/", server.app.plain);
            if let Err(problem) = reached(&lab, client, server, [named, by_ip]) {
                let from = client.map_or("the host", |client| &client.app.name);
                wrong.insert(format!("{from} to {}", server.app.name), problem);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The API tells the addresses that the container really has.
fn addresses_are_true(lab: &Lab, running: &Running) {
    let (name, mode) = (&running.app.name, running.app.mode);
    let node = IpAddr::from(lab.host.address());
    if mode == Mode::Host {
        assert!(
            running.addresses.contains(&node),
            "{name}: {:?}",
            running.addresses
        );
        return;
    }
    let mut own = own_addresses(lab, running);
    let mut told = running.addresses.clone();
    own.sort();
    told.sort();
    assert_eq!(told, own, "{name}");
    let begins = |prefix: &str| told.iter().any(|ip| ip.to_string().starts_with(prefix));
    match mode {
        Mode::User => assert!(begins("9.") && begins("fd01:b:"), "{name}: {told:?}"),
        Mode::Several => assert!(begins("9.") && begins("10.66."), "{name}: {told:?}"),
        Mode::Host | Mode::Bridge => {}
    }
}

/// Whether the right instance answers by each VIP and sees the client where it is.
fn reached(
    lab: &Lab,
    client: Option<&Running>,
    server: &Running,
    vips: [String; 2],
) -> Result<(), String> {
    let urls = vips.map(|url| [format!("{url}from"), url]).concat();
    // Between virtual networks nothing is translated, so the client is seen as it is.
    let routed = |mode| matches!(mode, Mode::User | Mode::Several);
    let client_is = client.filter(|it| routed(it.app.mode) && routed(server.app.mode));
    for pair in fetch(lab, client, &urls)?.chunks(2) {
        let [from, answer] = pair else {
            return Err(format!("{pair:?} is no pair"));
        };
        if !answer.starts_with(&server.instance) {
            return Err(format!("'{answer}' answers instead of {}", server.instance));
        }
        let from: IpAddr = from
            .parse()
            .map_err(|_| format!("'{from}' is no address"))?;
        if let Some(client) = client_is
            && !client.addresses.contains(&from)
        {
            return Err(format!("seen from {from}, not from {:?}", client.addresses));
        }
    }
    Ok(())
}

#[test]
fn a_host_port_that_equals_a_vips_port_is_another_thing() {
    let lab = Lab::new("equal", With::Both).unwrap();
    let port = 12345;
    let mut ported = json!({"id": "/ported", "cpus": 0.05, "mem": 32,
        "networks": [{"mode": "container/bridge"}],
        "cmd": format!("exec {} {PORT}", myservice().unwrap().display()),
        "container": {"type": "MESOS",
                      "portMappings": [{"containerPort": PORT, "hostPort": port}]}});
    lab.deploy(&ported).unwrap();
    let virtual_one = json!({"id": "/virtual", "cpus": 0.05, "mem": 32,
        "networks": [{"mode": "container", "name": "dcos"}],
        "cmd": format!("exec {} {PORT}", myservice().unwrap().display()),
        "container": {"type": "MESOS", "portMappings": [
            {"containerPort": PORT, "labels": {"VIP_0": format!("same:{port}")}}]}});
    lab.deploy(&virtual_one).unwrap();
    let (ported_is, virtual_is) = (
        lab.instance("/ported").unwrap(),
        lab.instance("/virtual").unwrap(),
    );
    let vip = lab.vip("same.marathon").unwrap();
    let answer = lab.curl(&format!("http://{vip}:{port}/")).unwrap();
    assert!(answer.starts_with(&virtual_is), "{answer}");
    for address in [lab.host.address().to_string(), "127.0.0.1".to_owned()] {
        let url = format!("http://{address}:{port}/");
        let answer = wait_for("the host port", SOON, || lab.curl(&url).ok()).unwrap();
        assert!(answer.starts_with(&ported_is), "{address}: {answer}");
    }
    // An app behind a VIP of its own host port calls itself.
    ported["id"] = json!("/own");
    ported["container"]["portMappings"][0] = json!({"containerPort": PORT, "hostPort": port + 1,
        "labels": {"VIP_0": format!("own:{}", port + 1)}});
    lab.deploy(&ported).unwrap();
    let own = running_as(&lab, "/own");
    let url = by_name("own", port + 1);
    let answer = wait_for("the app to reach itself", SOON, || {
        let mut command = lab.host.command("nsenter");
        let pid = own.1.to_string();
        command.args([
            "--net", "--mount", "--target", &pid, "curl", "-sS", "-m", "5", &url,
        ]);
        let output = command.output().unwrap();
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(answer)
    });
    let answer = answer.unwrap();
    assert!(answer.starts_with(&own.0), "hairpin: {answer}");
}

/// The only instance of an app, and its process.
fn running_as(lab: &Lab, id: &str) -> (String, u32) {
    let instance = lab.instance(id).unwrap();
    let pid = wait_for("the task's process", SOON, || process(lab, &instance)).unwrap();
    (instance, pid)
}
