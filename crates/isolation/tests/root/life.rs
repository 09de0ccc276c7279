//! Beginnings, restarts and ends.

use model::Protocol::{Tcp, Udp};
use testlab::{Host, Lan};

use crate::lab::{LOCALHOST, Node, Place, at, live, wanted};

/// All that the kernel has of isolated tasks on a node, as people would look for it.
pub(crate) fn remains(node: &Node) -> String {
    let found = node.sh(
        "ip -br link show | grep slport; ip route show table all | grep -E 'slport|169.254'; \
         ip rule | grep -v 'lookup \\(local\\|main\\|default\\)'; ip neigh | grep 169.254; \
         for link in $(ls /proc/sys/net/ipv4/conf); do \
           tc filter show dev $link ingress 2>/dev/null; tc filter show dev $link egress 2>/dev/null; \
           tc qdisc show dev $link 2>/dev/null | grep clsact; \
         done; cat /proc/sys/net/ipv4/conf/lo/accept_local /proc/sys/net/ipv4/conf/lo/route_localnet",
    );
    let mut files: Vec<_> = ["records", "namespaces"]
        .into_iter()
        .flat_map(|name| std::fs::read_dir(node.path(name)).into_iter().flatten())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    format!("{found}{}", files.join("\n"))
}

/// Nothing but the two settings.
pub(crate) const NOTHING: &str = "0\n0\n";

#[test]
fn the_same_again_returns_what_is_there() {
    let node = Node::new("life1");
    let isolation = node.isolation();
    assert_eq!(node.run(isolation.recorded("a")).unwrap(), None);
    let task = node.task(&isolation, "a", &[31000]);
    let again = node.run(isolation.attach("a", &wanted(&[31000]))).unwrap();
    assert_eq!(again, task.isolated);
    assert_eq!(node.run(isolation.recorded("a")).unwrap(), Some(again));
    assert_eq!(task.isolated.address, node.address());
    let range = task.place.sh("cat /proc/sys/net/ipv4/ip_local_port_range");
    assert_eq!(
        range.split_whitespace().collect::<Vec<_>>(),
        ["16384", "16639"]
    );
    let mac = |place: &Place| {
        let shown = place.sh("ip -br link show eth0");
        let found = shown.split_whitespace().find(|word| word.len() == 17);
        found.unwrap().to_owned()
    };
    assert_eq!(mac(&task.place), mac(&node.place()));
}

#[test]
fn detaching_the_last_leaves_nothing() {
    let node = Node::new("life2");
    assert_eq!(remains(&node), NOTHING);
    let isolation = node.isolation();
    node.task(&isolation, "a", &[31000]);
    node.task(&isolation, "b", &[31001]);
    assert_ne!(remains(&node), NOTHING);
    node.run(isolation.detach("a")).unwrap();
    node.run(isolation.detach("a")).unwrap();
    assert!(remains(&node).contains("slport"));
    node.run(isolation.detach("b")).unwrap();
    assert_eq!(remains(&node), NOTHING);
    // The ports are the host's again.
    node.place().serve("host", [0, 0, 0, 0], 31000);
    assert_eq!(
        node.place().ask(Tcp, LOCALHOST, 31000).unwrap().name,
        "host"
    );
}

#[test]
fn removing_all_leaves_nothing() {
    let node = Node::new("life3");
    let isolation = node.isolation();
    for (index, id) in (0..).zip(["a", "b", "c"]) {
        node.task(&isolation, id, &[31000 + index]);
    }
    // A daemon that has not looked at anything yet.
    node.run(node.isolation().remove_all()).unwrap();
    assert_eq!(remains(&node), NOTHING);
    node.run(node.isolation().remove_all()).unwrap();
}

