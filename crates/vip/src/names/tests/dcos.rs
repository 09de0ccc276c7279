//! What DC/OS's own tests assert of tasks' names.

use super::*;

/// App, framework, node, its address, networking, task addresses, whether its port is
/// the node's; then the addresses of agentip, autoip and containerip.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    On,
    &'static [&'static str],
    bool,
    [&'static [&'static str]; 3],
);

const A3: &str = "172.17.0.3";
const A4: &str = "172.17.0.4";
const A49: &str = "10.0.0.49";
const V6: &str = "fd01:b::2:8000:0:2";

#[rustfmt::skip]
const ROWS: [Row; 16] = [
    ("none-on-host", "marathon", A4, On::Host, &[A4], true, [&[A4], &[A4], &[A4]]),
    ("none-on-dcos", "marathon", A4, On::Network, &["9.0.2.5"], false, [&[A4], &["9.0.2.5"], &["9.0.2.5"]]),
    ("ucr-on-host", "marathon", A3, On::Host, &[A3], true, [&[A3], &[A3], &[A3]]),
    ("ucr-on-bridge", "marathon", A3, On::Bridge, &["172.31.254.3"], true, [&[A3], &[A3], &["172.31.254.3"]]),
    ("ucr-on-dcos", "marathon", A3, On::Network, &["9.0.1.6"], false, [&[A3], &["9.0.1.6"], &["9.0.1.6"]]),
    ("docker-on-host", "marathon", A4, On::Host, &[A4], true, [&[A4], &[A4], &[A4]]),
    ("docker-on-bridge", "marathon", A4, On::Bridge, &["172.18.0.2"], true, [&[A4], &[A4], &["172.18.0.2"]]),
    ("docker-on-dcos", "marathon", A4, On::Network, &["9.0.2.130"], false, [&[A4], &["9.0.2.130"], &["9.0.2.130"]]),
    ("docker-on-ipv6", "marathon", A4, On::Network, &[V6], false, [&[A4], &[V6], &[V6]]),
    ("pod-on-host", "marathon", A4, On::Host, &[A4], true, [&[A4], &[A4], &[A4]]),
    ("pod-on-bridge", "marathon", A3, On::Bridge, &["172.31.254.4"], true, [&[A3], &[A3], &["172.31.254.4"]]),
    ("pod-on-dcos", "marathon", A3, On::Network, &["9.0.1.3"], false, [&[A3], &["9.0.1.3"], &["9.0.1.3"]]),
    ("hello-world", "marathon", A49, On::Host, &[A49], true, [&[A49], &[A49], &[A49]]),
    ("hello-overlay-0-server", "hello-world", A49, On::Network, &["9.0.2.2"], false, [&[A49], &["9.0.2.2"], &["9.0.2.2"]]),
    ("hello-overlay-vip-0-server", "hello-world", A49, On::Network, &["9.0.2.3"], false, [&[A49], &["9.0.2.3"], &["9.0.2.3"]]),
    ("hello-host-vip-0-server", "hello-world", A49, On::Host, &[A49], true, [&[A49], &[A49], &[A49]]),
];

fn members() -> impl Iterator<Item = (Arc<Task>, Option<Arc<TaskStatus>>)> {
    ROWS.iter()
        .map(|(app, framework, agent, on, own, host_port, _)| {
            let ports = match (on, host_port) {
                (On::Host, _) => vec![port("http", None, Some(13_977))],
                (_, true) => vec![port("http", Some(8_080), Some(15_263))],
                (_, false) => vec![port("http", Some(8_080), None)],
            };
            let mut task = task(app, agent, *on, ports);
            task.framework = (*framework).to_owned();
            let status = running(&task, own);
            (Arc::new(task), Some(Arc::new(status)))
        })
}

fn nodes() -> [Arc<Node>; 3] {
    [A3, A4, A49].map(|address| node(address, &[address]))
}

fn check(live: &LiveNames) {
    for (app, framework, .., expected) in ROWS {
        for (kind, expected) in ["agentip", "autoip", "containerip"].iter().zip(expected) {
            let name = format!("{app}.{framework}.{kind}.dcos.thisdcos.directory");
            assert_eq!(shown_of(live, &name), expected, "{name}");
        }
    }
}

#[test]
fn every_kind_of_network() {
    check(&LiveNames::of(view(), nodes(), members()));
}

