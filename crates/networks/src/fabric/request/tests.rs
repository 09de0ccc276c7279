use std::path::PathBuf;

use cni::PortMap;
use model::{Network, Timestamp};

use super::*;

fn request() -> EndpointRequest {
    EndpointRequest {
        id: EndpointId {
            container: "web.1".to_owned(),
            ifname: "eth0".to_owned(),
        },
        network: "dcos".to_owned(),
        netns: PathBuf::from("/run/netns/web.1"),
        wanted: Vec::new(),
        mac: None,
        mtu: None,
        port_mappings: Vec::new(),
        bandwidth: None,
    }
}

fn network() -> FabricNetwork {
    FabricNetwork {
        network: Network {
            name: "dcos".to_owned(),
            subnets: Vec::new(),
            mtu: None,
            masquerade: true,
            created: Timestamp::default(),
        },
        block: vec![
            "9.0.1.0/24".parse().unwrap(),
            "fd01:b::/80".parse().unwrap(),
        ],
        elsewhere: vec![("9.0.2.0/24".parse().unwrap(), "10.0.0.2".parse().unwrap())],
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn ids() {
    let check = |container: &str, ifname: &str| {
        check_id(&EndpointId {
            container: container.to_owned(),
            ifname: ifname.to_owned(),
        })
    };
    check("a", "eth0").unwrap();
    check(&"f".repeat(160), "net1.10").unwrap();
    for (container, ifname) in [
        ("", "eth0"),
        (".hidden", "eth0"),
        ("a/b", "eth0"),
        ("a:b", "eth0"),
        ("a\nb", "eth0"),
        ("a", ""),
        ("a", "eth/0"),
        ("a", ".."),
        ("a", "sixteen-letters."),
    ] {
        check(container, ifname).unwrap_err();
    }
    check(&"f".repeat(161), "eth0").unwrap_err();
}

#[test]
fn names_of_networks() {
    check_name("dcos-6.test_1").unwrap();
    for bad in ["", ".", "..", "a/b", "/etc"] {
        check_name(bad).unwrap_err();
    }
}

#[test]
fn wanted_addresses_find_their_net() {
    let network = network();
    let wanted = |list: &[IpAddr]| wanted_of(&network, &network.block, list);
    assert_eq!(wanted(&[]).unwrap(), [None, None]);
    let (v4, v6) = (ip("9.0.1.5"), ip("fd01:b::5"));
    assert_eq!(wanted(&[v6, v4, v4]).unwrap(), [Some(v4), Some(v6)]);
    assert_eq!(wanted(&[v6]).unwrap(), [None, Some(v6)]);
    let foreign = wanted(&[ip("9.0.2.5")]).unwrap_err().to_string();
    assert!(foreign.contains("9.0.2.0/24 of node 10.0.0.2"), "{foreign}");
    wanted(&[v4, ip("9.0.1.6")]).unwrap_err();
}

#[test]
fn ports_lead_to_an_address_of_each_family() {
    let addresses: Vec<IpNet> = vec![
        "9.0.1.5/32".parse().unwrap(),
        "fd01:b::5/128".parse().unwrap(),
    ];
    let ports = |host_port, protocol: &str, host_ip: Option<&str>| {
        let mut request = request();
        request.port_mappings = vec![PortMap {
            host_port,
            container_port: 80,
            protocol: protocol.to_owned(),
            host_ip: host_ip.map(ip),
        }];
        let published = published(&request, &addresses)?;
        let shown = published
            .iter()
            .map(|p| format!("{:?} {} {:?}", p.protocol, p.to, p.host_ip));
        Ok::<Vec<String>, FabricError>(shown.collect())
    };
    let both = ["Tcp 9.0.1.5:80 None", "Tcp [fd01:b::5]:80 None"];
    assert_eq!(ports(8080, "TCP", None).unwrap(), both);
    assert_eq!(
        ports(8080, "udp", Some("0.0.0.0")).unwrap(),
        ["Udp 9.0.1.5:80 None"]
    );
    assert_eq!(
        ports(8080, "tcp", Some("::1")).unwrap(),
        ["Tcp [fd01:b::5]:80 Some(::1)"]
    );
    ports(0, "tcp", None).unwrap_err();
    ports(8080, "sctp", None).unwrap_err();
    let mut v4_only = request();
    v4_only.port_mappings = vec![PortMap {
        host_port: 8080,
        container_port: 80,
        protocol: "tcp".to_owned(),
        host_ip: Some(ip("::1")),
    }];
    published(&v4_only, &addresses[..1]).unwrap_err();
}
