//! Which addresses each network mode offers to whom.

use super::*;

/// A task on `n1`, as `n1` and `n2` see it.
fn seen(net: Net, port: TaskPort) -> [String; 2] {
    let fleet = Fleet::of([running("a", "n1", net, vec![port])]);
    let [here, there] = views(&fleet);
    assert!(fleet.table("n1").problems.is_empty());
    [here.join("; "), there.join("; ")]
}

#[test]
fn host_mode_has_one_address_for_all() {
    let expected = "tcp web:80 a far 10.0.0.1:31000";
    let docker_host = docker(DockerNetwork::Host, None, &["10.0.0.1"]);
    for net in [host("10.0.0.1"), docker_host] {
        assert_eq!(seen(net, web(None, Some(31000))), [expected, expected]);
    }
}

#[test]
fn bridge_mode_has_the_container_near_and_the_host_port_far() {
    let far = "tcp web:80 a far 10.0.0.1:31000";
    for name in [None, Some("bridge"), Some("ignored")] {
        let net = docker(DockerNetwork::Bridge, name, &["172.17.0.2"]);
        assert_eq!(
            seen(net, web(Some(8080), Some(31000))),
            [
                "tcp web:80 a near docker/bridge 172.17.0.2:8080, far 10.0.0.1:31000",
                far
            ]
        );
    }
    assert_eq!(
        seen(
            cni(&[("mesos-bridge", &["172.31.254.3"])]),
            web(Some(8080), Some(31000))
        ),
        [
            "tcp web:80 a near cni/mesos-bridge 172.31.254.3:8080, far 10.0.0.1:31000",
            far
        ]
    );
}

#[test]
fn user_mode_with_a_host_port_is_like_bridge_mode() {
    let net = docker(DockerNetwork::User, Some("front"), &["172.19.0.2"]);
    assert_eq!(
        seen(net, web(Some(80), Some(31000))),
        [
            "tcp web:80 a near docker/front 172.19.0.2:80, far 10.0.0.1:31000",
            "tcp web:80 a far 10.0.0.1:31000"
        ]
    );
}

#[test]
fn without_a_host_port_only_near_clients_reach_it() {
    let net = docker(DockerNetwork::User, Some("front"), &["172.19.0.2"]);
    assert_eq!(
        seen(net, web(Some(80), None)),
        [
            "tcp web:80 a near docker/front 172.19.0.2:80",
            "tcp web:80 nothing"
        ]
    );
    assert_eq!(
        seen(cni(&[("dcos", &["9.0.1.6"])]), web(Some(80), None)),
        [
            "tcp web:80 a near cni/dcos 9.0.1.6:80",
            "tcp web:80 nothing"
        ]
    );
}

#[test]
fn networks_that_span_nodes_have_one_address_for_all() {
    let net = cni(&[("dcos", &["9.0.1.6"])]);
    let mut fleet = Fleet::of([running("a", "n1", net, vec![web(Some(80), None)])]);
    fleet.spanning = BTreeSet::from([NetworkKey::new(ContainerType::Mesos, "dcos")]);
    let expected = vec!["tcp web:80 a far 9.0.1.6:80".to_owned()];
    assert_eq!(views(&fleet), [expected.clone(), expected]);
    fleet.spanning = BTreeSet::from([NetworkKey::new(ContainerType::Docker, "dcos")]);
    assert_eq!(
        views(&fleet)[1],
        ["tcp web:80 nothing"],
        "engines have names of their own"
    );
}

