//! Labels that are meant for VIPs: those of ports and of the app.

use super::*;

#[test]
fn labels_that_ask_for_a_vip_are_checked_and_others_are_free() {
    let with = |key: &str, value: &str| {
        post(&json!({
            "id": "/a", "cmd": "sleep", "networks": [{ "mode": "container/bridge" }],
            "container": { "type": "MESOS", "portMappings": [{}, { "labels": { key: value } }] },
        }))
    };
    for key in ["Vip_0", "vIP_0", "MY_VIP_0", "HAPROXY_0_VHOST"] {
        assert!(with(key, "no-port").is_ok(), "{key}");
    }
    for value in ["/a:80", "a:80", "10.0.0.1:80", "fd01:c::254:10007"] {
        assert!(with("VIP_0", value).is_ok(), "{value}");
    }
    for value in ["no-port", "a:null", "a:70000", ":80"] {
        let problems = refused(with("VIP_1", value));
        assert_eq!(problems.len(), 1, "{value}");
        let place = "/container/portMappings(1)/labels/VIP_1: ";
        assert!(problems[0].starts_with(place), "{}", problems[0]);
    }
}

/// The problems of an app with labels of its own and of its ports.
fn problems(app: &Value, ports: &[Value], mode: &str) -> Vec<String> {
    let ports: Vec<Value> = ports.iter().map(|it| json!({ "labels": it })).collect();
    let network = match mode {
        "container" => json!({ "mode": mode, "name": "n" }),
        _ => json!({ "mode": mode }),
    };
    let mut body = json!({ "id": "/a", "cmd": "sleep", "labels": app, "networks": [network] });
    if mode == "host" {
        body["portDefinitions"] = ports.into();
    } else {
        body["container"] = json!({ "type": "MESOS", "portMappings": ports });
    }
    post(&body).map_or_else(|error| refused::<App>(Err(error)), |_| Vec::new())
}

#[test]
fn settings_are_checked_where_they_stand() {
    let port = json!({ "VIP_0": "/a:80", "sealane.balance": "wlc", "sealane.weight": "10" });
    for (mode, place) in [
        ("host", "/portDefinitions(1)"),
        ("container/bridge", "/container/portMappings(1)"),
        ("container", "/container/portMappings(1)"),
    ] {
        assert_eq!(
            problems(&json!({}), &[json!({}), port.clone()], mode),
            [format!(
                "{place}/labels/sealane.balance: label 'sealane.balance' has value 'wlc': 'wlc' \
                 is none of least-loaded, random, hash"
            )]
        );
    }
}

#[test]
fn labels_of_the_app_are_checked_too() {
    let app = json!({
        "owner": "me", "sealane.translate": "off", "sealane.weight": "3", "vip_port0": "a:80",
        "vip_port4": "tcp://a:80",
    });
    let found = problems(&app, &[json!({})], "host");
    let told = [
        "/labels/sealane.translate: label 'sealane.translate' has value 'off': 'off' is none of \
         true, false",
        "/labels/sealane.weight: label 'sealane.weight' has value '3': it is for a port; move it \
         to the port that has the VIP label",
        "/labels/vip_port0: VIP label 'vip_port0' has value 'a:80': a task's label begins with \
         tcp:// or udp://, for example tcp://myservice:6666",
        "/labels/vip_port4: VIP label 'vip_port4' has value 'tcp://a:80': the task has 1 host \
         ports, counted from 0; there is no number 4",
    ];
    assert_eq!(found, told);
    let app = json!({ "sealane.translate": "false", "vip_port0": "udp://a:80" });
    assert_eq!(problems(&app, &[json!({})], "host"), [""; 0]);
}

#[test]
fn settings_of_a_port_without_a_vip_are_refused() {
    let ports = [json!({ "sealane.close": "true" })];
    let place =
        "/labels/sealane.close: label 'sealane.close' has value 'true': its port has no VIP";
    for mode in ["host", "container/bridge", "container"] {
        let found = problems(&json!({}), &ports, mode);
        assert!(
            found.len() == 1 && found[0].contains(place),
            "{mode}: {found:?}"
        );
    }
    // The oldest form counts host ports, which the bridge gives to every mapping.
    let oldest = json!({ "vip_port0": "tcp://a:80" });
    for mode in ["host", "container/bridge"] {
        assert_eq!(problems(&oldest, &ports, mode), [""; 0], "{mode}");
    }
    let found = problems(&oldest, &ports, "container");
    assert_eq!(found.len(), 2, "{found:?}");
}
