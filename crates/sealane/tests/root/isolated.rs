//! Tasks that share the host's address by ports, from namespaces of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use testlab::wait_for;

use crate::clients::{by_name, docker_client, native_client};
use crate::definitions::{docker, native};
use crate::lab::{Lab, SOON, With, run};
use crate::matrix::process;
use crate::networks::native_on;

/// Enough for both of two instances to be among those that answer.
const CALLS: usize = 40;

/// A client that begins a new connection for each call.
const CURL: [&str; 7] = [
    "curl",
    "-sS",
    "--fail",
    "-m",
    "5",
    "-H",
    "Connection: close",
];

/// The server behind `vip`, isolated.
fn isolated(id: &str, vip: &str) -> Value {
    let mut app = native(id, vip);
    app["labels"] = json!({"sealane.ports": "isolate"});
    app
}

/// A task with its process.
struct Instance {
    id: String,
    pid: u32,
    port: u64,
}

fn instances(lab: &Lab, app: &str) -> Vec<Instance> {
    let tasks = lab.tasks(app).unwrap();
    let instance = |task: &Value| {
        let id = task["id"].as_str().unwrap().to_owned();
        let pid = wait_for("the task's process", SOON, || process(lab, &id)).unwrap();
        let port = task["ports"][0].as_u64().unwrap();
        Instance { id, pid, port }
    };
    tasks.iter().map(instance).collect()
}

fn namespace(process: &Path) -> PathBuf {
    fs::read_link(process.join("ns/net")).unwrap()
}

/// Instances that answer `CALLS` calls of `url` by a process in a task's namespace, with
/// the task's files; every call must answer.
fn answers_in(lab: &Lab, pid: u32, url: &str) -> Vec<String> {
    let mut command = lab.host.command("nsenter");
    command.args(["--net", "--mount", "--root", "--wd=/", "--target"]);
    command.arg(pid.to_string());
    let said = run(command.args(CURL).args([url; CALLS])).unwrap();
    names(&said)
}

/// The first words of all lines, each once.
fn names(said: &str) -> Vec<String> {
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), CALLS, "{said}");
    let firsts = lines.iter().filter_map(|line| line.split(' ').next());
    let mut names: Vec<_> = firsts.map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

fn statistics(lab: &Lab, task: &str) -> Value {
    lab.json(&format!("/v1/tasks/{task}/statistics")).unwrap()
}

/// Names of the host's links of isolated tasks.
fn links(lab: &Lab) -> Vec<String> {
    let mut ip = lab.host.command("ip");
    let links = run(ip.args(["-j", "link"])).unwrap();
    let links: Value = serde_json::from_str(&links).unwrap();
    let names = links.as_array().unwrap().iter();
    let names = names.map(|link| link["ifname"].as_str().unwrap().to_owned());
    names.filter(|name| name.starts_with("slport")).collect()
}

/// Programs on what the host gets over its loopback interface.
fn filters(lab: &Lab) -> String {
    let mut tc = lab.host.command("tc");
    run(tc.args(["filter", "show", "dev", "lo", "ingress"])).unwrap()
}

#[test]
fn a_vip_reaches_isolated_tasks_from_everywhere() {
    let lab = Lab::new("isolated", With::Both).unwrap();
    let mut app = isolated("/iso", "iso:80");
    app["instances"] = json!(2);
    let check = |protocol| json!({"protocol": protocol, "path": "/health", "portIndex": 0});
    app["healthChecks"] = json!([check("HTTP"), check("MESOS_HTTP")]);
    lab.deploy(&app).unwrap();
    let network = json!([{"mode": "container", "name": "dcos"}]);
    lab.deploy(&native_on("/routed", "routed:80", &network, None))
        .unwrap();
    lab.deploy(&docker("/bridged", "bridged:80")).unwrap();
    let bridge = json!([{"mode": "container/bridge"}]);
    lab.deploy(&docker_client("/caller", &bridge)).unwrap();
    let both = instances(&lab, "/iso");
    apart(&lab, &both);
    let mut all: Vec<_> = both.iter().map(|it| it.id.clone()).collect();
    all.sort();

    let url = format!("http://{}/", lab.vip("iso.marathon").unwrap());
    assert_eq!(lab.answers(&url, CALLS).unwrap(), all, "from the host");
    let named = by_name("iso", 80);
    let routed = instances_of_network(&lab, "/routed");
    for pid in both.iter().map(|it| it.pid).chain([routed]) {
        assert_eq!(answers_in(&lab, pid, &named), all, "from process {pid}");
    }
    let command = [&CURL[..], &[named.as_str(); CALLS]].concat();
    let said = lab.exec("/caller", &command).unwrap();
    assert_eq!(names(&said), all, "from Docker's bridge");

    // The other way round, with and without an address of its own behind the VIP.
    for (name, app) in [("routed", "/routed"), ("bridged", "/bridged")] {
        let expected = [lab.instance(app).unwrap()];
        for from in &both {
            let found = answers_in(&lab, from.pid, &by_name(name, 80));
            assert_eq!(found, expected, "{name}");
        }
    }
    localhost_is_the_hosts(&lab, &both);
}

