//! The network that Mesos' own tests use, with their traps: a configuration without
//! extension, version and address plugin; a script that does not begin with `#!`; a
//! result without version; and a DEL that fails where a namespace is named that is none.

use std::fs;
use std::path::Path;

use cni::CniError;

use crate::lab::{self, Lab};

const MOCK: &str = r#"
#!/bin/sh
set -e
if [ "x$CNI_COMMAND" = "xADD" ]; then
  echo '{"ip4": {"ip": "192.0.2.7/24"}, "dns": {"nameservers": ["192.0.2.1"]}}'
fi
if [ "x$CNI_COMMAND" = "xDEL" ]; then
  echo deleted >> "${0%/*}/deleted"
  if [ ! -z "$CNI_NETNS" ]; then
    [ "$(stat -L -c %d "$CNI_NETNS")" = "$(stat -L -c %d /proc/self/ns/net)" ]
  fi
fi
"#;

fn lab(plugin: &str, script: &str) -> (Lab, cni::NetworkConfig) {
    let lab = Lab::new();
    lab.plugin(plugin, script);
    let directory = lab.directory().join("configs");
    fs::create_dir(&directory).unwrap();
    let text = format!(r#"{{"name": "mesos-test", "type": "{plugin}"}}"#);
    fs::write(directory.join("mockConfig"), text).unwrap();
    let config = cni::find(&[directory], "mesos-test").unwrap();
    (lab, config)
}

fn deleted(lab: &Lab) -> usize {
    let log = fs::read_to_string(lab.bin("deleted")).unwrap_or_default();
    log.lines().count()
}

#[tokio::test]
async fn the_mock_plugin_joins_and_leaves() {
    let (lab, config) = lab("mockPlugin", MOCK);
    let result = lab.add(&config).await.unwrap();
    let addresses: Vec<String> = result.addresses().map(|ip| ip.to_string()).collect();
    assert_eq!(addresses, ["192.0.2.7"]);
    assert_eq!(result.dns.nameservers, ["192.0.2.1"]);
    let netns = Path::new("/proc/self/ns/net");
    lab.runtime
        .leave("web.1", "eth0", Some(netns))
        .await
        .unwrap();
    assert_eq!(deleted(&lab), 1);
}

#[tokio::test]
async fn a_restarted_runtime_deletes_nothing_of_a_living_container() {
    let (lab, config) = lab("mockPlugin", MOCK);
    lab.add(&config).await.unwrap();
    let records = cni::Records::new(lab.directory().join("records"));
    let limit = std::time::Duration::from_secs(20);
    let restarted = cni::Runtime::new(vec![lab.directory().join("bin")], records, limit);
    let known = restarted.records().of("web.1").unwrap();
    let address = known[0].result().unwrap().addresses().next();
    assert_eq!(address, "192.0.2.7".parse().ok());
    assert_eq!(deleted(&lab), 0);
    restarted.leave("web.1", "eth0", None).await.unwrap();
    assert_eq!(deleted(&lab), 1);
}

#[tokio::test]
async fn after_a_reboot_the_namespace_is_not_named() {
    let (lab, config) = lab("mockPlugin", MOCK);
    let mut join = lab::join();
    join.netns = lab.directory().join("ns");
    fs::write(&join.netns, "").unwrap();
    lab.runtime.join(&config, &join).await.unwrap();
    // The path is there as before the reboot; what was mounted on it is not.
    let left = lab.runtime.leave("web.1", "eth0", Some(&join.netns));
    left.await.unwrap();
    assert_eq!(deleted(&lab), 1);
    assert!(lab.recorded().is_empty());
}

#[tokio::test]
async fn the_veth_plugin_names_a_version_that_never_was() {
    let printed = r#"
#!/bin/sh
[ "$CNI_COMMAND" != ADD ] || echo '{"cniVersion": "0.2.3", "ip4": {"ip": "203.0.113.3/31"}}'
"#;
    let (veth, config) = lab("vethPlugin", printed);
    let result = veth.add(&config).await.unwrap();
    assert_eq!(result.addresses().next(), "203.0.113.3".parse().ok());

    let fails = r#"
#!/bin/sh
[ "$CNI_COMMAND" != ADD ] || { echo '{"cniVersion": "0.2.3", "code": 100, "msg": "no veth"}'; exit 100; }
"#;
    let (lab, config) = lab("vethPlugin", fails);
    let error = lab.add(&config).await.unwrap_err();
    assert!(
        matches!(error, CniError::Plugin { code: 100, .. }),
        "{error}"
    );
    assert!(lab.recorded().is_empty());
}