/// In DC/OS's test another task comes and goes, and nothing else changes.
#[test]
fn other_tasks_do_not_matter() {
    let mut live = LiveNames::of(view(), nodes(), members());
    let other = Arc::new(task("app", A3, On::Network, vec![]));
    let status = Arc::new(running(&other, &["9.0.0.2"]));
    live.settle();
    live.set_task(Arc::clone(&other), Some(status));
    let name = "app.marathon.autoip.dcos.thisdcos.directory";
    assert_eq!(shown_of(&live, name), ["9.0.0.2"]);
    check(&live);
    live.remove_task(&other.id);
    assert_eq!(shown_of(&live, name), [""; 0]);
    check(&live);
    let told = live.settle();
    assert!(
        told.contains_key(name) && told.keys().all(|it| it.contains("app")),
        "{told:?}"
    );
}

#[test]
fn only_tasks_that_run() {
    let task = Arc::new(task("web", "n1", On::Network, vec![]));
    let nodes = [node("n1", &["10.0.0.1"])];
    for state in [
        TaskState::Staging,
        TaskState::Starting,
        TaskState::Running,
        TaskState::Killing,
        TaskState::Finished,
        TaskState::Failed,
        TaskState::Killed,
        TaskState::Lost,
    ] {
        let status = TaskStatus {
            state,
            healthy: Some(false),
            ..running(&task, &["9.0.0.2"])
        };
        let tasks = [(Arc::clone(&task), Some(Arc::new(status)))];
        let live = LiveNames::of(view(), nodes.clone(), tasks);
        let found = shown_of(&live, "web.marathon.agentip.dcos.thisdcos.directory");
        assert_eq!(
            found.len(),
            usize::from(state == TaskState::Running),
            "{state:?}"
        );
    }
}

/// DC/OS's test of IPv6 joins the reversed path by dashes.
#[test]
fn groups_are_part_of_one_label() {
    let task = Arc::new(task("/shop/cart.v2", "n1", On::Network, vec![]));
    let status = Arc::new(running(&task, &["9.0.0.2", "fd01:b::2", "fe80::1"]));
    let live = LiveNames::of(view(), [node("n1", &["10.0.0.1"])], [(task, Some(status))]);
    for name in [
        "cart-v2-shop.marathon.autoip.dcos.thisdcos.directory",
        "cart-v2-shop.marathon.mesos",
    ] {
        assert_eq!(shown_of(&live, name), ["9.0.0.2", "fd01:b::2"], "{name}");
    }
}

/// A node's second family counts for ports only if the task has it.
#[test]
fn ports_of_a_node_of_two_families() {
    let agent = node("n1", &["10.0.0.1", "10.0.0.9", "fd00::1"]);
    let at = |own: &[&str]| {
        let task = Arc::new(task(
            "web",
            "n1",
            On::Bridge,
            vec![port("", Some(80), Some(31_000))],
        ));
        let status = Arc::new(running(&task, own));
        let live = LiveNames::of(view(), [Arc::clone(&agent)], [(task, Some(status))]);
        ["agentip", "autoip"].map(|kind| {
            shown_of(
                &live,
                &format!("web.marathon.{kind}.dcos.thisdcos.directory"),
            )
        })
    };
    let both = ["10.0.0.1", "fd00::1"].map(str::to_owned).to_vec();
    assert_eq!(
        at(&["172.17.0.2"]),
        [both.clone(), vec!["10.0.0.1".to_owned()]]
    );
    assert_eq!(at(&["172.17.0.2", "fd99::2"]), [both.clone(), both]);
}

#[test]
fn names_of_addresses() {
    let there = |on, address: &str| {
        let task = Arc::new(task("web", "n2", on, vec![]));
        let status = Arc::new(running(&task, &[address]));
        (task, Some(status))
    };
    let pointer = "web.marathon.containerip.dcos.thisdcos.directory";
    for (on, node_of_view, address, expected) in [
        (On::Network, "n1", "9.0.2.5", vec![pointer]),
        (On::Network, "n1", "fd01:b::2", vec![pointer]),
        // A bridge's addresses mean something else on every node.
        (On::Bridge, "n1", "172.17.0.2", vec![]),
        (On::Bridge, "n2", "172.17.0.2", vec![pointer]),
        (On::Host, "n2", "10.0.0.2", vec![]),
    ] {
        let view = NamesView {
            networks: ["9.0.0.0/8", "fd01:b::/64"]
                .map(|it| it.parse().unwrap())
                .to_vec(),
            ..NamesView::of(NodeId(node_of_view.into()))
        };
        let live = LiveNames::of(view, [node("n2", &["10.0.0.2"])], [there(on, address)]);
        let name = reverse_name(address.parse().unwrap());
        assert_eq!(
            shown_of(&live, &name),
            expected,
            "{name} from {node_of_view}"
        );
    }
    assert_eq!(
        reverse_name("fd01:b::2".parse().unwrap()),
        "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.0.0.0.1.0.d.f.ip6.arpa"
    );
}