/// Each is in a namespace of its own, and the API tells the host's address.
fn apart(lab: &Lab, both: &[Instance]) {
    let of = |pid: u32| namespace(Path::new(&format!("/proc/{pid}")));
    let daemon = lab.pid().unwrap().as_raw().unsigned_abs();
    let [first, second] = both else {
        panic!("{} instances", both.len())
    };
    let (first, second, host) = (of(first.pid), of(second.pid), of(daemon));
    assert!(first != second && first != host && second != host);
    let address = lab.host.address().to_string();
    for task in lab.tasks("/iso").unwrap() {
        let addresses = task["ipAddresses"].as_array().unwrap();
        assert_eq!(addresses.len(), 1, "{task}");
        assert_eq!(addresses[0]["ipAddress"], address.as_str(), "{task}");
    }
    assert_eq!(links(lab).len(), 2);
}

/// The process of an app's only task that has a port of its own.
fn instances_of_network(lab: &Lab, app: &str) -> u32 {
    let id = lab.instance(app).unwrap();
    wait_for("the task's process", SOON, || process(lab, &id)).unwrap()
}

/// Whoever has the port gets what is sent to localhost and to the host's address.
fn localhost_is_the_hosts(lab: &Lab, both: &[Instance]) {
    for place in ["127.0.0.1".to_owned(), lab.host.address().to_string()] {
        for to in both {
            let url = format!("http://{place}:{}/", to.port);
            let expected = [to.id.clone()];
            assert_eq!(lab.answers(&url, 3).unwrap(), expected, "{url}");
            for from in both {
                assert_eq!(answers_in(lab, from.pid, &url), expected, "{url}");
            }
        }
    }
}

#[test]
fn what_goes_through_a_link_is_counted_and_limited() {
    let lab = Lab::new("counted", With::Native).unwrap();
    let mut app = isolated("/iso", "iso:80");
    app["labels"]["sealane.egress-rate"] = json!("100mbit");
    lab.deploy(&app).unwrap();
    lab.deploy(&native("/free", "free:80")).unwrap();
    let url = format!("http://{}/", lab.vip("iso.marathon").unwrap());
    lab.curl(&url).unwrap();
    let task = lab.instance("/iso").unwrap();
    let before = statistics(&lab, &task);
    lab.answers(&url, 5).unwrap();
    let after = statistics(&lab, &task);
    for name in [
        "net_rx_packets",
        "net_rx_bytes",
        "net_tx_packets",
        "net_tx_bytes",
    ] {
        let value = |statistics: &Value| statistics[name].as_u64().unwrap();
        assert!(value(&before) > 0, "{name}: {before}");
        assert!(value(&after) >= value(&before) + 5, "{name}: {after}");
    }
    assert_eq!(after["net_tx_rate_limit"], 12_500_000, "{after}");
    let queue = &after["net_traffic_control_statistics"][0];
    assert_eq!(queue["id"], "bw_limit", "{after}");
    assert!(queue["packets"].as_u64().unwrap() > 0, "{after}");
    let ports = &after["net_ephemeral_ports"];
    let (begin, end) = (ports["begin"].as_u64(), ports["end"].as_u64());
    assert_eq!(end.unwrap() - begin.unwrap(), 255, "{after}");

    let table = lab.sealane(&["task", "stats", "iso"]).unwrap();
    assert!(
        table.contains("received") && table.contains("12500000 bytes a second"),
        "{table}"
    );
    let json = lab
        .sealane(&["task", "stats", "iso", "-o", "json"])
        .unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert!(json["net_tx_bytes"].as_u64() >= after["net_tx_bytes"].as_u64());
    let metrics = lab.get("/metrics").unwrap();
    let labels = format!("{{app=\"/iso\",task=\"{task}\",direction=\"sent\"}} ");
    let line = format!("sealane_task_network_bytes_total{labels}");
    assert!(metrics.lines().any(|it| it.starts_with(&line)), "{metrics}");
    let free = lab.instance("/free").unwrap();
    let refused = lab.sealane_output(&["task", "stats", &free]).unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("sealane.ports=isolate"),
        "{said}"
    );
}

