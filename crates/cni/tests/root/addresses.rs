//! Address plugins: host-local, static; wanted addresses; a range that is full.

use std::net::IpAddr;

use cni::{Capabilities, CniError};
use serde_json::json;

use crate::lab::{Container, Lab, network};

fn wanting(addresses: &[&str]) -> Capabilities {
    Capabilities {
        ips: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        ..Capabilities::default()
    }
}

#[test]
fn host_local_gives_each_its_own_and_takes_it_back() {
    let lab = Lab::new("cni-leases");
    let config = network("net", &[lab.bridge("br-a", "10.88.0.0/24")]);
    let containers: Vec<Container> = (0..3).map(|_| Container::new()).collect();
    let mut addresses: Vec<IpAddr> = containers.iter().map(|c| lab.joined(&config, c)).collect();
    let held: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    assert_eq!(lab.leases("net"), held);
    addresses.dedup();
    assert_eq!(addresses.len(), 3);
    lab.leave(&containers[1]).unwrap();
    assert_eq!(lab.leases("net"), [held[0].clone(), held[2].clone()]);
    // Round robin: what was just given back is not given out again at once.
    assert!(!held.contains(&lab.joined(&config, &containers[1]).to_string()));
    for container in &containers {
        lab.leave(container).unwrap();
    }
    assert!(lab.leases("net").is_empty());
}

#[test]
fn a_wanted_address_is_assigned_with_and_without_the_capability() {
    for declared in [json!({"ips": true}), json!({})] {
        let lab = Lab::new("cni-wanted");
        let mut bridge = lab.bridge("br-a", "10.88.0.0/24");
        bridge["capabilities"] = declared.clone();
        let config = network("net", &[bridge]);
        let (first, second) = (Container::new(), Container::new());
        let wanted = wanting(&["10.88.0.77/32"]);
        let result = lab.add(&config, &first, wanted.clone()).unwrap();
        let addresses: Vec<String> = result.addresses().map(|ip| ip.to_string()).collect();
        assert_eq!(addresses, ["10.88.0.77"], "{declared}");
        assert!(first.sh("ip addr").contains("10.88.0.77/24"));
        let taken = lab.add(&config, &second, wanted).unwrap_err();
        assert!(taken.to_string().contains("10.88.0.77"), "{taken}");
        let outside = lab.add(&config, &second, wanting(&["10.1.1.1/32"]));
        outside.unwrap_err();
        assert_eq!(lab.leases("net"), ["10.88.0.77"]);
        lab.leave(&first).unwrap();
    }
}

#[test]
fn both_families_are_assigned_and_reported_in_order() {
    let lab = Lab::new("cni-dual");
    let mut bridge = lab.bridge("br-a", "10.88.0.0/24");
    bridge["ipam"] = json!({"type": "host-local", "dataDir": lab.path("leases"),
        "ranges": [[{"subnet": "fd88::/64"}], [{"subnet": "10.88.0.0/24"}]],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]});
    let config = network("net", &[bridge]);
    let (client, server) = (Container::new(), Container::new());
    let result = lab.add(&config, &server, Capabilities::default()).unwrap();
    let addresses: Vec<IpAddr> = result.addresses().collect();
    assert!(
        addresses[0].is_ipv6() && addresses[1].is_ipv4(),
        "{addresses:?}"
    );
    assert_eq!(
        addresses.len(),
        2,
        "the bridge's own are not the container's"
    );
    lab.add(&config, &client, Capabilities::default()).unwrap();
    server.serve(80);
    for to in addresses {
        assert_eq!(
            client.talk((to, 80).into()).unwrap().is_ipv4(),
            to.is_ipv4()
        );
    }
    lab.check(&server).unwrap();
    for container in [&client, &server] {
        lab.leave(container).unwrap();
    }
    assert!(lab.leases("net").is_empty());
}

#[test]
fn a_full_range_is_explained_and_leaves_nothing() {
    let lab = Lab::new("cni-full");
    // One address beside the gateway's.
    let config = network("net", &[lab.bridge("br-a", "10.88.0.0/30")]);
    let (first, second) = (Container::new(), Container::new());
    let held = lab.joined(&config, &first).to_string();
    let before = lab.left_behind();
    let full = lab
        .add(&config, &second, Capabilities::default())
        .unwrap_err();
    assert!(matches!(full, CniError::Plugin { .. }), "{full}");
    assert!(
        full.to_string().contains("no IP addresses available"),
        "{full}"
    );
    assert_eq!(lab.leases("net"), [held]);
    assert_eq!(lab.left_behind(), before);
    assert!(!second.sh("ip -o link").contains("eth0"));
    lab.leave(&first).unwrap();
    lab.joined(&config, &second);
    lab.leave(&second).unwrap();
}

#[test]
fn static_takes_the_address_with_its_prefix() {
    let lab = Lab::new("cni-static");
    let plugin = json!({"type": "bridge", "bridge": "br-a",
        "capabilities": {"ips": true}, "ipam": {"type": "static"}});
    let config = network("net", &[plugin]);
    let container = Container::new();
    let wanted = wanting(&["10.88.0.5/24", "fd88::5/64"]);
    let result = lab.add(&config, &container, wanted).unwrap();
    assert_eq!(result.ips.len(), 2);
    let links = container.sh("ip addr show eth0");
    assert!(
        links.contains("10.88.0.5/24") && links.contains("fd88::5/64"),
        "{links}"
    );
    lab.check(&container).unwrap();
    lab.leave(&container).unwrap();
}
