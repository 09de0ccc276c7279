//! Plugins that change what others made: bandwidth, firewall, tuning.

use cni::{Bandwidth, Capabilities};
use serde_json::json;

use crate::lab::{Container, Lab, network};

#[test]
fn bandwidth_limits_both_directions() {
    let lab = Lab::new("cni-bandwidth");
    let plugins = [
        lab.bridge("br-a", "10.88.0.0/24"),
        json!({"type": "bandwidth", "capabilities": {"bandwidth": true}}),
    ];
    let config = network("net", &plugins);
    let container = Container::new();
    let before = lab.left_behind();
    let limits = Capabilities {
        bandwidth: Some(Bandwidth {
            ingress_rate: 8_000_000,
            ingress_burst: 800_000,
            egress_rate: 4_000_000,
            egress_burst: 400_000,
        }),
        ..Capabilities::default()
    };
    lab.add(&config, &container, limits).unwrap();
    let queues = lab.sh("tc qdisc show");
    for rate in ["rate 8Mbit burst 100000b", "rate 4Mbit burst 50000b"] {
        assert!(queues.contains(rate), "{rate} in {queues}");
    }
    lab.check(&container).unwrap();
    let link = lab.sh("tc qdisc show | grep 8Mbit | sed 's/.* dev //; s/ .*//'");
    let slower = "root tbf rate 1mbit burst 100000b latency 25ms";
    lab.sh(&format!("tc qdisc change dev {} {slower}", link.trim()));
    let error = lab.check(&container).unwrap_err();
    assert!(
        error.to_string().contains("'bandwidth' failed at CHECK"),
        "{error}"
    );
    lab.leave(&container).unwrap();
    assert_eq!(lab.left_behind(), before);
    assert!(!lab.sh("ip -o link").contains("ifb"));
}

#[test]
fn firewall_lets_its_containers_through_a_closed_host() {
    let lab = Lab::new("cni-firewall");
    lab.sh("iptables -P FORWARD DROP");
    let firewall = json!({"type": "firewall", "backend": "iptables"});
    let network_of = |name: &str, link: &str, subnet: &str, open: bool| {
        let mut plugins = vec![lab.bridge(link, subnet)];
        plugins.extend(open.then(|| firewall.clone()));
        network(name, &plugins)
    };
    let open = network_of("open", "br-a", "10.88.0.0/24", true);
    let closed = network_of("closed", "br-b", "10.88.1.0/24", false);
    let beyond = network_of("beyond", "br-c", "10.88.2.0/24", true);
    let [client, shut, server] = [(); 3].map(|()| Container::new());
    let before = lab.left_behind();
    let from = lab.joined(&open, &client);
    lab.joined(&closed, &shut);
    let to = (lab.joined(&beyond, &server), 80).into();
    server.serve(80);
    assert_eq!(client.talk(to).unwrap(), from);
    lab.check(&client).unwrap();
    lab.sh("iptables -F CNI-FORWARD");
    lab.check(&client).unwrap_err();
    for container in [&client, &shut, &server] {
        lab.leave(container).unwrap();
    }
    assert_eq!(lab.left_behind(), before);

    lab.joined(&closed, &shut);
    let other = network_of("other", "br-d", "10.88.3.0/24", false);
    let to = (lab.joined(&other, &server), 80).into();
    shut.talk(to).unwrap_err();
    for container in [&shut, &server] {
        lab.leave(container).unwrap();
    }
}

#[test]
fn tuning_sets_sysctls_the_hardware_address_and_the_mtu() {
    let lab = Lab::new("cni-tuning");
    let plugins = [
        lab.bridge("br-a", "10.88.0.0/24"),
        json!({"type": "tuning", "capabilities": {"mac": true}, "mtu": 1380,
            "dataDir": lab.path("tuning"),
            "sysctl": {"net.core.somaxconn": "512", "net.ipv4.conf.eth0.arp_filter": "1"}}),
    ];
    let config = network("net", &plugins);
    let container = Container::new();
    let wanted = Capabilities {
        mac: Some("02:11:22:33:44:55".to_owned()),
        ..Capabilities::default()
    };
    let result = lab.add(&config, &container, wanted).unwrap();
    let inside = |one: &&cni::Interface| one.sandbox.as_deref().is_some_and(|s| !s.is_empty());
    let mac = &result.interfaces.iter().find(inside).unwrap().mac;
    assert_eq!(
        mac.as_deref(),
        Some("02:11:22:33:44:55"),
        "told in the result"
    );
    let link = container.sh("ip link show eth0");
    assert!(
        link.contains("mtu 1380") && link.contains("02:11:22:33:44:55"),
        "{link}"
    );
    let values = container.sh("sysctl -n net.core.somaxconn net.ipv4.conf.eth0.arp_filter");
    assert_eq!(values, "512\n1\n");
    assert_ne!(
        lab.sh("sysctl -n net.core.somaxconn"),
        "512\n",
        "in there alone"
    );
    lab.check(&container).unwrap();
    container.sh("sysctl -qw net.core.somaxconn=513");
    let error = lab.check(&container).unwrap_err();
    assert!(
        error.to_string().contains("'tuning' failed at CHECK"),
        "{error}"
    );
    lab.leave(&container).unwrap();
    assert!(lab.leases("net").is_empty());
}
