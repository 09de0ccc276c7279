use std::net::SocketAddr;

use model::Protocol;
use serde_json::{Value, json};

use super::seen::{self, Namespace};
use super::*;
use crate::{Attached, Condition, ExposedPort};

/// A container that somebody started with `docker run`; `change` is merged into it.
fn seen(change: &Value) -> ContainerInspectResponse {
    let mut whole = json!({
        "Id": "abc", "Name": "/web",
        "State": {"Status": "running", "Pid": 7},
        "Config": {"Labels": {"VIP_0": "web:80"}, "ExposedPorts": {"8080/tcp": {}}},
        "HostConfig": {"NetworkMode": "front"},
        "NetworkSettings": {
            "Ports": {"8080/tcp": null},
            "Networks": {
                "back": {"NetworkID": "0b", "IPAddress": "10.2.0.2"},
                "front": {"NetworkID": "0f1e2d", "IPAddress": "10.1.0.2",
                          "GlobalIPv6Address": "fd00::2"},
            },
        },
    });
    merge(&mut whole, change);
    serde_json::from_value(whole).unwrap()
}

fn merge(whole: &mut Value, change: &Value) {
    match (whole, change) {
        (Value::Object(whole), Value::Object(change)) => {
            for (key, value) in change {
                merge(whole.entry(key).or_insert(Value::Null), value);
            }
        }
        (whole, change) => *whole = change.clone(),
    }
}

fn sighted(change: &Value) -> Option<Sighting> {
    seen::sighting(&seen(change), &Namespace::Own)
}

fn networks(attached: &Attached) -> Vec<(String, Vec<String>)> {
    let Attached::Networks(networks) = attached else {
        panic!("{attached:?}")
    };
    let text = |network: &mesos::NetworkInfo| {
        let addresses = network.addresses().map(|address| address.to_string());
        (network.name.clone().unwrap(), addresses.collect())
    };
    networks.iter().map(text).collect()
}

fn port(port: u16, protocol: Protocol, published: &[&str]) -> ExposedPort {
    let published = published.iter().map(|text| text.parse().unwrap());
    ExposedPort {
        port,
        protocol,
        published: published.collect::<Vec<SocketAddr>>(),
    }
}

#[test]
fn a_plain_container() {
    let sighting = sighted(&json!({})).unwrap();
    assert_eq!((&*sighting.id, &*sighting.name), ("abc", "web"));
    assert_eq!(sighting.labels["VIP_0"], "web:80");
    assert_eq!(sighting.pid, Some(7));
    assert_eq!(sighting.condition, Condition::Ready);
    assert_eq!(sighting.stop_signal, 15);
    assert_eq!(sighting.ports, [port(8080, Protocol::Tcp, &[])]);
    let expected = [
        ("front", &["10.1.0.2", "fd00::2"][..]),
        ("back", &["10.2.0.2"]),
    ];
    let expected = expected.map(|(name, addresses)| {
        (
            name.to_owned(),
            addresses.iter().map(ToString::to_string).collect(),
        )
    });
    assert_eq!(
        networks(&sighting.attached),
        expected,
        "its own comes first"
    );
}

#[test]
fn a_sealanes_containers_are_nobody_elses() {
    let ours = json!({"Config": {"Labels": {"sealane.owner": "another-sealane"}}});
    assert_eq!(sighted(&ours), None);
    assert_eq!(
        seen::sighting(&ContainerInspectResponse::default(), &Namespace::Own),
        None
    );
}

#[test]
fn what_runs_and_how() {
    for (status, health, expected) in [
        ("running", Value::Null, Some(Condition::Ready)),
        ("running", json!({"Status": "none"}), Some(Condition::Ready)),
        (
            "running",
            json!({"Status": "healthy"}),
            Some(Condition::Ready),
        ),
        (
            "running",
            json!({"Status": "starting"}),
            Some(Condition::Starting),
        ),
        (
            "running",
            json!({"Status": "unhealthy"}),
            Some(Condition::Unhealthy),
        ),
        (
            "paused",
            json!({"Status": "healthy"}),
            Some(Condition::Paused),
        ),
        ("created", Value::Null, None),
        ("restarting", Value::Null, None),
        ("removing", Value::Null, None),
        ("exited", json!({"Status": "healthy"}), None),
        ("dead", Value::Null, None),
    ] {
        let change = json!({"State": {"Status": status, "Health": health}});
        let condition = sighted(&change).map(|sighting| sighting.condition);
        assert_eq!(condition, expected, "{status} {health}");
    }
}