#[test]
fn connections_outlive_the_daemon() {
    let lan = Lan::new().unwrap();
    let (node, other) = (Node::on(&lan, "life4"), Host::on(&lan, "life4far").unwrap());
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[31000]);
    let neighbour = node.task(&isolation, "b", &[31001]);
    task.place.serve("a", [0, 0, 0, 0], 31000);
    let far = Place(other.netns_path());
    far.serve("far", [0, 0, 0, 0], 9000);
    node.place().serve("host", [0, 0, 0, 0], 8080);
    let mut connections = [
        far.connect(at(node.address(), 31000)).unwrap(),
        task.place.connect(at(other.address(), 9000)).unwrap(),
        node.place().connect(at(LOCALHOST, 31000)).unwrap(),
        node.place().connect(at(node.address(), 31000)).unwrap(),
        neighbour.place.connect(at(LOCALHOST, 31000)).unwrap(),
        task.place.connect(at(node.address(), 8080)).unwrap(),
        task.place.connect(at(LOCALHOST, 8080)).unwrap(),
    ];
    let mut ask = || -> Vec<_> {
        let answers = connections.iter_mut().map(|it| it.ask().unwrap());
        answers.collect()
    };
    let before = ask();
    drop(isolation);
    assert_eq!(ask(), before, "without a daemon");
    let again = node.isolation();
    let done = node.run(again.reconcile(|| live(&["a", "b"]))).unwrap();
    assert_eq!((done.kept, done.is_nothing()), (2, true), "{done:?}");
    assert_eq!(ask(), before, "with the next daemon");
    // New ones work as well, and the next daemon knows what is taken.
    for protocol in [Tcp, Udp] {
        assert_eq!(far.ask(protocol, node.address(), 31000).unwrap().name, "a");
    }
    let next = node.task(&again, "c", &[31002]);
    assert!(
        [&task, &neighbour]
            .iter()
            .all(|it| it.isolated.ephemeral != next.isolated.ephemeral)
    );
    assert_eq!(ask(), before);
}

#[test]
fn what_somebody_took_away_comes_back() {
    let node = Node::new("life5");
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[31000]);
    task.place.serve("a", [0, 0, 0, 0], 31000);
    for harm in [
        "tc qdisc del dev lo clsact",
        "tc qdisc del dev $link clsact",
        "ip link set $link down",
        "ip route flush dev $link",
        "sysctl -qw net.ipv4.ip_forward=1 && sysctl -qw net.ipv4.ip_forward=0",
        "ip link del $link",
    ] {
        node.sh(&format!(
            "link=$(basename $(ls -d /proc/sys/net/ipv4/conf/slport*)); {harm}"
        ));
        let done = node.run(isolation.reconcile(|| live(&["a"]))).unwrap();
        assert!(!done.is_nothing(), "{harm}");
        let done = node.run(isolation.reconcile(|| live(&["a"]))).unwrap();
        assert!(done.is_nothing(), "{harm}: {done:?}");
        for protocol in [Tcp, Udp] {
            let answer = node.place().ask(protocol, LOCALHOST, 31000);
            assert_eq!(answer.unwrap().name, "a", "{harm}");
        }
    }
}

#[test]
fn many_come_and_go_at_once() {
    let node = Node::new("life6");
    let isolation = node.isolation();
    let ids: Vec<String> = (0..30).map(|number| format!("task.{number}")).collect();
    let all = || async {
        let mut work = tokio::task::JoinSet::new();
        for (port, id) in (31000..).zip(ids.clone()) {
            let isolation = isolation.clone();
            work.spawn(async move { isolation.attach(&id, &wanted(&[port])).await });
        }
        work.join_all().await
    };
    let isolated = node.run(all());
    let ranges: std::collections::BTreeSet<_> = isolated
        .into_iter()
        .map(|outcome| *outcome.unwrap().ephemeral.start())
        .collect();
    assert_eq!(ranges.len(), ids.len());
    let links = node.sh("ip -br link | grep -c slport");
    assert_eq!(links.trim(), ids.len().to_string());
    let gone = || async {
        let mut work = tokio::task::JoinSet::new();
        for id in ids.clone() {
            let isolation = isolation.clone();
            work.spawn(async move { isolation.detach(&id).await });
        }
        work.join_all().await
    };
    for outcome in node.run(gone()) {
        outcome.unwrap();
    }
    assert_eq!(remains(&node), NOTHING);
}

#[test]
fn the_hosts_tuning_is_the_tasks() {
    let node = Node::new("life7");
    node.sh("sysctl -qw net.core.somaxconn=777 net.ipv4.tcp_keepalive_time=66");
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[31000]);
    let path = "/proc/sys/net/core/somaxconn /proc/sys/net/ipv4/tcp_keepalive_time";
    assert_eq!(task.place.sh(&format!("cat {path}")), "777\n66\n");
}
