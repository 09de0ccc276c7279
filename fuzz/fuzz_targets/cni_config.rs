//! Whatever a network's configuration holds, it is refused with the file's name, or it
//! is recorded and read back the same, and plugins are told what is theirs and ours.
#![no_main]

use cni::{Bandwidth, Capabilities, Join, NetworkConfig, PortMap};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &[u8]| {
    let config = match NetworkConfig::parse(text, "fuzz.conflist") {
        Ok(config) => config,
        Err(error) => {
            assert!(error.to_string().contains("fuzz.conflist"));
            return;
        }
    };
    assert!(!config.plugins.is_empty() && config.version.is_spoken());
    // A name is a file's and a directory's, and leads nowhere else.
    assert!(config.name.starts_with(|c: char| c.is_ascii_alphanumeric()));
    assert!(!config.name.contains(['/', '\\', '\0']));

    let written = config.to_value().to_string();
    let again = NetworkConfig::parse(written.as_bytes(), "fuzz.conflist");
    assert_eq!(again.ok().as_ref(), Some(&config));

    let join = join();
    for plugin in &config.plugins {
        assert!(!plugin.kind.contains('/') && !matches!(&*plugin.kind, "" | "." | ".."));
        let Ok(stdin) = join.stdin(&config, plugin, None) else {
            // The one thing that a plugin's object must not have.
            assert!(written.contains("org.apache.mesos"));
            continue;
        };
        let told: Value = serde_json::from_slice(&stdin).expect("what we write is JSON");
        assert_eq!(told["name"], config.name.as_str());
        assert_eq!(told["cniVersion"], plugin.version.to_string());
        assert_eq!((told.get("capabilities"), told.get("prevResult")), (None, None));
        for key in ["portMappings", "mac", "bandwidth", "ips", "dns", "aliases"] {
            let asked = matches!(key, "portMappings" | "mac" | "bandwidth" | "ips");
            let sent = told.pointer(&format!("/runtimeConfig/{key}")).is_some();
            assert_eq!(sent, asked && plugin.capabilities.contains(key));
        }
    }
});

fn join() -> Join {
    let map = PortMap {
        host_port: 8080,
        container_port: 80,
        protocol: "tcp".to_owned(),
        host_ip: None,
    };
    Join {
        container: "web.1".to_owned(),
        ifname: "eth0".to_owned(),
        netns: "/run/netns/web.1".into(),
        network_info: serde_json::from_str(r#"{"name": "x"}"#).ok(),
        capabilities: Capabilities {
            port_mappings: vec![map],
            ips: "10.0.0.5/32".parse().into_iter().collect(),
            mac: Some("02:00:00:00:00:01".to_owned()),
            bandwidth: Some(Bandwidth::default()),
            ..Capabilities::default()
        },
    }
}
