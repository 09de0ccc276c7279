use std::net::Ipv4Addr;

use super::*;

fn options() -> EngineOptions {
    EngineOptions {
        owner: "me".to_owned(),
        cgroup_parent: None,
        dns_server: Ipv4Addr::LOCALHOST,
        node_addresses: vec![Ipv4Addr::new(10, 0, 0, 1).into()],
        logs: "/logs".into(),
        state: "/state".into(),
    }
}

fn seen(mode: &str, state: &str, networks: &str) -> ContainerInspectResponse {
    let text = format!(
        r#"{{"Id": "abc", "State": {state},
            "Config": {{"Labels": {{"sealane.owner": "me", "sealane.task": "web.1",
                "sealane.network-info": "{{\"name\":\"web\",\"groups\":[\"g\"]}}"}}}},
            "HostConfig": {{"NetworkMode": "{mode}", "Memory": 33554432}},
            "NetworkSettings": {{"Networks": {networks}}}}}"#
    );
    serde_json::from_str(&text).unwrap()
}

const RUNNING: &str = r#"{"Status": "running", "Pid": 7, "ExitCode": 0, "Error": "",
    "StartedAt": "2026-01-02T03:04:05.678901234Z", "FinishedAt": "0001-01-01T00:00:00Z"}"#;

#[test]
fn a_running_container_on_a_user_network() {
    let networks = r#"{"other": {"IPAddress": "10.9.0.9"},
        "web": {"IPAddress": "10.1.0.2", "GlobalIPv6Address": "fd00::2"}}"#;
    let container = container(&seen("web", RUNNING, networks), &options()).unwrap();
    assert_eq!(container.phase, Phase::Running);
    assert_eq!(container.pid, Some(7));
    assert_eq!(
        container.started.unwrap().to_string(),
        "2026-01-02T03:04:05.678Z"
    );
    assert_eq!(container.ended, None);
    assert_eq!(container.networks, ["web", "other"], "its own comes first");
    let [info] = container.network_infos.as_slice() else {
        panic!("{container:?}")
    };
    assert_eq!(
        (info.name.as_deref(), &info.groups[..]),
        (Some("web"), &["g".to_owned()][..])
    );
    let addresses: Vec<_> = info.addresses().map(|ip| ip.to_string()).collect();
    assert_eq!(addresses, ["10.1.0.2", "fd00::2"]);
}

#[test]
fn host_and_none_have_no_networks_of_their_own() {
    let host = container(&seen("host", RUNNING, r#"{"host": {}}"#), &options()).unwrap();
    assert_eq!((host.network_infos.len(), host.networks.len()), (1, 0));
    assert_eq!(host.network_infos[0].name, None);
    assert_eq!(host.network_infos[0].addresses().count(), 1);
    let none = container(&seen("none", RUNNING, r#"{"none": {}}"#), &options()).unwrap();
    assert_eq!((none.network_infos.len(), none.networks.len()), (0, 0));
}

#[test]
fn a_mode_that_is_an_id_means_the_only_network() {
    let networks = r#"{"web": {"IPAddress": "10.1.0.2"}}"#;
    let container = container(&seen("0f1e2d", RUNNING, networks), &options()).unwrap();
    assert_eq!(container.network_infos[0].addresses().count(), 1);
}

#[test]
fn how_it_ended_is_told() {
    let exited = |more: &str| {
        let state = format!(
            r#"{{"Status": "exited", "ExitCode": 137, {more}, "FinishedAt": "2026-01-02T03:04:05Z"}}"#
        );
        container(&seen("host", &state, "{}"), &options())
            .unwrap()
            .phase
    };
    let reason = Some("out of memory: its limit is 32 MiB".to_owned());
    assert_eq!(
        exited(r#""OOMKilled": true"#),
        Phase::Exited { code: 137, reason }
    );
    let reason = Some("no such file".to_owned());
    assert_eq!(
        exited(r#""Error": "no such file""#),
        Phase::Exited { code: 137, reason }
    );
    assert_eq!(
        exited(r#""Error": """#),
        Phase::Exited {
            code: 137,
            reason: None
        }
    );
}

#[test]
fn nothing_ends_before_it_starts() {
    let state = r#"{"Status": "exited", "StartedAt": "2026-01-02T03:04:05.5Z",
        "FinishedAt": "2026-01-02T03:04:05.4Z"}"#;
    let container = container(&seen("host", state, "{}"), &options()).unwrap();
    assert_eq!(container.ended, container.started);
}

#[test]
fn containers_of_others_are_not_seen() {
    let stranger = EngineOptions {
        owner: "you".to_owned(),
        ..options()
    };
    assert_eq!(container(&seen("host", RUNNING, "{}"), &stranger), None);
    assert_eq!(
        container(&ContainerInspectResponse::default(), &options()),
        None
    );
}
