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

#[test]
fn nothing_is_hidden_between_virtual_networks_and_from_vips() {
    let networks = [
        network("dcos", &["9.0.0.0/8", "fd01:b::/64"], true),
        network("plain", &["10.77.0.0/16"], false),
    ];
    let rules = nat_rules(&networks, &["11.0.0.0/8".parse().unwrap()]);
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
    assert_eq!(nat_rules(&[], &[]), NatRules::default());
}