#[test]
fn ports_from_wherever_they_are_named() {
    let change = json!({
        "Config": {"ExposedPorts": {"53/udp": {}, "53/tcp": {}, "9/sctp": {}, "0/tcp": {}}},
        "HostConfig": {"PortBindings": {"70/tcp": [{"HostIp": "", "HostPort": ""}]}},
        "NetworkSettings": {"Ports": {
            "8080/tcp": [{"HostIp": "::", "HostPort": "32768"},
                         {"HostIp": "0.0.0.0", "HostPort": "32768"}],
            "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "5353"}],
            "70/tcp": [{"HostIp": "", "HostPort": "7000"}, {"HostIp": "x", "HostPort": "1"}],
            "x/tcp": null,
        }},
    });
    assert_eq!(
        sighted(&change).unwrap().ports,
        [
            port(53, Protocol::Tcp, &[]),
            port(53, Protocol::Udp, &["127.0.0.1:5353"]),
            port(70, Protocol::Tcp, &["0.0.0.0:7000"]),
            port(8080, Protocol::Tcp, &["0.0.0.0:32768", "[::]:32768"]),
        ]
    );
}

#[test]
fn host_none_and_a_network_by_its_id() {
    let mode = |mode: &str| sighted(&json!({"HostConfig": {"NetworkMode": mode}})).unwrap();
    assert_eq!(mode("host").attached, Attached::Host);
    assert_eq!(mode("none").attached, Attached::Networks(Vec::new()));
    assert_eq!(networks(&mode("0f1e2d").attached)[0].0, "front");
    assert_eq!(networks(&mode("0b").attached)[0].0, "back");
}

#[test]
fn a_shared_namespace_has_the_addresses_and_ports_of_its_owner() {
    let change = json!({"HostConfig": {"NetworkMode": "container:def"},
        "NetworkSettings": {"Ports": {}, "Networks": {}}});
    let sharing = seen(&change);
    assert_eq!(super::sharing(&sharing).as_deref(), Some("def"));
    let owner = seen(
        &json!({"Id": "def", "Config": {"ExposedPorts": {"1/tcp": {}}},
        "NetworkSettings": {"Ports": {"8080/tcp": [{"HostIp": "0.0.0.0", "HostPort": "80"}]}}}),
    );
    assert_eq!(super::sharing(&owner), None);
    let shared = seen::sighting(&sharing, &Namespace::Of(Box::new(owner))).unwrap();
    assert_eq!(networks(&shared.attached)[0].0, "front");
    let own_alone = [port(8080, Protocol::Tcp, &["0.0.0.0:80"])];
    assert_eq!(shared.ports, own_alone, "what the owner serves is not ours");
    let orphan = seen::sighting(&sharing, &Namespace::Gone("def".to_owned())).unwrap();
    assert_eq!(orphan.attached, Attached::Orphaned);
    for sighting in [&shared, &orphan] {
        assert_eq!(sighting.shares.as_deref(), Some("def"));
    }
}

#[test]
fn the_signal_that_ends_it() {
    let nginx = json!({"Config": {"StopSignal": "SIGQUIT"}});
    assert_eq!(sighted(&nginx).unwrap().stop_signal, 3);
    let odd = json!({"Config": {"StopSignal": "SIGODD"}});
    assert_eq!(sighted(&odd).unwrap().stop_signal, 15);
}

#[test]
fn news_name_the_container() {
    let news = |event: Value| news(&serde_json::from_value(event).unwrap());
    let of_abc = |signal| {
        let container = "abc".to_owned();
        Some(News { container, signal })
    };
    let actor = json!({"ID": "abc", "Attributes": {"signal": "15"}});
    let event = json!({"Type": "container", "Action": "kill", "Actor": actor});
    assert_eq!(news(event), of_abc(Some(15)));
    let event = json!({"Type": "container", "Action": "die", "Actor": actor});
    assert_eq!(news(event), of_abc(None));
    let event = json!({"Type": "container", "Action": "health_status: healthy",
                       "Actor": {"ID": "abc"}});
    assert_eq!(news(event), of_abc(None));
    let actor = json!({"ID": "a network", "Attributes": {"container": "abc"}});
    let event = json!({"Type": "network", "Action": "connect", "Actor": actor});
    assert_eq!(news(event), of_abc(None));
    assert_eq!(news(json!({"Type": "network", "Action": "connect"})), None);
}