#[test]
fn a_port_may_be_for_some_networks_only() {
    let networks: &[(&str, &[&str])] = &[("one", &["9.1.0.2"]), ("two", &["9.2.0.2"])];
    let on = |names: &[&str], host| {
        let network_names = names.iter().map(|it| (*it).to_owned()).collect();
        let port = TaskPort {
            network_names,
            ..web(Some(80), host)
        };
        let [here, _] = seen(cni(networks), port);
        here
    };
    let one = "tcp web:80 a near cni/one 9.1.0.2:80";
    let two = "tcp web:80 a near cni/two 9.2.0.2:80";
    assert_eq!(on(&["two"], None), two);
    assert_eq!(on(&["one", "two"], None), format!("{one}; {two}"));
    assert_eq!(on(&[], None), format!("{one}; {two}"));
    assert_eq!(
        on(&["two"], Some(31000)),
        format!("{two}, far 10.0.0.1:31000")
    );
    assert_eq!(on(&[], Some(31000)), format!("{one}, far 10.0.0.1:31000"));
    assert_eq!(on(&["three"], None), "tcp web:80 nothing");
}

#[test]
fn addresses_that_are_missing_leave_the_rest() {
    let without = docker(DockerNetwork::Bridge, None, &[]);
    let far = "tcp web:80 a far 10.0.0.1:31000";
    assert_eq!(seen(without, web(Some(80), Some(31000))), [far, far]);
    let none = docker(DockerNetwork::None, None, &[]);
    let nothing = "tcp web:80 nothing";
    assert_eq!(seen(none, web(Some(80), None)), [nothing, nothing]);
    assert_eq!(seen(host("10.0.0.1"), web(None, None)), [nothing, nothing]);
    assert_eq!(
        seen(host("10.0.0.1"), web(None, Some(0))),
        [nothing, nothing]
    );
    let contradiction = cni(&[("x", &["9.0.0.2"]), ("x", &["9.0.0.3"])]);
    assert_eq!(seen(contradiction, web(Some(80), None)), [nothing, nothing]);
}

#[test]
fn families_are_kept_apart() {
    let both = docker(
        DockerNetwork::User,
        Some("six"),
        &["172.19.0.2", "fd01:b::2"],
    );
    let labels = [
        ("VIP_0", "11.1.1.1:80"),
        ("VIP_1", "fd01:c::9:80"),
        ("VIP_2", "web:80"),
    ];
    let fleet = Fleet::of([running(
        "a",
        "n1",
        both,
        vec![port(Some(80), None, &labels)],
    )]);
    let [here, there] = views(&fleet);
    assert_eq!(
        here,
        [
            "tcp 11.1.1.1:80 a near docker/six 172.19.0.2:80",
            "tcp web:80 a near docker/six 172.19.0.2:80",
            "tcp fd01:c::9:80 a near docker/six [fd01:b::2]:80",
            "tcp web:80 a near docker/six [fd01:b::2]:80 (v6)",
        ]
    );
    assert_eq!(
        there,
        [
            "tcp 11.1.1.1:80 nothing",
            "tcp web:80 nothing",
            "tcp fd01:c::9:80 nothing"
        ]
    );
}

#[test]
fn backends_of_all_apps_and_ports_merge() {
    let two_ports = vec![web(None, Some(31001)), web(None, Some(31002))];
    let twice = port(
        None,
        Some(31003),
        &[("VIP_0", "/web:80"), ("VIP_1", "web:80")],
    );
    let fleet = Fleet::of([
        running("a", "n1", host("10.0.0.1"), two_ports),
        running("b", "n2", host("10.0.0.2"), vec![twice]),
    ]);
    assert_eq!(
        views(&fleet)[0],
        [
            "tcp web:80 a far 10.0.0.1:31001",
            "tcp web:80 a far 10.0.0.1:31002",
            "tcp web:80 b far 10.0.0.2:31003",
        ]
    );
}

#[test]
fn protocols_are_services_of_their_own() {
    let udp = TaskPort {
        protocol: Protocol::Udp,
        ..web(None, Some(6416))
    };
    let ports = vec![web(None, Some(6416)), udp];
    let fleet = Fleet::of([running("a", "n1", host("10.0.0.1"), ports)]);
    assert_eq!(
        views(&fleet)[1],
        [
            "tcp web:80 a far 10.0.0.1:6416",
            "udp web:80 a far 10.0.0.1:6416"
        ]
    );
}
