//! Table H: old network declarations, and what networks exclude each other.

use super::*;

fn network(mode: NetworkMode, name: Option<&str>, labelled: bool) -> Network {
    let labels = labelled.then(|| ("a".to_owned(), "b".to_owned()));
    Network {
        mode,
        name: name.map(str::to_owned),
        labels: labels.into_iter().collect(),
    }
}

fn translate(address: &Value, docker: &Value, given: &Value) -> Result<Vec<Network>, Rejection> {
    let config = Config {
        default_network_name: Some("dflt".to_owned()),
        ..Config::default()
    };
    let body = json!({
        "id": "/h", "container": { "docker": { "image": "i", "network": docker } },
        "ipAddress": address, "networks": given,
    });
    parse_app(body.to_string().as_bytes(), &config).map(|app| app.networks)
}

#[test]
fn table_h_old_declarations_become_networks() {
    use NetworkMode::{Bridge, Container, Host};
    let named = json!({ "networkName": "n", "labels": { "a": "b" } });
    let bridge = json!({ "networkName": "mesos-bridge", "labels": { "a": "b" } });
    let unnamed = json!({ "labels": { "a": "b" } });
    let none = Value::Null;
    let rows = [
        (&none, json!(null), network(Host, None, false)),
        (&none, json!("HOST"), network(Host, None, false)),
        (&none, json!("BRIDGE"), network(Bridge, None, false)),
        (
            &none,
            json!("USER"),
            network(Container, Some("dflt"), false),
        ),
        (&bridge, json!(null), network(Bridge, None, true)),
        (&named, json!(null), network(Container, Some("n"), true)),
        (
            &unnamed,
            json!(null),
            network(Container, Some("dflt"), true),
        ),
        (&named, json!("HOST"), network(Host, None, false)),
        (&named, json!("USER"), network(Container, Some("n"), true)),
        (&named, json!("BRIDGE"), network(Bridge, None, true)),
        (
            &bridge,
            json!("USER"),
            network(Container, Some("mesos-bridge"), true),
        ),
        // Case does not matter in enumerations.
        (&none, json!("bridge"), network(Bridge, None, false)),
    ];
    for (address, docker, expected) in rows {
        let networks = translate(address, &docker, &none);
        assert_eq!(networks, Ok(vec![expected]), "{address} {docker}");
    }
    for address in [&none, &named] {
        let text = refused(translate(address, &json!("NONE"), &none));
        assert_eq!(text, ["unsupported docker network type NONE"]);
    }
}

#[test]
fn table_h_old_and_new_do_not_mix() {
    let given = json!([{ "mode": "container", "name": "n" }]);
    assert_eq!(
        refused(translate(&json!({}), &json!("USER"), &given)),
        [
            "/: must not specify both container.docker.network and networks",
            "/: must not specify both networks and ipAddress",
        ]
    );
    let only = translate(&Value::Null, &Value::Null, &given);
    assert_eq!(
        only,
        Ok(vec![network(NetworkMode::Container, Some("n"), false)])
    );
}

#[test]
fn modes_exclude_each_other() {
    let mix =
        json!([{ "mode": "host", "name": "h" }, { "mode": "container/bridge", "name": "b" }, {}]);
    assert_eq!(
        refused(post(
            &json!({ "id": "/m", "cmd": "sleep", "networks": mix })
        )),
        [
            "/networks: Host networks may not have names or labels",
            "/networks: Bridge networks may not have names",
            "/networks: May specify a single host network, single bridge network, or else 1-to-n container networks",
            "/networks: Network name must be specified when container network is selected.",
        ]
    );
}

#[test]
fn groups_are_a_label_of_the_network() {
    let names = |networks: &[Network]| networks[0].groups().into_iter().collect::<Vec<_>>();
    let old = json!({ "networkName": "n", "groups": ["b", "a"] });
    let networks = translate(&old, &json!("USER"), &Value::Null).unwrap();
    assert_eq!(networks[0].labels["sealane.groups"], "b,a");
    assert_eq!(names(&networks), ["a", "b"]);
    // What was read back may be sent again, as it is.
    let given =
        json!([{ "mode": "container", "name": "n", "labels": { "sealane.groups": "b,a" } }]);
    let again = translate(&Value::Null, &Value::Null, &given).unwrap();
    assert_eq!(again, networks);
    // The label of the old form is heard as well.
    let both = json!({ "networkName": "n", "groups": ["a"], "labels": { "sealane.groups": "c" } });
    let networks = translate(&both, &json!("USER"), &Value::Null).unwrap();
    assert_eq!(names(&networks), ["c"]);

    for (groups, text) in [
        (json!(["a,b"]), "is no name of a group"),
        (json!([""]), "name is empty"),
        (json!(vec!["x".repeat(200)]), "is no name of a group"),
    ] {
        let old = json!({ "networkName": "n", "groups": groups });
        let refused = translate(&old, &json!("USER"), &Value::Null).unwrap_err();
        let refused = serde_json::to_string(&refused).unwrap();
        assert!(refused.contains("/ipAddress/groups"), "{refused}");
        assert!(refused.contains(text), "{refused}");
    }
    let given =
        json!([{ "mode": "container", "name": "n", "labels": { "sealane.groups": "a b" } }]);
    let refused = translate(&Value::Null, &Value::Null, &given).unwrap_err();
    let refused = serde_json::to_string(&refused).unwrap();
    assert!(
        refused.contains("/networks(0)/labels/sealane.groups"),
        "{refused}"
    );
}
