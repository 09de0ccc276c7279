//! No body breaks the reader, and what is accepted stays what it is.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use marathon::{
    App, Config, Update, assign_service_ports, only_scales, parse_app, parse_apps, parse_update,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Values as they come, of any type.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(WORDS.as_slice()).prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        let field = prop_oneof![
            prop::sample::select(WORDS.as_slice()).prop_map(str::to_owned),
            ".{0,3}"
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(field, inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

const WORDS: [&str; 47] = [
    "id",
    "cmd",
    "args",
    "env",
    "secret",
    "instances",
    "cpus",
    "constraints",
    "fetch",
    "uri",
    "uris",
    "portDefinitions",
    "ports",
    "port",
    "container",
    "docker",
    "image",
    "network",
    "portMappings",
    "containerPort",
    "hostPort",
    "servicePort",
    "protocol",
    "name",
    "labels",
    "VIP_0",
    "vip_port0",
    "sealane.weight",
    "sealane.translate",
    "networks",
    "mode",
    "networkNames",
    "ipAddress",
    "networkName",
    "discovery",
    "number",
    "healthChecks",
    "portIndex",
    "command",
    "value",
    "readinessChecks",
    "volumes",
    "type",
    "MESOS",
    "host",
    "tcp",
    "/a",
];

fn port() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0), Just(80), 1000..1010u16]
}

fn maybe<S: Strategy<Value = Value> + 'static>(strategy: S) -> BoxedStrategy<Value> {
    prop_oneof![Just(Value::Null), strategy].boxed()
}

fn texts(of: &'static [&'static str]) -> BoxedStrategy<Value> {
    maybe(prop::sample::select(of).prop_map(Value::from))
}

fn mappings() -> BoxedStrategy<Value> {
    let mapping = (
        port(),
        maybe(port().prop_map(Value::from)),
        port(),
        texts(&["a", "b"]),
        texts(&["tcp", "udp", "udp,tcp"]),
    );
    let mapping = mapping.prop_map(|(container, host, service, name, protocol)| {
        json!({
            "containerPort": container, "hostPort": host, "servicePort": service,
            "name": name, "protocol": protocol,
        })
    });
    maybe(prop::collection::vec(mapping, 0..3).prop_map(Value::from))
}

/// Definitions that often make sense, in old, new and mixed forms.
fn definition() -> impl Strategy<Value = Value> {
    let ports = maybe(prop::collection::vec(port(), 0..3).prop_map(Value::from));
    let definitions = prop::collection::vec((port(), texts(&["a", "b", "default"])), 0..3);
    let definitions = maybe(definitions.prop_map(|ports| {
        ports
            .into_iter()
            .map(|(port, name)| json!({ "port": port, "name": name }))
            .collect()
    }));
    let container = (
        texts(&["MESOS", "DOCKER"]),
        mappings(),
        mappings(),
        texts(&["BRIDGE", "HOST", "USER"]),
    );
    let container = maybe(container.prop_map(|(kind, new, old, network)| {
        json!({
            "type": kind, "portMappings": new,
            "docker": { "image": "i", "portMappings": old, "network": network },
        })
    }));
    let networks = texts(&["host", "container", "container/bridge"]).prop_map(|mode| match mode {
        Value::Null => Value::Null,
        mode => json!([{ "mode": mode }]),
    });
    let address = texts(&["net", "mesos-bridge", "Upper"]).prop_map(|name| match name {
        Value::Null => Value::Null,
        name => json!({ "networkName": name, "labels": { "a": "b" } }),
    });
    let checks = (
        texts(&["HTTP", "MESOS_TCP", "COMMAND"]),
        maybe(port().prop_map(Value::from)),
    );
    let checks = checks.prop_map(
        |(protocol, port)| json!([{ "protocol": protocol, "port": port, "command": null }]),
    );
    let parts = (
        ports,
        definitions,
        container,
        networks,
        address,
        maybe(checks),
        any::<bool>(),
    );
    parts.prop_map(
        |(ports, definitions, container, networks, address, checks, required)| {
            json!({
                "id": "/a", "cmd": "sleep", "ports": ports, "portDefinitions": definitions,
                "container": container, "networks": networks, "ipAddress": address,
                "healthChecks": checks, "requirePorts": required,
            })
        },
    )
}

fn config() -> Config {
    Config {
        default_network_name: Some("dcos".to_owned()),
        ..Config::default()
    }
}

fn example() -> App {
    parse_app(
        br#"{"id": "/a", "cmd": "sleep", "labels": {"a": "b"}}"#,
        &config(),
    )
    .unwrap()
}

proptest! {
    #[test]
    fn any_value_is_answered(value in any_json()) {
        let body = value.to_string();
        let _ = parse_app(body.as_bytes(), &config());
        let _ = parse_apps(body.as_bytes(), &config());
        let _ = parse_update(body.as_bytes(), &example(), &config(), true);
        let _ = parse_update(body.as_bytes(), &example(), &config(), false);
    }

    #[test]
    fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Err(rejection) = parse_app(&body, &config()) {
            prop_assert!(matches!(rejection.status, 400 | 422));
            prop_assert!(!rejection.message.is_empty());
        }
    }

    #[test]
    fn normalising_twice_is_normalising_once(value in definition()) {
        let Ok(app) = parse_app(value.to_string().as_bytes(), &config()) else {
            return Ok(());
        };
        let answer = serde_json::to_vec(&app).unwrap();
        for partial in [false, true] {
            let again = parse_update(&answer, &app, &config(), partial);
            prop_assert_eq!(again, Ok(Update::Replace(app.clone())));
        }
        prop_assert_eq!(parse_update(b"{}", &app, &config(), true), Ok(Update::Replace(app.clone())));
    }

    #[test]
    fn half_of_an_update_is_as_good_as_the_whole(value in definition(), instances in 0..9u32) {
        let existing = example();
        let Ok(Update::Replace(app)) =
            parse_update(value.to_string().as_bytes(), &existing, &config(), true)
        else {
            return Ok(());
        };
        prop_assert_eq!(&app.labels, &existing.labels);
        let body = json!({ "instances": instances }).to_string();
        let scaled = parse_update(body.as_bytes(), &app, &config(), true);
        let Ok(Update::Replace(scaled)) = scaled else {
            return Err(TestCaseError::fail("scaling was refused"));
        };
        prop_assert_eq!(only_scales(&app, &scaled), instances != app.instances);
    }

    #[test]
    fn assigned_ports_are_new_and_in_range(value in definition()) {
        let Ok(mut app) = parse_app(value.to_string().as_bytes(), &config()) else {
            return Ok(());
        };
        let before: Vec<u16> = app.service_ports().collect();
        assign_service_ports([], &mut app, &config()).unwrap();
        let mut seen = std::collections::HashSet::new();
        for (before, after) in before.into_iter().zip(app.service_ports()) {
            if before == 0 {
                prop_assert!((10_000..=20_000).contains(&after) && seen.insert(after));
            } else {
                prop_assert_eq!(before, after);
            }
        }
    }
}