#[test]
fn isolated_tasks_outlive_the_daemon_and_leave_nothing() {
    let mut lab = Lab::new("isolated-end", With::Native).unwrap();
    lab.deploy(&isolated("/iso", "iso:80")).unwrap();
    let url = format!("http://{}/", lab.vip("iso.marathon").unwrap());
    let before = lab.curl(&url).unwrap();
    let received = lab.host.directory().join("stream");
    let mut stream = lab
        .host
        .command("curl")
        .args(["-sN", &format!("{url}stream")])
        .stdout(fs::File::create(&received).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let length = || fs::metadata(&received).unwrap().len();
    let goes_on = |when: &str| {
        let so_far = length();
        wait_for(&format!("the connection to go on {when}"), SOON, || {
            (length() > so_far).then_some(())
        })
        .unwrap();
    };
    goes_on("at first");
    lab.kill().unwrap();
    assert_eq!(lab.curl(&url).unwrap(), before, "without a daemon");
    goes_on("without a daemon");
    lab.start().unwrap();
    wait_for("the namespace to be taken over", SOON, || {
        let status = lab.json("/v1/status").ok()?;
        let report = &status["parts"]["reconcilers"]["isolation"];
        let kept = report["did"].as_str()?.contains("1 tasks");
        (kept && report["failures"] == json!([])).then_some(())
    })
    .unwrap();
    assert_eq!(lab.curl(&url).unwrap(), before, "with the next daemon");
    goes_on("with the next daemon");
    assert!(stream.try_wait().unwrap().is_none(), "it was cut");
    stream.kill().unwrap();
    stream.wait().unwrap();
    // What came to the task before is still told.
    let task = lab.instance("/iso").unwrap();
    assert!(statistics(&lab, &task)["net_rx_packets"].as_u64().unwrap() > 10);

    assert_ne!(filters(&lab).trim(), "");
    lab.sealane(&["app", "delete", "/iso", "--wait", "--timeout", "30s"])
        .unwrap();
    wait_for("nothing to be left", SOON, || {
        let records = fs::read_dir(lab.state.join("run/isolated/records")).ok()?;
        let none = links(&lab).is_empty() && filters(&lab).trim().is_empty();
        (none && records.count() == 0).then_some(())
    })
    .unwrap();
}

#[test]
fn a_task_binds_its_ports_and_of_its_range() {
    let mut lab = Lab::new("isolated-bind", With::Native).unwrap();
    let bind = "/usr/bin/python3 -c 'import socket as s, sys; x = s.socket(); \
                x.bind((\"0.0.0.0\", int(sys.argv[1]))); print(x.getsockname()[1])'";
    let script = format!("{bind} $PORT0; {bind} 0; {bind} 8000 2>&1 | tail -n 1");
    let mut app = native_client("/bind", &json!([{"mode": "host"}]), &script);
    app["labels"] = json!({"sealane.ports": "isolate"});
    app["portDefinitions"] = json!([{"port": 0}]);
    lab.deploy(&app).unwrap();
    let printed = lab.printed("/bind").unwrap();
    let task = &lab.tasks("/bind").unwrap()[0];
    let [own, chosen, denied] = printed.lines().collect::<Vec<_>>()[..] else {
        panic!("{printed}");
    };
    assert_eq!(own, task["ports"][0].to_string());
    assert!(denied.contains("Permission denied"), "{printed}");
    let statistics = statistics(&lab, task["id"].as_str().unwrap());
    let ports = &statistics["net_ephemeral_ports"];
    let range = ports["begin"].as_u64().unwrap()..=ports["end"].as_u64().unwrap();
    assert!(
        range.contains(&chosen.parse().unwrap()),
        "{chosen} of {ports}"
    );
    // Somebody who gives Sealane up has tasks that run.
    assert_eq!(links(&lab).len(), 1);
    lab.stop().unwrap();
    lab.uninstall().unwrap();
    assert!(links(&lab).is_empty(), "{:?}", links(&lab));
    assert_eq!(filters(&lab).trim(), "");
}
