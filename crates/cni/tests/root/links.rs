//! Plugins that make links: bridge, ptp, macvlan, loopback.

use std::net::IpAddr;

use cni::{Capabilities, Join};
use serde_json::json;
use testlab::Lan;

use crate::lab::{Container, Lab, network, serve_on};

#[test]
fn bridge_connects_containers_with_each_other_and_the_host() {
    let lab = Lab::new("cni-bridge");
    let config = network("net", &[lab.bridge("br-a", "10.88.0.0/24")]);
    let (client, server) = (Container::new(), Container::new());
    let from = lab.joined(&config, &client);
    let to = lab.joined(&config, &server);
    assert_ne!(from, to);
    server.serve(80);
    let gateway: IpAddr = "10.88.0.1".parse().unwrap();
    assert_eq!(client.talk((to, 80).into()).unwrap(), from);
    assert_eq!(lab.talk((to, 80).into()).unwrap(), gateway);
    assert_eq!(lab.leases("net").len(), 2);
    lab.check(&server).unwrap();

    server.sh(&format!("ip addr del {to}/24 dev eth0"));
    let error = lab.check(&server).unwrap_err();
    assert!(
        error.to_string().contains("'bridge' failed at CHECK"),
        "{error}"
    );

    for container in [&client, &server] {
        lab.leave(container).unwrap();
        assert!(!container.sh("ip -o link").contains("eth0"));
    }
    assert!(lab.leases("net").is_empty());
    client.talk((to, 80).into()).unwrap_err();
    assert!(!lab.sh("ip -o link").contains("veth"));
}

#[test]
fn ptp_routes_to_the_host_and_masquerades_beyond_it() {
    let lan = Lan::new().unwrap();
    let (lab, far) = (Lab::on(&lan, "cni-ptp"), Lab::on(&lan, "cni-far"));
    let plugin = json!({"type": "ptp", "ipMasq": true, "mtu": 1400,
        "ipam": lab.ipam("10.88.1.0/24")});
    let config = network("net", &[plugin]);
    let container = Container::new();
    let before = lab.left_behind();
    let address = lab.joined(&config, &container);
    container.serve(80);
    let gateway: IpAddr = "10.88.1.1".parse().unwrap();
    assert_eq!(lab.talk((address, 80).into()).unwrap(), gateway);
    serve_on(&far.host, 81);
    let beyond = (IpAddr::from(far.host.address()), 81).into();
    assert_eq!(
        container.talk(beyond).unwrap(),
        IpAddr::from(lab.host.address())
    );
    assert!(container.sh("ip link show eth0").contains("mtu 1400"));
    lab.check(&container).unwrap();
    container.sh("ip route del default");
    lab.check(&container).unwrap_err();
    lab.leave(&container).unwrap();
    assert_eq!(lab.left_behind(), before);
    assert!(lab.leases("net").is_empty());
}

#[test]
fn macvlan_puts_containers_on_the_hosts_link() {
    let lan = Lan::new().unwrap();
    let (lab, far) = (Lab::on(&lan, "cni-macvlan"), Lab::on(&lan, "cni-far"));
    let mut ipam = lab.ipam("10.99.0.0/24");
    ipam["rangeStart"] = "10.99.0.128".into();
    let plugin = json!({"type": "macvlan", "master": "eth0", "mode": "bridge", "ipam": ipam});
    let config = network("net", &[plugin]);
    let (client, server) = (Container::new(), Container::new());
    let from = lab.joined(&config, &client);
    let to = lab.joined(&config, &server);
    server.serve(80);
    serve_on(&far.host, 81);
    assert_eq!(client.talk((to, 80).into()).unwrap(), from);
    assert_eq!(
        far.talk((to, 80).into()).unwrap(),
        IpAddr::from(far.host.address())
    );
    let beyond = (IpAddr::from(far.host.address()), 81).into();
    assert_eq!(
        client.talk(beyond).unwrap(),
        from,
        "its own address, on the wire"
    );
    assert!(
        client
            .sh("ip -d link show eth0")
            .contains("macvlan mode bridge")
    );
    lab.check(&client).unwrap();
    client.sh("ip link del eth0");
    lab.check(&client).unwrap_err();
    for container in [&client, &server] {
        lab.leave(container).unwrap();
    }
    assert!(lab.leases("net").is_empty());
    far.talk((to, 80).into()).unwrap_err();
}

#[test]
fn loopback_is_up_inside() {
    let lab = Lab::new("cni-loopback");
    let config = network("cni-loopback", &[json!({"type": "loopback"})]);
    let container = Container::new();
    container.serve(80);
    let own = ("127.0.0.1".parse::<IpAddr>().unwrap(), 80).into();
    container.talk(own).unwrap_err();
    let join = Join {
        container: container.name.clone(),
        ifname: "lo".to_owned(),
        netns: container.path(),
        network_info: None,
        capabilities: Capabilities::default(),
    };
    let result = lab.run(lab.runtime.join(&config, &join)).unwrap();
    assert_eq!(result.interfaces[0].name, "lo");
    assert_eq!(container.talk(own).unwrap(), own.ip());
    lab.run(lab.runtime.check(&join.container, "lo")).unwrap();
    let netns = container.path();
    lab.run(lab.runtime.leave(&join.container, "lo", Some(&netns)))
        .unwrap();
    container.talk(own).unwrap_err();
}
