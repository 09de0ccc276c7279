//! Table I: service ports, with ranges that include both ends.

use super::*;

fn range(min: u16, max: u16) -> Config {
    Config {
        local_port_min: min,
        local_port_max: max,
        ..Config::default()
    }
}

fn host(id: &str, ports: &[u16]) -> App {
    let definitions: Value = ports.iter().map(|port| json!({ "port": port })).collect();
    // Repeated numbers are refused in host mode, so they are set afterwards.
    let zeros: Value = ports.iter().map(|_| json!({})).collect();
    let mut app = accept(&json!({ "id": id, "cmd": "sleep", "portDefinitions": zeros }));
    app.port_definitions = serde_json::from_value(
        definitions
            .as_array()
            .unwrap()
            .iter()
            .map(|it| json!({ "port": it["port"], "protocol": "tcp" }))
            .collect(),
    )
    .unwrap();
    app
}

fn mapped(id: &str, mappings: &Value) -> App {
    accept(&json!({
        "id": id, "cmd": "sleep", "networks": [{ "name": "n" }],
        "container": { "type": "MESOS", "portMappings": mappings },
    }))
}

fn ports(app: &App) -> Vec<u16> {
    app.service_ports().collect()
}

/// Assigns to `apps` one after the other, beside the apps of `before`.
fn assign(config: &Config, before: &[App], apps: &mut [App]) -> Result<(), Rejection> {
    for index in 0..apps.len() {
        let (assigned, rest) = apps.split_at_mut(index);
        assign_service_ports(before.iter().chain(assigned.iter()), &mut rest[0], config)?;
    }
    Ok(())
}

#[test]
fn table_i_in_host_mode() {
    type Row = (
        &'static str,
        &'static [u16],
        &'static [&'static [u16]],
        &'static [&'static [u16]],
    );
    let rows: [Row; 6] = [
        ("I01", &[], &[&[0, 1]], &[&[10, 1]]),
        (
            "I02",
            &[],
            &[&[0, 0, 0], &[1, 2, 3], &[0, 2, 0]],
            &[&[10, 11, 12], &[1, 2, 3], &[13, 2, 14]],
        ),
        ("I03", &[10, 11], &[&[10, 0, 11]], &[&[10, 12, 11]]),
        (
            "I04",
            &[],
            &[&[0, 0, 0], &[0, 2, 0]],
            &[&[10, 11, 12], &[13, 2, 14]],
        ),
        ("I05", &[], &[&[0, 10]], &[&[11, 10]]),
        ("I06", &[11, 10], &[&[0, 0, 0]], &[&[11, 10, 12]]),
    ];
    for (row, before, given, expected) in rows {
        let before = [host("/app0", before)];
        let mut apps: Vec<App> = given
            .iter()
            .zip(0..)
            .map(|(it, n)| host(&format!("/app{n}"), it))
            .collect();
        assign(&range(10, 20), &before, &mut apps).unwrap();
        let assigned: Vec<Vec<u16>> = apps.iter().map(ports).collect();
        assert_eq!(assigned, expected, "{row}");
    }
}

#[test]
fn table_i_exhausted() {
    let mut apps = [host("/app1", &[0, 0, 0]), host("/app2", &[0, 0, 0])];
    let rejection = assign(&range(10, 14), &[], &mut apps).unwrap_err();
    assert_eq!(
        rejection.message,
        "All ports in the range [10-14) are already in use"
    );
    assert_eq!((rejection.status, ports(&apps[1])), (500, vec![0, 0, 0]));
}

#[test]
fn table_i_on_container_networks() {
    let host_ports = |app: &App| -> Vec<Option<u16>> {
        let mappings = app
            .container
            .as_ref()
            .unwrap()
            .port_mappings
            .as_ref()
            .unwrap();
        mappings.iter().map(|it| it.host_port).collect()
    };
    let mut i08 = [mapped(
        "/a",
        &json!([
            { "hostPort": 0 }, { "hostPort": 10555, "servicePort": 10555 },
            { "hostPort": 31337 }, { "hostPort": 0 },
        ]),
    )];
    assign(&range(10, 14), &[], &mut i08).unwrap();
    assert_eq!(ports(&i08[0]), [10, 10555, 11, 12]);
    assert_eq!(
        host_ports(&i08[0]),
        [Some(0), Some(10555), Some(31337), Some(0)]
    );

    let mut i09 = [mapped("/a", &json!([{}])), mapped("/b", &json!([{}]))];
    assign(&range(10, 12), &[], &mut i09).unwrap();
    assert_eq!((ports(&i09[0]), ports(&i09[1])), (vec![10], vec![11]));
    assert_eq!(host_ports(&i09[0]), [None]);

    let mut i11 = [mapped("/a", &Value::Null)];
    assign(&range(10, 11), &[], &mut i11).unwrap();
    assert_eq!(
        (ports(&i11[0]), host_ports(&i11[0])),
        (vec![10], vec![None])
    );

    let mut i12 = [mapped(
        "/a",
        &json!([{ "servicePort": 80 }, { "servicePort": 81 }]),
    )];
    assign(&range(10, 20), &[], &mut i12).unwrap();
    assert_eq!(ports(&i12[0]), [80, 81]);

    let mut i13 = [mapped("/a", &json!([]))];
    let unchanged = i13.clone();
    assign(&range(10, 15), &[], &mut i13).unwrap();
    assert_eq!(i13, unchanged);
}

#[test]
fn table_i_zero_is_never_assigned() {
    let bridge = json!({
        "id": "/b", "cmd": "sleep", "networks": [{ "mode": "container/bridge" }],
    });
    let mut apps = [
        accept(&bridge),
        mapped("/c", &json!([{ "hostPort": 0 }, {}])),
    ];
    assign(&range(0, 11), &[], &mut apps).unwrap();
    assert_eq!((ports(&apps[0]), ports(&apps[1])), (vec![1], vec![2, 3]));
}

#[test]
fn table_i_a_put_gets_a_default_port() {
    let tomcat = json!({
        "id": "/t", "container": { "docker": { "image": "tomcat", "network": "HOST" } },
    });
    let mut app = accept(&tomcat);
    assign_service_ports([], &mut app, &Config::default()).unwrap();
    assert_eq!(ports(&app), [10_000]);
}
