use model::{Network, Subnet, Timestamp};

use super::*;

fn network(name: &str, subnets: &[&str], masquerade: bool) -> FabricNetwork {
    let subnets = subnets.iter().map(|net| Subnet {
        net: net.parse().unwrap(),
        block: 64,
    });
    FabricNetwork {
        network: Network {
            name: name.to_owned(),
            subnets: subnets.collect(),
            mtu: None,
            masquerade,
            created: Timestamp::default(),
        },
        block: Vec::new(),
        elsewhere: Vec::new(),
    }
}

fn options(vip_ranges: &[&str]) -> FabricOptions {
    FabricOptions {
        vip_ranges: vip_ranges.iter().map(|net| net.parse().unwrap()).collect(),
        ..FabricOptions::default()
    }
}

#[test]
fn the_tunnel_is_for_the_nodes_that_have_blocks() {
    let mut here = network("dcos", &["9.0.0.0/8"], false);
    let block = "9.0.2.0/24".parse().unwrap();
    here.elsewhere = vec![
        (block, "10.0.0.2".parse().unwrap()),
        (block, "10.0.0.2".parse().unwrap()),
    ];
    let tunnel = nat_rules(&[here], &options(&[])).tunnel.unwrap();
    assert_eq!(tunnel.nodes, ["10.0.0.2".parse::<IpAddr>().unwrap()]);
    assert_eq!(tunnel.port, 64000);
}

#[test]
fn nothing_is_hidden_between_virtual_networks_and_from_vips() {
    let networks = [
        network("dcos", &["9.0.0.0/8", "fd01:b::/64"], true),
        network("plain", &["10.77.0.0/16"], false),
    ];
    let rules = nat_rules(&networks, &options(&["11.0.0.0/8"]));
    let nets =
        |list: &[&str]| -> Vec<IpNet> { list.iter().map(|net| net.parse().unwrap()).collect() };
    assert_eq!(rules.masquerade.len(), 2);
    let (v4, v6) = (&rules.masquerade[0], &rules.masquerade[1]);
    assert_eq!(v4.from, nets(&["9.0.0.0/8"])[0]);
    assert_eq!(
        v4.except,
        nets(&["9.0.0.0/8", "10.77.0.0/16", "11.0.0.0/8"])
    );
    assert_eq!(v6.from, nets(&["fd01:b::/64"])[0]);
    assert_eq!(v6.except, nets(&["fd01:b::/64"]));
    assert_eq!(nat_rules(&[], &options(&[])), NatRules::default());
}
