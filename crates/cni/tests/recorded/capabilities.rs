//! Capabilities are sent where they are declared, and nowhere else.

use cni::{Bandwidth, Capabilities, DnsRequest, Join, PortMap};
use serde_json::{Map, Value, json};

use crate::recorder::{Lab, join, network, result};

fn asked() -> Capabilities {
    Capabilities {
        port_mappings: vec![
            PortMap {
                host_port: 8080,
                container_port: 80,
                protocol: "tcp".to_owned(),
                host_ip: Some("127.0.0.1".parse().unwrap()),
            },
            PortMap {
                host_port: 53,
                container_port: 5353,
                protocol: "udp".to_owned(),
                host_ip: None,
            },
        ],
        ips: vec![
            "10.1.2.3/24".parse().unwrap(),
            "fd00::3/128".parse().unwrap(),
        ],
        mac: Some("c2:11:22:33:44:55".to_owned()),
        bandwidth: Some(Bandwidth {
            ingress_rate: 2048,
            ingress_burst: 1600,
            egress_rate: 4096,
            egress_burst: 1601,
        }),
        dns: Some(DnsRequest {
            servers: vec!["10.0.0.1".to_owned()],
            searches: vec!["a.example".to_owned()],
            options: vec!["ndots:2".to_owned()],
        }),
        aliases: vec!["db".to_owned(), "primary".to_owned()],
    }
}

/// As the conventions write them.
fn sent() -> Map<String, Value> {
    let all = json!({
        "portMappings": [
            {"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "127.0.0.1"},
            {"hostPort": 53, "containerPort": 5353, "protocol": "udp"},
        ],
        "ips": ["10.1.2.3/24", "fd00::3/128"],
        "mac": "c2:11:22:33:44:55",
        "bandwidth": {"ingressRate": 2048, "ingressBurst": 1600,
            "egressRate": 4096, "egressBurst": 1601},
        "dns": {"servers": ["10.0.0.1"], "searches": ["a.example"], "options": ["ndots:2"]},
        "aliases": ["db", "primary"],
    });
    all.as_object().unwrap().clone()
}

/// What a plugin is told as `runtimeConfig`, for what it declares, by each command.
async fn told(declared: &Value, capabilities: Capabilities) -> Option<Value> {
    let lab = Lab::new();
    lab.plugin("a", &["1.1.0"]);
    lab.prints("a", "ADD", &result("10.1.2.3/24"));
    let plugins = json!([{"type": "a", "capabilities": declared}]);
    let config = network(&json!({"name": "x", "cniVersion": "1.1.0", "plugins": plugins}));
    let join = Join {
        capabilities,
        ..join("web.1", "eth0", "x")
    };
    lab.runtime.join(&config, &join).await.unwrap();
    lab.runtime.check("web.1", "eth0").await.unwrap();
    lab.runtime.leave("web.1", "eth0", None).await.unwrap();
    let calls = lab.calls();
    assert_eq!(calls.len(), 4, "VERSION, ADD, CHECK, DEL");
    for call in &calls {
        assert_eq!(call.stdin.get("capabilities"), None, "{}", call.name());
    }
    let [_, add, check, del] = calls.as_slice() else {
        unreachable!()
    };
    let ips = json!(["10.1.2.3/24", "fd00::3"]);
    let args = &add.stdin["args"]["cni"]["ips"];
    assert!(*args == ips || join.capabilities.ips.is_empty(), "{args}");
    let same = [add, check, del].map(|call| call.stdin.get("runtimeConfig").cloned());
    assert!(same.iter().all(|one| *one == same[0]), "{same:?}");
    same[0].clone()
}

#[tokio::test]
async fn each_one_is_sent_where_it_is_declared_alone() {
    for (name, value) in sent() {
        for on in [json!(true), json!("true")] {
            let only = told(&json!({&name: on, "cgroupPath": true}), asked()).await;
            assert_eq!(only, Some(json!({&name: value})), "{name}");
        }
        for off in [json!(false), json!("False")] {
            assert_eq!(told(&json!({&name: off}), asked()).await, None, "{name}");
        }
        // Declared, and nothing asked for.
        let none = told(&json!({&name: true}), Capabilities::default()).await;
        assert_eq!(none, None, "{name}");
    }
}

#[tokio::test]
async fn all_are_sent_where_all_are_declared_and_none_where_none_is() {
    let every: Map<String, Value> = sent().keys().map(|k| (k.clone(), json!(true))).collect();
    assert_eq!(told(&json!(every), asked()).await, Some(json!(sent())));
    assert_eq!(told(&Value::Null, asked()).await, None);
}

#[tokio::test]
async fn the_block_of_mesos_is_written_as_mesos_writes_it() {
    for block in [
        json!({"ip_addresses": [{"protocol": "IPv4", "ip_address": "10.0.0.1"}],
            "groups": ["foo", "bar"]}),
        json!({"ip_addresses": [{"protocol": "IPv6"}, {"ip_address": "10.0.0.7"}],
            "name": "x", "groups": ["dev"],
            "labels": {"labels": [{"key": "rack", "value": "7"}, {"key": "bare"}]},
            "port_mappings": [
                {"host_port": 31000, "container_port": 80, "protocol": "tcp"},
                {"host_port": 31001, "container_port": 81}]}),
    ] {
        let lab = Lab::new();
        lab.plugin("a", &[]);
        lab.prints("a", "ADD", &result("10.0.0.1/24"));
        let config = network(&json!({"name": "x", "type": "a"}));
        let join = Join {
            network_info: serde_json::from_value(block.clone()).unwrap(),
            ..join("web.1", "eth0", "x")
        };
        lab.runtime.join(&config, &join).await.unwrap();
        lab.runtime.leave("web.1", "eth0", None).await.unwrap();
        for call in lab.calls() {
            let told = &call.stdin["args"]["org.apache.mesos"];
            assert_eq!(*told, json!({"network_info": block}), "{}", call.name());
        }
    }
}
