//! Labels beside a VIP label, and what they do to the service and its backends.

use super::*;
use crate::settings::{Policy, Settings};

/// The settings of every service, by `protocol name:port`.
fn settings(table: &ServiceTable) -> BTreeMap<String, Settings> {
    let named = table.services.iter().map(|(key, service)| {
        let name = service
            .name
            .clone()
            .unwrap_or_else(|| key.address.to_string());
        let name = name.replace(&format!(".marathon.{ZONE}"), "");
        (
            format!("{} {name}:{}", key.protocol, key.port),
            service.settings,
        )
    });
    named.collect()
}

fn with_policy(policy: Policy) -> Settings {
    Settings {
        policy,
        ..Settings::default()
    }
}

#[test]
fn they_hold_for_all_vips_of_their_port_and_no_other() {
    let udp = TaskPort {
        protocol: Protocol::Udp,
        ..set(1, &[("sealane.balance", "hash")])
    };
    let second = [("VIP_0", "web:81"), ("sealane.weight", "9")];
    let ports = vec![
        set(
            1,
            &[("VIP_1", "11.1.1.1:80"), ("sealane.balance", "random")],
        ),
        udp,
        TaskPort {
            index: 1,
            ..port(None, Some(2), &second)
        },
    ];
    let table = Fleet::of([running("a", "n1", host("10.0.0.1"), ports)]).table("n1");
    assert!(table.problems.is_empty());
    let expected = [
        ("tcp 11.1.1.1:80", Policy::Random),
        ("tcp web:80", Policy::Random),
        ("tcp web:81", Policy::LeastLoaded),
        ("udp web:80", Policy::Hash),
    ]
    .map(|(vip, policy)| (vip.to_owned(), with_policy(policy)));
    assert_eq!(settings(&table), BTreeMap::from(expected));
    assert!(lines(&table).contains(&"tcp web:81 a far 10.0.0.1:2 weight 9".to_owned()));
}

#[test]
fn the_oldest_form_has_those_of_the_port_it_means() {
    let plain = port(None, Some(1), &[]);
    let labels = [("sealane.affinity", "10m"), ("sealane.weight", "3")];
    let meant = |protocol| TaskPort {
        index: 1,
        protocol,
        ..port(None, Some(2), &labels)
    };
    let ports = vec![plain, meant(Protocol::Udp), meant(Protocol::Tcp)];
    let (mut task, status) = running("a", "n1", host("10.0.0.1"), ports);
    task.labels = pairs(&[("vip_port1", "tcp://web:80")]);
    let table = Fleet::of([(task, status)]).table("n1");
    assert_eq!(lines(&table), ["tcp web:80 a far 10.0.0.1:2 weight 3"]);
    assert_eq!(settings(&table)["tcp web:80"].affinity, 600);
    // The declaration's other protocol has no VIP, and that is not a mistake.
    assert!(table.problems.is_empty());
}

#[test]
fn what_cannot_be_a_setting_is_a_problem_and_keeps_its_default() {
    let labels = [
        ("sealane.affinity", "10m"),
        ("sealane.balance", "fastest"),
        ("sealane.zone", "a"),
    ];
    let bare = TaskPort {
        index: 1,
        ..port(None, Some(2), &[("sealane.close", "true")])
    };
    let ports = vec![set(1, &labels), bare];
    let table = Fleet::of([running("a", "n1", host("10.0.0.1"), ports)]).table("n1");
    assert_eq!(lines(&table), ["tcp web:80 a far 10.0.0.1:1"]);
    let expected = Settings {
        affinity: 600,
        ..Settings::default()
    };
    assert_eq!(settings(&table)["tcp web:80"], expected);
    assert_eq!(
        messages(&table),
        [
            "label 'sealane.balance' has value 'fastest': 'fastest' is none of least-loaded, \
             random, hash",
            "label 'sealane.close' has value 'true': its port has no VIP, so it has no effect; \
             give the port a VIP label, for example VIP_0=/myservice:80, or take this one away",
            "label 'sealane.zone' has value 'a': a port has no such setting; it has \
             sealane.affinity, sealane.balance, sealane.close, sealane.failures, \
             sealane.locality, sealane.max-ejected, sealane.slow-start, sealane.unready, \
             sealane.weight",
        ]
    );
}

#[test]
fn weights_may_differ_from_backend_to_backend() {
    let member = |id, weight| {
        let ports = vec![set(1, &[("sealane.weight", weight)])];
        let node = if id == "a" { "n1" } else { "n2" };
        running(id, node, host("10.0.0.1"), ports)
    };
    let fleet = Fleet::of([member("a", "90"), member("b", "10")]);
    let table = fleet.table("n1");
    assert!(table.problems.is_empty());
    assert_eq!(
        lines(&table),
        [
            "tcp web:80 a far 10.0.0.1:1 weight 90",
            "tcp web:80 b far 10.0.0.2:1 weight 10"
        ]
    );
}

#[test]
fn one_address_is_one_backend_whatever_its_weights() {
    let net = cni(&[("n", &["9.0.0.2"])]);
    let mapped = |index, weight| TaskPort {
        index,
        ..port(
            Some(80),
            None,
            &[("VIP_0", "web:80"), ("sealane.weight", weight)],
        )
    };
    let ports = vec![mapped(0, "7"), mapped(1, "5")];
    let fleet = Fleet::of([running("a", "n1", net, ports)]);
    assert_eq!(
        views(&fleet)[0],
        ["tcp web:80 a near cni/n 9.0.0.2:80 weight 5"]
    );
}

#[test]
fn unready_instances_are_published_on_request() {
    use TaskState::{Failed, Killing, Running, Staging};
    let once = HealthState {
        first_success: Some(Timestamp::default()),
        ..HealthState::default()
    };
    let stop = Goal::Stop {
        reason: "scaled".into(),
    };
    let (ready, nothing) = ("tcp web:80 a far 10.0.0.1:1", "tcp web:80 nothing");
    for (state, goal, health, expected) in [
        (Running, Goal::Run, HealthState::default(), ready),
        (Running, Goal::Run, once.clone(), ready),
        (Running, stop.clone(), once.clone(), ready),
        (Killing, stop, HealthState::default(), ready),
        (Staging, Goal::Run, once.clone(), nothing),
        (Failed, Goal::Run, once, nothing),
    ] {
        let ports = vec![set(1, &[("sealane.unready", "true")])];
        let (mut task, mut status) = running("a", "n1", host("10.0.0.1"), ports);
        task.health_checks = vec![health_check()];
        task.goal = goal;
        status.healthy = Some(false);
        status.health = vec![health];
        status.state = state;
        let mut fleet = Fleet::of([(task, status)]);
        assert_eq!(views(&fleet), [[expected], [expected]], "{state:?}");
        fleet.nodes.retain(|node| node.id.0 != "n1");
        let suspended = expected.replace(":1", ":1 draining");
        assert_eq!(
            views(&fleet)[1],
            [suspended],
            "a lost node is another matter"
        );
    }
}
