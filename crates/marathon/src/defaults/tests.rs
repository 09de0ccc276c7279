use serde_json::json;

use super::*;
use crate::read::{IdField, Reading, definition};
use crate::{Config, migrate, parse_app};

/// Through HTTP this body is refused before; the normaliser alone pads it.
#[test]
fn ports_beyond_the_mappings_become_mappings() {
    let body = json!({
        "container": { "docker": {
            "image": "i", "network": "USER",
            "portMappings": [{ "containerPort": 1, "hostPort": 2, "name": "port0" }],
        } },
        "ipAddress": { "networkName": "someUserNetwork" },
        "portDefinitions": [{ "name": "a" }, { "name": "b" }],
    });
    let reading = Reading {
        id: IdField::Ignored,
        known_networks: &[],
    };
    let mut definition = definition(&body, reading).unwrap();
    migrate::migrate(&mut definition, &Config::default()).unwrap();
    fill_ports(&mut definition);
    let mappings = definition
        .canonical_container()
        .unwrap()
        .port_mappings
        .clone()
        .unwrap();
    assert_eq!(mappings[0].name.as_deref(), Some("port0"));
    assert_eq!(mappings[1..], [mapping(None)]);
    assert_eq!(definition.port_definitions, None);
}

#[test]
fn one_instance_is_replaced_without_overlap() {
    let body =
        br#"{"id": "/a", "cmd": "sleep", "labels": {"MARATHON_SINGLE_INSTANCE_APP": "true"}}"#;
    let app = parse_app(body, &Config::default()).unwrap();
    let strategy = app.upgrade_strategy;
    assert_eq!(
        (
            strategy.minimum_health_capacity,
            strategy.maximum_over_capacity
        ),
        (0.0, 0.0)
    );
}

#[test]
fn persistent_volumes_wait_for_their_node() {
    let body = br#"{"id": "/a", "cmd": "sleep", "container": {"type": "MESOS", "volumes": [
        {"containerPath": "data", "mode": "rw", "persistent": {"size": 10, "maxSize": null}}]}}"#;
    let app = parse_app(body, &Config::default()).unwrap();
    assert_eq!(app.unreachable_strategy, json!("disabled"));
    assert_eq!(
        app.rest["residency"]["taskLostBehavior"],
        json!("WAIT_FOREVER")
    );
    let volumes = app.container.unwrap().volumes;
    let expected = json!({ "containerPath": "data", "mode": "RW", "persistent": { "size": 10 } });
    assert_eq!(volumes, [expected]);
}
