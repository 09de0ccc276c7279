//! The plugin with others behind it, run by our own CNI runtime.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cni::{AddResult, Capabilities, Join, NetworkConfig, PortMap, Records, Runtime};
use serde_json::{Value, json};
use testlab::wait_for;

use crate::lab::{Lab, SOON, With};
use crate::sandboxes::{Sandbox, inside, talk};

/// A setting of its namespace that containers of the chain get.
const SETTING: &str = "net.ipv4.conf.eth0.accept_local";

/// Our plugin, then the reference plugins that change what it made.
fn chain(lab: &Lab, versions: &[&str]) -> NetworkConfig {
    let mut ours = lab.cni_config(versions[0]);
    ours["capabilities"] = json!({"portMappings": true, "ips": true, "mac": true});
    let list = json!({
        "cniVersion": versions[0], "cniVersions": versions, "name": "dcos",
        "plugins": [
            ours,
            {"type": "tuning", "sysctl": {SETTING: "1"}},
        ],
    });
    NetworkConfig::parse(list.to_string().as_bytes(), "chain").unwrap()
}

fn join(sandbox: &Sandbox) -> Join {
    Join {
        container: "web.1".to_owned(),
        ifname: "eth0".to_owned(),
        netns: sandbox.path(),
        network_info: None,
        capabilities: Capabilities {
            port_mappings: vec![PortMap {
                host_port: 18081,
                container_port: 8081,
                protocol: "tcp".to_owned(),
                host_ip: None,
            }],
            mac: Some("02:42:09:00:00:07".to_owned()),
            ..Capabilities::default()
        },
    }
}

/// Runs the runtime's work on the host, where plugins must run.
fn on_host<T: Send>(lab: &Lab, work: impl Future<Output = T> + Send) -> T {
    let host = lab.host.netns_path();
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(work)
    };
    inside(&host, run).unwrap()
}

fn shown(result: &AddResult) -> Value {
    let names = result.interfaces.iter().map(|interface| &interface.name);
    json!(names.collect::<Vec<_>>())
}

#[test]
fn plugins_behind_ours_change_its_interface() {
    let lab = Lab::new("cni-chain", With::Native).unwrap();
    lab.cni_ready().unwrap();
    let records = Records::new(lab.host.directory().join("records"));
    let links: PathBuf = lab.state.join("cni-bin");
    wait_for("the link to the plugin", SOON, || {
        links.join("sealane").exists().then_some(())
    })
    .unwrap();
    let plugins = vec![links, "/usr/lib/cni".into()];
    let runtime = Runtime::new(plugins, records, Duration::from_secs(20));
    for versions in [&["0.3.1"][..], &["0.4.0", "1.0.0", "1.1.0"]] {
        let sandbox = Sandbox::new(&lab, "a").unwrap();
        let (config, join) = (chain(&lab, versions), join(&sandbox));
        let result = on_host(&lab, runtime.join(&config, &join)).unwrap();
        let own: Vec<_> = result.addresses().collect();
        assert_eq!(own.len(), 2, "{result:?}");
        let mac = sandbox.ip("-o link show eth0").unwrap();
        assert!(mac.contains("02:42:09:00:00:07"), "{mac}");
        let read = format!("/proc/sys/{}", SETTING.replace('.', "/"));
        let setting = inside(&sandbox.path(), || std::fs::read_to_string(read)).unwrap();
        assert_eq!(setting.unwrap().trim(), "1", "tuning changed it");
        assert_eq!(result.interfaces.len(), 2, "{}", shown(&result));
        let host = lab.host.netns_path();
        talk(&host, &sandbox.path(), 7001, SocketAddr::new(own[0], 7001)).unwrap();
        let port = SocketAddr::new(lab.host.address().into(), 18081);
        talk(&host, &sandbox.path(), 8081, port).unwrap();
        on_host(&lab, runtime.check("web.1", "eth0")).unwrap();
        on_host(&lab, runtime.leave("web.1", "eth0", None)).unwrap();
        assert_eq!(lab.holders().unwrap(), [""; 0]);
        assert_eq!(lab.host_ends().unwrap(), [""; 0]);
    }
}
