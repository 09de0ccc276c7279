//! All chained plugins at once, undone whole.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use cni::{Bandwidth, Capabilities, CniError, NetworkConfig, Records, Runtime};
use serde_json::{Value, json};

use crate::lab::{Container, Lab, network, port};

fn chain(lab: &Lab) -> Vec<Value> {
    vec![
        lab.bridge("br-a", "10.88.0.0/24"),
        json!({"type": "tuning", "capabilities": {"mac": true}, "dataDir": lab.path("tuning")}),
        json!({"type": "portmap", "capabilities": {"portMappings": true}}),
        json!({"type": "firewall", "backend": "iptables"}),
        json!({"type": "bandwidth", "capabilities": {"bandwidth": true}}),
    ]
}

fn wanted() -> Capabilities {
    Capabilities {
        mac: Some("02:11:22:33:44:55".to_owned()),
        bandwidth: Some(Bandwidth {
            ingress_rate: 8_000_000,
            ingress_burst: 800_000,
            egress_rate: 4_000_000,
            egress_burst: 400_000,
        }),
        ..port(31090, 80)
    }
}

#[test]
fn five_plugins_leave_nothing_behind() {
    let lab = Lab::new("cni-chain");
    let config = network("net", &chain(&lab));
    let container = Container::new();
    let before = lab.left_behind();
    container.serve(80);
    for _ in 0..2 {
        lab.add(&config, &container, wanted()).unwrap();
        assert_ne!(lab.left_behind(), before);
        let host = std::net::IpAddr::from(lab.host.address());
        lab.talk((host, 31090).into()).unwrap();
        lab.leave(&container).unwrap();
        assert_eq!(lab.left_behind(), before);
        assert!(lab.leases("net").is_empty());
        assert!(!container.sh("ip -o link").contains("eth0"));
    }
}

#[test]
fn a_last_plugin_that_fails_undoes_the_five_before_it() {
    let lab = Lab::new("cni-undo");
    let own = lab.path("plugins");
    fs::create_dir(&own).unwrap();
    let script = "#!/bin/sh\n[ $CNI_COMMAND != ADD ] || { echo broken >&2; exit 1; }\n";
    fs::write(own.join("breaks"), script).unwrap();
    fs::set_permissions(own.join("breaks"), fs::Permissions::from_mode(0o755)).unwrap();
    let records = Records::new(lab.path("records"));
    let runtime = Runtime::new(
        vec![own, "/usr/lib/cni".into()],
        records,
        Duration::from_secs(60),
    );
    let lab = Lab { runtime, ..lab };
    let mut plugins = chain(&lab);
    plugins.push(json!({"type": "breaks"}));
    let config: NetworkConfig = network("net", &plugins);
    let container = Container::new();
    let before = lab.left_behind();
    let error = lab.add(&config, &container, wanted()).unwrap_err();
    assert!(matches!(error, CniError::Exit { .. }), "{error}");
    assert!(error.to_string().contains("broken"), "{error}");
    assert_eq!(lab.left_behind(), before);
    assert!(lab.leases("net").is_empty());
    assert!(lab.runtime.records().containers().unwrap().is_empty());
    assert!(!container.sh("ip -o link").contains("eth0"));
}
