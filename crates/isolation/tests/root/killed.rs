//! A daemon that is killed at any moment, for real: this test's own program, started again
//! as a victim that attaches and detaches until it dies.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use isolation::{Isolation, Options};
use model::Protocol::Tcp;

use crate::lab::{LOCALHOST, Node, live, wanted};
use crate::life::{NOTHING, remains};

/// Where a victim's records and namespaces are, and whose address it shares.
const DIRECTORY: &str = "ISOLATION_VICTIM";
const ADDRESS: &str = "ISOLATION_VICTIM_ADDRESS";

#[test]
fn whatever_a_killed_daemon_leaves_is_collected() {
    let node = Node::new("killed");
    let isolation = node.isolation();
    let kept = node.task(&isolation, "kept", &[31000]);
    kept.place.serve("kept", [0, 0, 0, 0], 31000);
    for round in 0..20_u64 {
        let mut victim = victim(&node).spawn().unwrap();
        let path = node.path("begun");
        let begun = testlab::wait_for("the victim", Duration::from_secs(20), || {
            path.exists().then(Instant::now)
        });
        let (begun, until) = (begun.unwrap(), Duration::from_micros(round * 1_700));
        while begun.elapsed() < until {
            std::hint::spin_loop();
        }
        victim.kill().unwrap();
        victim.wait().unwrap();
        std::fs::remove_file(path).unwrap();

        let next = node.isolation();
        node.run(next.reconcile(|| live(&["kept"]))).unwrap();
        let done = node.run(next.reconcile(|| live(&["kept"]))).unwrap();
        assert!(done.is_nothing() && done.kept == 1, "{done:?}");
        assert_eq!(node.sh("ip -br link | grep -c slport").trim(), "1");
        assert_eq!(
            remains(&node).matches("slport").count(),
            remains_of_one(&node)
        );
        assert_eq!(
            node.place().ask(Tcp, LOCALHOST, 31000).unwrap().name,
            "kept"
        );
    }
    node.run(node.isolation().remove_all()).unwrap();
    assert_eq!(remains(&node), NOTHING);
}

/// How often one whole task's link is named among what remains.
fn remains_of_one(node: &Node) -> usize {
    let link = node.sh("ip -br link | grep -o 'slport[0-9a-f]*'");
    remains(node).matches(link.trim()).count()
}

fn victim(node: &Node) -> Command {
    let mut command = node.host.command(std::env::current_exe().unwrap());
    command
        .args(["--exact", "killed::a_victim_attaches_and_detaches"])
        .env(DIRECTORY, node.path(""))
        .env(ADDRESS, node.address().to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[test]
fn a_victim_attaches_and_detaches() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else {
        // Nobody's victim: once, on a host of its own.
        let node = Node::new("victim");
        let isolation = node.isolation();
        node.task(&isolation, "victim", &[31001]);
        node.run(isolation.detach("victim")).unwrap();
        assert_eq!(remains(&node), NOTHING);
        return;
    };
    let isolation = Isolation::new(Options {
        address: std::env::var(ADDRESS).unwrap().parse().unwrap(),
        records: directory.join("records"),
        namespaces: directory.join("namespaces"),
        pool: 16384..=30719,
        each: 256,
    });
    let isolation = isolation.unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(async {
        std::fs::write(directory.join("begun"), b"").unwrap();
        loop {
            isolation.attach("victim", &wanted(&[31001])).await.unwrap();
            isolation.detach("victim").await.unwrap();
        }
    });
}
