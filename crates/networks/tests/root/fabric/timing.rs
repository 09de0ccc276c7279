//! How long an endpoint takes, beside the reference plugins; run by hand:
//! `cargo test --release -p sealane-networks --test root -- --ignored timing --nocapture`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use networks::Fabric;

use super::lab::{Node, dcos, id};

const ROUNDS: usize = 40;
const AT_ONCE: usize = 32;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[test]
#[ignore = "measures"]
fn add_and_del_beside_the_reference_plugins() {
    let node = Node::new("timing");
    let fabric = node.with(&[dcos()]);
    for number in 0..AT_ONCE {
        node.container(&format!("c{number}"));
    }
    one_at_a_time(&node, &fabric);
    all_at_once(&node, &fabric);
    beside(&node);
}

fn one_at_a_time(node: &Node, fabric: &Fabric) {
    let (mut adds, mut dels) = (Vec::new(), Vec::new());
    node.run(async {
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            fabric.add(node.request("c0", "dcos")).await.unwrap();
            adds.push(begun.elapsed());
            let begun = Instant::now();
            fabric.del(&id("c0")).await.unwrap();
            dels.push(begun.elapsed());
        }
    });
    eprintln!(
        "one at a time: add {:?}, del {:?}",
        median(adds),
        median(dels)
    );
}

fn all_at_once(node: &Node, fabric: &Fabric) {
    let mut rounds = Vec::new();
    node.run(async {
        for _ in 0..5 {
            let begun = Instant::now();
            let mut all = tokio::task::JoinSet::new();
            for number in 0..AT_ONCE {
                let name = format!("c{number}");
                let (fabric, request) = (fabric.clone(), node.request(&name, "dcos"));
                all.spawn(async move {
                    fabric.add(request).await.unwrap();
                    fabric.del(&id(&name)).await.unwrap();
                });
            }
            all.join_all().await;
            rounds.push(begun.elapsed());
        }
    });
    eprintln!(
        "{AT_ONCE} at once, add and del: {:?} for all",
        median(rounds)
    );
}

fn beside(node: &Node) {
    let mut times = Vec::new();
    for _ in 0..ROUNDS / 4 {
        let begun = Instant::now();
        reference(node, "c0", "ADD");
        reference(node, "c0", "DEL");
        times.push(begun.elapsed());
    }
    eprintln!("reference, one at a time, add and del: {:?}", median(times));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for number in 0..AT_ONCE {
            scope.spawn(move || {
                let name = format!("c{number}");
                reference(node, &name, "ADD");
                reference(node, &name, "DEL");
            });
        }
    });
    eprintln!(
        "reference, {AT_ONCE} at once, add and del: {:?} for all",
        begun.elapsed()
    );
}

/// bridge with host-local, then portmap with one port, as a CNI runtime runs them.
fn reference(node: &Node, name: &str, verb: &str) {
    let number: u16 = name.trim_start_matches('c').parse().unwrap();
    let bridge = serde_json::json!({
        "cniVersion": "1.0.0", "name": "reference", "type": "bridge", "bridge": "ref0",
        "isGateway": true, "ipMasq": true,
        "ipam": {"type": "host-local", "dataDir": node.path("reference"),
                 "ranges": [[{"subnet": "10.66.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]},
    });
    let mut portmap = serde_json::json!({
        "cniVersion": "1.0.0", "name": "reference", "type": "portmap",
        "capabilities": {"portMappings": true},
        "runtimeConfig": {"portMappings":
            [{"hostPort": 32000 + number, "containerPort": 80, "protocol": "tcp"}]},
    });
    if verb == "ADD" {
        let result = plugin(node, "bridge", name, verb, &bridge);
        portmap["prevResult"] = serde_json::from_str(&result).unwrap();
        plugin(node, "portmap", name, verb, &portmap);
    } else {
        plugin(node, "portmap", name, verb, &portmap);
        plugin(node, "bridge", name, verb, &bridge);
    }
}

fn plugin(node: &Node, kind: &str, name: &str, verb: &str, config: &serde_json::Value) -> String {
    let mut command: Command = node.host.command(Path::new("/usr/lib/cni").join(kind));
    command
        .env("CNI_COMMAND", verb)
        .env("CNI_CONTAINERID", name)
        .env("CNI_NETNS", node.path("netns").join(name))
        .env("CNI_IFNAME", "ref0")
        .env("CNI_PATH", "/usr/lib/cni")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(config.to_string().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{kind} {verb}: {text}");
    text
}
