//! Table V: updates over a stored app.

use super::*;

fn host() -> App {
    accept(
        &json!({ "id": "/u", "cmd": "sleep", "portDefinitions": [{ "port": 1 }, { "port": 2 }] }),
    )
}

fn on_network() -> App {
    accept(&json!({ "id": "/u", "cmd": "sleep", "networks": [{ "name": "foo" }] }))
}

#[test]
fn table_v_nothing_is_injected_into_an_update() {
    for app in [host(), on_network()] {
        assert_eq!(put(&app, &json!({}), true), Ok(app.clone()));
    }
    let body = json!({
        "container": { "type": "DOCKER", "docker": { "image": "image0" } },
        "networks": [{ "name": "whatever" }],
    });
    let mappings = put(&host(), &body, true)
        .unwrap()
        .container
        .unwrap()
        .port_mappings
        .unwrap();
    assert_eq!(
        (mappings.len(), mappings[0].name.as_deref()),
        (1, Some("default"))
    );
}

#[test]
fn table_v_networks() {
    let bar = json!({ "networks": [{ "mode": "container", "name": "bar" }] });
    assert_eq!(
        put(&on_network(), &bar, true).unwrap().networks[0]
            .name
            .as_deref(),
        Some("bar")
    );
    let unnamed = json!({ "cmd": "sleep", "networks": [{ "mode": "container" }] });
    assert_eq!(
        refused(put(&on_network(), &unnamed, false)),
        ["/networks: Network name must be specified when container network is selected."]
    );
    let bridge = accept(&json!({
        "id": "/u", "container": { "docker": { "image": "a", "network": "BRIDGE" } },
    }));
    let image = json!({ "container": { "docker": { "image": "b" }, "portMappings": [{ "containerPort": 80 }] } });
    let updated = put(&bridge, &image, true).unwrap();
    assert_eq!(updated.networks, bridge.networks);
    assert_eq!(
        updated.container.unwrap().port_mappings.unwrap()[0].host_port,
        Some(0)
    );
}

#[test]
fn table_v_containers() {
    let cmd = accept(&json!({ "id": "/u", "cmd": "sleep" }));
    let docker = json!({ "cmd": "sleep 1", "container": { "type": "DOCKER" } });
    assert_eq!(
        refused(put(&cmd, &docker, true)),
        ["/container/docker: not defined"]
    );
    let native =
        json!({ "cmd": "sleep 1", "container": { "type": "MESOS", "docker": { "image": "i" } } });
    assert!(put(&cmd, &native, true).is_ok());
}

#[test]
fn table_v_moving_to_another_mode_is_the_same_in_part_and_in_full() {
    let body = json!({
        "cmd": "sleep",
        "container": { "type": "DOCKER", "docker": {
            "image": "i", "network": "USER", "portMappings": [{ "containerPort": 1, "servicePort": 3 }],
        } },
        "ipAddress": { "networkName": "someUserNetwork" },
    });
    let moved = put(&host(), &body, true);
    assert_eq!(moved, put(&host(), &body, false));
    let moved = moved.unwrap();
    assert_eq!(moved.service_ports().collect::<Vec<_>>(), [3]);

    let back = put(&moved, &json!({ "networks": [{ "mode": "host" }] }), true).unwrap();
    assert_eq!(back.port_definitions.unwrap().len(), 1);
    assert_eq!(back.container.unwrap().port_mappings, None);
}

#[test]
fn table_v_ports_and_ids() {
    let app = put(&host(), &json!({ "ports": [1000, 1001] }), true).unwrap();
    assert_eq!(app.service_ports().collect::<Vec<_>>(), [1000, 1001]);
    for partial in [true, false] {
        let body = json!({ "id": "/other", "cmd": "sleep 2" });
        assert_eq!(put(&host(), &body, partial).unwrap().id.as_str(), "/u");
    }
    let id = AppId::resolve("/url").unwrap();
    let app = parse_app_with_id(br#"{"id": "x", "cmd": "sleep"}"#, &id, &Config::default());
    assert_eq!(app.unwrap().id, id);
}

#[test]
fn a_version_alone_rolls_back() {
    let update = |body: Value| {
        parse_update(
            body.to_string().as_bytes(),
            &host(),
            &Config::default(),
            true,
        )
    };
    let version = "2015-02-03T12:30:00.000Z";
    let expected = Update::RollBack(Timestamp::from_millis(1_422_966_600_000));
    assert_eq!(update(json!({ "version": version })), Ok(expected.clone()));
    assert_eq!(
        update(json!({ "version": version, "id": "/u", "new": 1 })),
        Ok(expected)
    );
    for more in ["cmd", "user", "tty"] {
        let mut body = json!({ "version": version });
        body[more] = if more == "tty" {
            json!(true)
        } else {
            json!("sleep")
        };
        let text = "/: The 'version' field may only be combined with the 'id' field.";
        assert_eq!(refused(update(body)), [text], "{more}");
    }
    let text = refused(update(json!({ "version": "yesterday" })));
    assert_eq!(text, ["/version: error.expected.date.isoformat"]);
}

#[test]
fn lists_of_apps_and_of_updates() {
    let config = Config::default();
    let stored = host();
    let find = |id: &AppId| (*id == stored.id).then_some(&stored);
    let body = br#"[{"id": "/u", "instances": 3}, {"id": "/new", "cmd": "sleep"}]"#;
    let updates = parse_updates(body, find, &config, true).unwrap();
    let scaled = App {
        instances: 3,
        ..stored.clone()
    };
    assert_eq!(updates[0], (stored.id.clone(), Update::Replace(scaled)));
    assert_eq!(updates[1].0.as_str(), "/new");

    let bad = br#"[{"id": "/a", "cmd": "x"}, {"id": "/b", "cmd": "sleep"}, {"id": "/c"}]"#;
    let text = "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.";
    assert_eq!(
        refused(parse_apps(bad, &config)),
        [
            "(0): must not be an empty string".to_owned(),
            format!("(2): {text}")
        ]
    );
    let worse = br#"[{"id": "/a", "cmd": "x"}, {"id": 1}, 2]"#;
    assert_eq!(
        refused(parse_apps(worse, &config)),
        [
            "(1)/id: error.expected.jsstring",
            "(2): error.expected.jsobject"
        ]
    );
    assert_eq!(
        refused(parse_apps(b"{}", &config)),
        ["/: error.expected.jsarray"]
    );
    assert_eq!(parse_apps(b"[]", &config), Ok(Vec::new()));
}
