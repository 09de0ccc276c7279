//! Debian's plugins, which speak up to 1.0.0, in every version.

use cni::{Capabilities, CniError};
use serde_json::{Value, json};

use crate::lab::{Container, Lab, parse};

fn recorded(lab: &Lab, container: &Container) -> Value {
    let path = lab.path("records").join(&container.name).join("eth0.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn every_version_that_they_speak_works() {
    let lab = Lab::new("cni-versions");
    let container = Container::new();
    for version in ["", "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"] {
        let mut single = lab.bridge("br-a", "10.88.0.0/24");
        single["name"] = "net".into();
        single["cniVersion"] = version.into();
        let config = parse(&single);
        let address = lab.joined(&config, &container);
        assert!(address.to_string().starts_with("10.88.0."), "{version}");
        let old = recorded(&lab, &container)["result"].get("ip4").is_some();
        assert_eq!(old, version < "0.3.0", "{version}");
        lab.check(&container).unwrap();
        lab.leave(&container).unwrap();
        assert!(lab.leases("net").is_empty(), "{version}");
    }
}

#[test]
fn the_newest_that_they_speak_is_chosen() {
    let lab = Lab::new("cni-choice");
    let container = Container::new();
    let config = parse(&json!({"name": "net", "cniVersion": "0.3.1",
        "cniVersions": ["0.4.0", "1.0.0", "1.1.0"],
        "plugins": [lab.bridge("br-a", "10.88.0.0/24"),
            {"type": "firewall", "backend": "iptables"}]}));
    lab.joined(&config, &container);
    assert_eq!(recorded(&lab, &container)["result"]["cniVersion"], "1.0.0");
    lab.check(&container).unwrap();
    lab.leave(&container).unwrap();

    // `firewall` begins with 0.4.0: none that suits both, so each has its own.
    let plugins = json!([lab.bridge("br-a", "10.88.0.0/24"),
        {"type": "firewall", "backend": "iptables"}]);
    let config = parse(&json!({"name": "net", "cniVersion": "0.3.1", "plugins": plugins}));
    let error = lab.add(&config, &container, Capabilities::default());
    let error = error.unwrap_err();
    assert!(
        matches!(&error, CniError::Incompatible { plugin, .. } if plugin == "firewall"),
        "{error}"
    );
    let config = parse(&json!({"name": "net", "cniVersion": "1.1.0", "plugins": plugins}));
    let error = lab.add(&config, &container, Capabilities::default());
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("'bridge' speaks versions 0.1.0, 0.2.0"),
        "{text}"
    );
    assert!(text.contains("offers 1.1.0"), "{text}");
    assert!(lab.leases("net").is_empty(), "before anything was done");
}
