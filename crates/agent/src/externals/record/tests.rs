use engines::ExposedPort;

use super::*;
use crate::externals::tests::{node, sighting};

fn with_labels(labels: &[(&str, &str)]) -> Sighting {
    let labels = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Sighting {
        labels: labels.collect(),
        ..sighting("web")
    }
}

fn exposed(port: u16, protocol: Protocol, published: &[&str]) -> ExposedPort {
    ExposedPort {
        port,
        protocol,
        published: published.iter().map(|it| it.parse().unwrap()).collect(),
    }
}

fn recorded(sighting: &Sighting) -> External {
    record(sighting, false, &node()).unwrap()
}

/// Ports as `protocol container-port host-port keys…`.
fn shown(external: &External) -> Vec<String> {
    let ports = external.ports.iter();
    ports
        .map(|port| {
            let keys: Vec<_> = port.labels.keys().map(String::as_str).collect();
            let number = |port: Option<u16>| port.map_or("-".to_owned(), |it| it.to_string());
            let (inside, outside) = (number(port.container_port), number(port.host_port));
            format!("{} {inside} {outside} {}", port.protocol, keys.join(" "))
        })
        .collect()
}

#[test]
fn a_container_with_one_vip() {
    let external = recorded(&sighting("web"));
    assert_eq!((&*external.container, &*external.name), ("id-web", "web"));
    assert_eq!(external.node, node().id);
    assert_eq!(external.state, ExternalState::Ready);
    assert_eq!(shown(&external), ["tcp 8080 - VIP_0"]);
    assert_eq!(external.network_infos[0].name.as_deref(), Some("front"));
    assert_eq!(external.network_infos[0].addresses().count(), 1);
    assert_eq!(external.problems, [""; 0]);
}

#[test]
fn vips_of_one_port_share_it_and_protocols_are_apart() {
    let mut dns = with_labels(&[
        ("VIP_0", "dns:53"),
        ("VIP_1", "resolver:53"),
        ("VIP_2", "metrics:80"),
        ("VIP_2.port", "9153"),
        ("sealane.balance", "random"),
    ]);
    dns.ports = vec![
        exposed(53, Protocol::Tcp, &["0.0.0.0:5300"]),
        exposed(53, Protocol::Udp, &[]),
        exposed(9153, Protocol::Tcp, &["127.0.0.1:9153"]),
    ];
    assert_eq!(
        shown(&recorded(&dns)),
        [
            "tcp 53 5300 VIP_0 VIP_1 sealane.balance",
            "udp 53 - VIP_0 VIP_1 sealane.balance",
            "tcp 9153 - VIP_2 sealane.balance",
        ]
    );
}

#[test]
fn on_the_nodes_network_ports_are_the_nodes() {
    let mut host = sighting("web");
    host.attached = Attached::Host;
    let external = recorded(&host);
    assert!(external.host_network);
    assert_eq!(shown(&external), ["tcp 8080 8080 VIP_0"]);
    let [network] = external.network_infos.as_slice() else {
        panic!("{external:?}")
    };
    assert_eq!(network.name, None);
    assert!(network.addresses().eq(node().addresses));
}

#[test]
fn problems_keep_the_rest() {
    let mut several = with_labels(&[
        ("VIP_0", "web:80"),
        ("VIP_0.port", "81"),
        ("VIP_1", "web"),
        ("VIP_2", "other:99"),
    ]);
    several.ports = vec![
        exposed(80, Protocol::Tcp, &[]),
        exposed(81, Protocol::Tcp, &[]),
    ];
    let external = recorded(&several);
    assert_eq!(shown(&external), ["tcp 81 - VIP_0"]);
    let [label, port] = external.problems.as_slice() else {
        panic!("{external:?}")
    };
    assert!(
        label.contains("'VIP_1' has value 'web': no port"),
        "{label}"
    );
    let expected = "VIP label 'VIP_2' has value 'other:99': the container exposes ports 80 and 81,";
    assert!(port.starts_with(expected), "{port}");
    assert!(port.ends_with("with the label VIP_2.port"), "{port}");
}

#[test]
fn without_a_network_it_is_known_and_unreachable() {
    let mut alone = sighting("web");
    alone.attached = Attached::Networks(Vec::new());
    let external = recorded(&alone);
    assert_eq!(shown(&external), ["tcp 8080 - VIP_0"]);
    assert!(
        external.problems[0].contains("on no network"),
        "{external:?}"
    );
    let mut orphan = sighting("web");
    orphan.attached = Attached::Orphaned;
    orphan.shares = Some("0123456789abcdef".to_owned());
    let external = recorded(&orphan);
    assert!(external.network_infos.is_empty());
    let told = &external.problems[0];
    assert!(
        told.contains("network of container 0123456789ab,"),
        "{told}"
    );
}

#[test]
fn states() {
    for (condition, ending, expected) in [
        (Condition::Starting, false, ExternalState::Starting),
        (Condition::Starting, true, ExternalState::Starting),
        (Condition::Ready, false, ExternalState::Ready),
        (Condition::Ready, true, ExternalState::Draining),
        (Condition::Unhealthy, false, ExternalState::Draining),
        (Condition::Paused, false, ExternalState::Draining),
    ] {
        let seen = Sighting {
            condition,
            ..sighting("web")
        };
        let external = record(&seen, ending, &node()).unwrap();
        assert_eq!(external.state, expected, "{condition:?} {ending}");
    }
}

#[test]
fn without_labels_for_us_there_is_no_record() {
    assert_eq!(record(&with_labels(&[("a", "b")]), false, &node()), None);
}

#[test]
fn problems_of_labels_with_control_characters_can_be_printed() {
    let escape = "VIP_\u{1b}[2J";
    let part = format!("{escape}.door");
    for labels in [
        &[(escape, "web:80")][..],
        &[(&*part, "1"), (escape, "web:80")],
    ] {
        let external = recorded(&Sighting {
            ports: Vec::new(),
            ..with_labels(labels)
        });
        assert_eq!(external.problems.len(), labels.len());
        for problem in &external.problems {
            assert!(problem.contains("VIP_\\u{1b}[2J"), "{problem}");
            assert!(!problem.contains(char::is_control), "{problem:?}");
        }
    }
}
