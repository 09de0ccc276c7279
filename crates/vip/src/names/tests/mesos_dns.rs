//! What Mesos-DNS's own tests assert, as far as it is about tasks and nodes of ours:
//! its ports know no protocol unless a discovery says it, ours always do, and where its
//! frameworks are, leaders are here.

use super::super::instance::hash;
use super::*;

fn instance(app: &str, number: &str, node: &str, on: On, ports: Vec<TaskPort>) -> Task {
    let task = task(app, node, on, ports);
    Task {
        id: TaskId::for_instance(&task.app, number),
        ..task
    }
}

fn web_ports() -> Vec<TaskPort> {
    vec![port("http", Some(80), None), port("https", Some(443), None)]
}

/// The fleet of its test data: slaves 0 to 2 at 1.2.3.10, .11 and .12.
fn fleet() -> (LiveNames, impl Fn(&str, &str) -> String) {
    let slaves = ["s0", "s1", "s2"]
        .iter()
        .zip(["1.2.3.10", "1.2.3.11", "1.2.3.12"]);
    let master = node("master", &["144.76.157.37"]);
    let nodes = slaves.map(|(id, address)| node(&format!("2014-{id}"), &[address]));
    let car_ports = vec![port("", None, Some(31_364)), port("", None, Some(31_365))];
    let tasks = [
        (
            instance("big-dog", "1", "2014-s0", On::Network, web_ports()),
            "10.3.0.1",
        ),
        (
            instance("liquor-store", "1", "2014-s1", On::Network, web_ports()),
            "10.3.0.1",
        ),
        (
            instance("liquor-store", "2", "2014-s2", On::Network, web_ports()),
            "10.3.0.2",
        ),
        (
            instance("nginx", "1", "2014-s1", On::Network, vec![]),
            "10.3.0.3",
        ),
        (
            instance("car-store", "1", "2014-s1", On::Host, car_ports),
            "1.2.3.11",
        ),
    ];
    let tasks = tasks.map(|(task, address)| {
        let status = running(&task, &[address]);
        (Arc::new(task), Some(Arc::new(status)))
    });
    let view = NamesView {
        api_port: Some(5050),
        ..NamesView::of(NodeId("master".into()))
    };
    let named = |app: &str, number: &str| {
        let app = AppId::resolve(app).unwrap();
        hash(TaskId::for_instance(&app, number).as_str())
    };
    (LiveNames::of(view, nodes.chain([master]), tasks), named)
}

#[test]
fn addresses() {
    let (live, _) = fleet();
    for (name, expected) in [
        ("big-dog.marathon.mesos", &["10.3.0.1"][..]),
        ("liquor-store.marathon.mesos", &["10.3.0.1", "10.3.0.2"]),
        (
            "liquor-store.marathon.slave.mesos",
            &["1.2.3.11", "1.2.3.12"],
        ),
        ("car-store.marathon.slave.mesos", &["1.2.3.11"]),
        ("nginx.marathon.mesos", &["10.3.0.3"]),
        ("poseidon.marathon.mesos", &[]),
        ("master.mesos", &["144.76.157.37"]),
        ("master0.mesos", &["144.76.157.37"]),
        ("leader.mesos", &["144.76.157.37"]),
        ("marathon.mesos", &["144.76.157.37"]),
        ("leader.dcos.thisdcos.directory", &["144.76.157.37"]),
        ("thisnode.thisdcos.directory", &["144.76.157.37"]),
    ] {
        assert_eq!(shown_of(&live, name), expected, "{name}");
    }
    // There the master is no slave; here every node may run tasks.
    let slaves = ["1.2.3.10", "1.2.3.11", "1.2.3.12", "144.76.157.37"];
    assert_eq!(shown_of(&live, "slave.mesos"), slaves);
}

