//! A daemon that is killed at any moment leaves nothing that the next one does not find.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use testlab::wait_for;

use super::lab::{Node, dcos, id};

/// Tells the child half, by the directory of the namespaces, what to work on.
const CHILD: &str = "SEALANE_FABRIC_CHILD";
const CONTAINERS: usize = 4;
const ROUNDS: u32 = 40;

/// Adds and deletes for ever, until it is killed; idle unless it is the child.
#[test]
fn child_half() {
    let Ok(run) = std::env::var(CHILD) else {
        return;
    };
    let run = std::path::PathBuf::from(run);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let fabric = networks::Fabric::new(networks::FabricOptions {
        run: run.join("run"),
        ..networks::FabricOptions::default()
    })
    .unwrap();
    runtime.block_on(async {
        fabric.configure(vec![dcos()]).await.unwrap();
        let mut all = tokio::task::JoinSet::new();
        for number in 0..CONTAINERS {
            let (fabric, run) = (fabric.clone(), run.clone());
            all.spawn(async move {
                let name = format!("c{number}");
                loop {
                    let request = networks::EndpointRequest {
                        id: id(&name),
                        network: "dcos".to_owned(),
                        netns: run.join("netns").join(&name),
                        wanted: Vec::new(),
                        mac: None,
                        mtu: None,
                        port_mappings: Vec::new(),
                        bandwidth: None,
                    };
                    fabric.add(request).await.unwrap();
                    println!("added");
                    fabric.del(&id(&name)).await.unwrap();
                }
            });
        }
        all.join_all().await;
    });
}

#[test]
fn whatever_a_killed_daemon_leaves_is_found() {
    let node = Node::new("killed");
    for number in 0..CONTAINERS {
        node.container(&format!("c{number}"));
    }
    let (mut leases, mut links) = (0, 0);
    for round in 0..ROUNDS {
        kill_at_work(&node, Duration::from_micros(u64::from(round) * 777));
        links += node.links().len();
        let fabric = node.with(&[dcos()]);
        let left: u64 = node
            .run(fabric.usage())
            .iter()
            .map(|usage| usage.used)
            .sum();
        leases += left;
        // What was whole may be kept: then it must be in order. The rest is gone.
        let live: BTreeSet<_> = (0..CONTAINERS)
            .map(|number| id(&format!("c{number}")))
            .collect();
        node.run(fabric.reconcile(&live)).unwrap();
        for id in &live {
            match node.run(fabric.check(id)) {
                Ok(()) => node.run(fabric.del(id)).unwrap(),
                Err(networks::FabricError::Absent(_)) => {}
                // Killed while it was deleted.
                Err(networks::FabricError::Changed { .. }) => node.run(fabric.del(id)).unwrap(),
                Err(error) => panic!("{error}"),
            }
        }
        node.assert_clean();
    }
    assert!(leases > 0 && links > 0, "nothing was ever interrupted");
}

#[test]
fn a_lost_run_directory_leaves_links_that_are_found() {
    let node = Node::new("lost-run");
    let fabric = node.with(&[dcos()]);
    node.joined(&fabric, "a", "dcos");
    node.joined(&fabric, "b", "dcos");
    std::fs::remove_dir_all(node.path("run")).unwrap();
    let fabric = node.with(&[dcos()]);
    // The same endpoint is made anew, over what is left of it.
    node.run(fabric.add(node.request("a", "dcos"))).unwrap();
    let did = node.run(fabric.reconcile(&BTreeSet::new())).unwrap();
    assert_eq!(did.links.len(), 1);
    node.run(fabric.check(&id("a"))).unwrap();
    node.run(fabric.del(&id("a"))).unwrap();
    node.assert_clean();
}

#[test]
fn files_that_were_cut_off_are_no_obstacle() {
    let node = Node::new("cut-off");
    let fabric = node.with(&[dcos()]);
    node.joined(&fabric, "a", "dcos");
    for file in [
        "run/leases/dcos/9.0.1.2",
        "run/leases/dcos/9.0.1.9",
        "run/endpoints/a:eth0",
    ] {
        std::fs::write(node.path(file), "").unwrap();
    }
    let fabric = node.with(&[dcos()]);
    let did = node.run(fabric.reconcile(&BTreeSet::new())).unwrap();
    assert_eq!(did.leases.len(), 3, "{did:?}");
    node.assert_clean();
}

/// Starts the child half on the node, and kills it `after` its first endpoint.
fn kill_at_work(node: &Node, after: Duration) {
    let mut command = node.host.command(std::env::current_exe().unwrap());
    command
        .args(["--exact", "fabric::crash::child_half", "--nocapture"])
        .env(CHILD, node.path(""))
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let worked = lines.any(|line| line.is_ok_and(|line| line.contains("added")));
    assert!(worked, "the child never made an endpoint");
    let begun = Instant::now();
    wait_for("the moment", Duration::from_secs(5), || {
        (begun.elapsed() >= after).then_some(())
    })
    .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
}