#[test]
fn ports() {
    let (live, named) = fleet();
    let dog = format!("big-dog-{}-s0.marathon.mesos", named("big-dog", "1"));
    let first = format!(
        "liquor-store-{}-s1.marathon.mesos",
        named("liquor-store", "1")
    );
    let second = format!(
        "liquor-store-{}-s2.marathon.mesos",
        named("liquor-store", "2")
    );
    let car = format!(
        "car-store-{}-s1.marathon.slave.mesos",
        named("car-store", "1")
    );
    let ports = |targets: &[(&String, u16)]| -> BTreeSet<String> {
        targets
            .iter()
            .map(|(target, port)| format!("{target}:{port}"))
            .collect()
    };
    for (name, expected) in [
        (
            "_big-dog._tcp.marathon.mesos",
            ports(&[(&dog, 80), (&dog, 443)]),
        ),
        (
            "_leader._tcp.mesos",
            ["leader.mesos:5050".to_owned()].into(),
        ),
        (
            "_framework._tcp.marathon.mesos",
            ["marathon.mesos:5050".to_owned()].into(),
        ),
        (
            "_liquor-store._tcp.marathon.mesos",
            ports(&[(&first, 80), (&first, 443), (&second, 80), (&second, 443)]),
        ),
        (
            "_http._liquor-store._tcp.marathon.mesos",
            ports(&[(&first, 80), (&second, 80)]),
        ),
        (
            "_https._liquor-store._tcp.marathon.mesos",
            ports(&[(&first, 443), (&second, 443)]),
        ),
        ("_liquor-store._udp.marathon.mesos", ports(&[])),
        (
            "_car-store._tcp.marathon.mesos",
            ports(&[(&car, 31_364), (&car, 31_365)]),
        ),
        (
            "_car-store._tcp.marathon.slave.mesos",
            ports(&[(&car, 31_364), (&car, 31_365)]),
        ),
    ] {
        let found: BTreeSet<String> = shown_of(&live, name).into_iter().collect();
        assert_eq!(found, expected, "{name}");
    }
}

/// Every target of every SRV record is a name with an address.
#[test]
fn every_target_has_an_address() {
    let mixed = vec![port("a", Some(80), Some(31_000)), port("b", Some(81), None)];
    let mixed = Arc::new(task("mixed", "n1", On::Bridge, mixed));
    let status = Arc::new(running(&mixed, &["172.17.0.9"]));
    let (mut live, _) = fleet();
    live.set_node(node("n1", &["10.0.0.1"]));
    live.set_task(mixed, Some(status));
    let all = live.all();
    let mut seen = 0;
    for (name, records) in &all {
        for record in records {
            let NameRecord::Port { target, .. } = record else {
                continue;
            };
            seen += 1;
            let found = all
                .get(target)
                .unwrap_or_else(|| panic!("{name}: {target}"));
            assert!(
                found.iter().all(|it| matches!(it, NameRecord::Address(_))),
                "{target}"
            );
        }
    }
    assert!(seen > 15);
    let addresses_behind = |name: &str| -> Vec<String> {
        shown_of(&live, name)
            .iter()
            .flat_map(|it| shown_of(&live, it.rsplit_once(':').unwrap().0))
            .collect()
    };
    assert_eq!(
        addresses_behind("_a._mixed._tcp.marathon.mesos"),
        ["10.0.0.1"]
    );
    assert_eq!(
        addresses_behind("_b._mixed._tcp.marathon.mesos"),
        ["172.17.0.9"]
    );
}

#[test]
fn numbers_of_masters() {
    let masters = |masters: &[(&str, &str)], leader: &str, leads: &str| {
        let nodes = masters.iter().copied().chain([("leader", leader)]);
        let nodes = nodes.map(|(id, address)| node(id, &[address]));
        let view = NamesView {
            masters: masters.iter().map(|(id, _)| NodeId((*id).into())).collect(),
            leader: Some(NodeId(leads.into())),
            ..view()
        };
        let live = LiveNames::of(view, nodes, []);
        let name = |name: &str| shown_of(&live, name).join(" ");
        [
            "leader.mesos",
            "master.mesos",
            "master0.mesos",
            "master1.mesos",
        ]
        .map(name)
    };
    assert_eq!(masters(&[], "0.0.0.6", "nobody"), [""; 4]);
    assert_eq!(
        masters(&[], "0.0.0.6", "leader"),
        ["0.0.0.6", "0.0.0.6", "0.0.0.6", ""]
    );
    assert_eq!(
        masters(&[], "2001:db8::1", "leader"),
        ["2001:db8::1", "2001:db8::1", "2001:db8::1", ""]
    );
    assert_eq!(
        masters(&[("a", "0.0.0.8")], "0.0.0.6", "leader"),
        ["0.0.0.6", "0.0.0.6 0.0.0.8", "0.0.0.8", "0.0.0.6"]
    );
    // Twice the same, and a leader that is in the list already.
    assert_eq!(
        masters(
            &[("a", "0.0.0.6"), ("b", "0.0.0.6"), ("c", "0.0.0.7")],
            "0.0.0.6",
            "leader"
        ),
        ["0.0.0.6", "0.0.0.6 0.0.0.7", "0.0.0.6", "0.0.0.7"]
    );
}
