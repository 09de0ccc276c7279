use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn subnet(text: &str, block: u8) -> Subnet {
    Subnet {
        net: net(text),
        block,
    }
}

fn network(name: &str, subnets: &[Subnet]) -> Network {
    Network {
        name: name.to_owned(),
        subnets: subnets.to_vec(),
        mtu: None,
        masquerade: true,
        created: Timestamp::default(),
    }
}

fn node(name: &str) -> NodeId {
    NodeId(name.to_owned())
}

/// What is wrong, as `path: message`.
fn flaws(network: &Network) -> Vec<String> {
    let flaws = network.flaws("mesos-bridge");
    flaws
        .into_iter()
        .map(|(path, flaw)| format!("{path}: {flaw}"))
        .collect()
}

#[test]
fn what_dcos_had_is_fine() {
    let dcos = network(
        "dcos",
        &[subnet("9.0.0.0/8", 24), subnet("fd01:b::/64", 80)],
    );
    assert_eq!(flaws(&dcos), Vec::<String>::new());
    assert_eq!(dcos.subnets[0].blocks(), 1 << 16);
    assert_eq!(dcos.subnets[1].addresses(), 1 << 48);
}

#[test]
fn names() {
    let named = |name: &str| flaws(&network(name, &[subnet("9.0.0.0/8", 24)]));
    let longest = "x".repeat(63);
    for fine in ["a", "0", "Shop_1.prod-x", "bridge0", &longest] {
        assert_eq!(named(fine), Vec::<String>::new(), "{fine}");
    }
    let too_long = "x".repeat(64);
    for bad in ["", "-a", ".a", "a/b", "a b", "é", "a:b", "..", &too_long] {
        let found = named(bad);
        let [flaw] = found.as_slice() else {
            panic!("{bad}: {found:?}")
        };
        assert!(
            flaw.contains("/name: ") && flaw.contains("1 to 63"),
            "{flaw}"
        );
    }
    for reserved in ["host", "bridge", "default", "none", "mesos-bridge"] {
        let found = named(reserved);
        assert!(
            found[0].contains("means another network"),
            "{reserved}: {found:?}"
        );
    }
}

#[test]
fn every_flaw_is_told_at_once_with_its_place() {
    let mut wrong = network("none", &[subnet("9.1.2.3/8", 31), subnet("10.0.0.0/8", 7)]);
    wrong.mtu = Some(500);
    assert_eq!(
        flaws(&wrong),
        [
            "/name: the name 'none' means another network to an engine; choose one of your own",
            "/subnets/0/net: 9.1.2.3/8 has host bits; write 9.0.0.0/8",
            "/subnets/0/block: a block of /31 has no room for 4 addresses; write a prefix length \
             up to 30",
            "/subnets/1: 10.0.0.0/8 is a second subnet of its family; a network has one of each \
             at most",
            "/subnets/1/block: a block of /7 is larger than 10.0.0.0/8; write a prefix length \
             from 8 on",
            "/mtu: an MTU of 500 is too small for the network's addresses; write 576 or more",
        ]
    );
    let mut both = network("a", &[subnet("fd01:b::/64", 126)]);
    both.mtu = Some(1279);
    assert!(flaws(&both)[0].contains("write 1280 or more"));
    assert!(flaws(&network("a", &[]))[0].contains("needs addresses"));
}

#[test]
fn addresses_that_nobody_can_have() {
    for unusable in [
        "0.0.0.0/0",
        "127.1.0.0/16",
        "169.254.0.0/16",
        "168.0.0.0/7",
        "224.1.0.0/16",
        "255.255.255.0/24",
        "::/0",
        "::/64",
        "::ffff:10.0.0.0/104",
        "fe80::/64",
        "ff02::/16",
    ] {
        let net = net(unusable);
        let block = net.max_prefix_len() - 2;
        let found = flaws(&network("a", &[Subnet { net, block }]));
        assert!(
            found[0].contains("no container can have"),
            "{unusable}: {found:?}"
        );
    }
}

#[test]
fn blocks_by_position() {
    let v4 = subnet("10.0.0.0/22", 24);
    let all: Vec<_> = (0..5).map(|position| v4.nth(position)).collect();
    let third = ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"];
    let expected = third.map(|text| Some(net(text)));
    assert_eq!(all[..4], expected);
    assert_eq!(all[4], None);
    assert!(v4.has_block(net("10.0.2.0/24")));
    for no in [
        "10.0.2.0/25",
        "10.0.4.0/24",
        "10.0.2.1/24",
        "10.0.0.0/22",
        "fd01::/64",
    ] {
        assert!(!v4.has_block(net(no)), "{no}");
    }
    let v6 = subnet("fd01:b::/64", 80);
    assert_eq!(v6.nth(65_535), Some(net("fd01:b:0:0:ffff::/80")));
    assert_eq!(v6.position("fd01:b::2:0:0:1".parse().unwrap()), Some(2));
    let all = subnet("::/0", 0);
    assert_eq!((all.blocks(), all.nth(0)), (1, Some(net("::/0"))));
    assert_eq!(subnet("10.0.0.0/24", 16).nth(0), None);
}

#[test]
fn a_network_knows_what_it_gave() {
    let both = network("a", &[subnet("10.0.0.0/22", 24), subnet("fd01:b::/64", 80)]);
    let nets = [net("10.0.1.0/24"), net("fd01:b:0:0:1::/80")];
    assert!(both.has_given(&nets));
    assert!(!both.has_given(&nets[..1]));
    assert!(!both.has_given(&[nets[1], nets[0]]));
    let mut later = both.clone();
    later.created = Timestamp::from_millis(5);
    assert!(later.means_the_same(&both));
    later.masquerade = false;
    assert!(!later.means_the_same(&both));
}

#[test]
fn overlaps_are_named() {
    let both = network(
        "lab",
        &[subnet("10.0.0.0/16", 24), subnet("fd01:b::/64", 80)],
    );
    let others = [
        Occupied::new(net("10.0.3.0/24"), "interface eth0"),
        Occupied::new(net("10.1.0.0/16"), "interface eth1"),
        Occupied::new(net("fd01:b::/32"), "the route through tun0"),
    ];
    let found: Vec<_> = both
        .overlaps(&others)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        found,
        [
            "10.0.0.0/16 overlaps 10.0.3.0/24 of interface eth0",
            "fd01:b::/64 overlaps fd01:b::/32 of the route through tun0",
        ]
    );
    let itself: Vec<_> = Occupied::by_network(&both).collect();
    assert_eq!(both.overlaps(&itself)[1].other.by, "network 'lab'");
}

#[test]
fn a_full_subnet_says_who_has_it() {
    let lab = network("lab", &[subnet("10.0.0.0/22", 26)]);
    let taken: Vec<_> = (0..16)
        .map(|position| {
            let net = lab.subnets[0].nth(position).unwrap();
            Occupied::new(net, format!("n{position:02}"))
        })
        .collect();
    let exhausted = lab.choose(&node("late"), &taken).unwrap_err();
    assert_eq!(
        exhausted[0].to_string(),
        "16 of 16 blocks of 10.0.0.0/22 are taken, by n00, n01, n02, n03, n04 and 11 more"
    );
    assert_eq!(lab.subnets[0].free(&taken), 0);
    // Whoever has all of it counts for all blocks.
    let whole = [Occupied::new(net("10.0.0.0/8"), "interface tun0")];
    let exhausted = lab.choose(&node("late"), &whole).unwrap_err();
    assert!(
        exhausted[0]
            .to_string()
            .ends_with("taken, by interface tun0")
    );
}

#[test]
fn a_node_begins_where_its_name_says_in_every_version() {
    let dcos = subnet("9.0.0.0/8", 24);
    let chosen = |name: &str| dcos.choose(&node(name), &[]).unwrap().to_string();
    // Checked against the published test values of FNV-1a: "" is cbf29ce484222325 and
    // "a" is af63dc4c8601ec8c, of which the last 16 bits count here.
    assert_eq!(chosen(""), "9.35.37.0/24");
    assert_eq!(chosen("a"), "9.236.140.0/24");
}

fn subnets() -> impl Strategy<Value = Subnet> {
    let v4 = (any::<u32>(), 0..=30_u8, 0..=30_u8).prop_map(|(address, one, other)| {
        (
            IpAddr::V4(Ipv4Addr::from(address)),
            one.min(other),
            one.max(other),
        )
    });
    let v6 = (any::<u128>(), 0..=126_u8, 0..=126_u8).prop_map(|(address, one, other)| {
        (
            IpAddr::V6(Ipv6Addr::from(address)),
            one.min(other),
            one.max(other),
        )
    });
    prop_oneof![v4, v6].prop_map(|(address, prefix, block)| Subnet {
        net: IpNet::new_assert(address, prefix).trunc(),
        block,
    })
}

/// A subnet with few enough blocks to look at each of them.
fn small() -> impl Strategy<Value = Subnet> {
    subnets().prop_map(|subnet| Subnet {
        block: subnet.block.min(subnet.net.prefix_len() + 5),
        ..subnet
    })
}

proptest! {
    #[test]
    fn a_block_has_its_position(subnet in subnets(), position: u128, address: u128) {
        let position = position % subnet.blocks();
        let block = subnet.nth(position).unwrap();
        prop_assert_eq!(block.prefix_len(), subnet.block);
        prop_assert!(subnet.net.contains(&block));
        prop_assert!(subnet.has_block(block));
        prop_assert_eq!(subnet.position(block.network()), Some(position));
        prop_assert_eq!(subnet.position(block.broadcast()), Some(position));
        // An address that is anywhere is in the block of its position, or in none.
        let address = IpAddr::V6(address.into());
        let found = subnet.position(address).and_then(|at| subnet.nth(at));
        prop_assert_eq!(found.is_some(), subnet.net.contains(&address));
        prop_assert!(found.is_none_or(|block| block.contains(&address)));
    }

    #[test]
    fn what_is_chosen_is_free_and_something_is_found_while_there_is(
        subnet in small(), name in ".{0,8}", taken in prop::collection::vec(any::<(u8, u8)>(), 0..40),
    ) {
        // Blocks, parts of blocks, several blocks at once, and nets elsewhere.
        let taken: Vec<_> = taken.iter().map(|(position, length)| {
            let block = subnet.nth(u128::from(*position) % subnet.blocks()).unwrap();
            let length = match length % 4 {
                0 => subnet.net.max_prefix_len(),
                1 => subnet.block.saturating_sub(1),
                _ => subnet.block,
            };
            let net = IpNet::new(block.addr(), length).unwrap().trunc();
            Occupied::new(net, format!("n{position}"))
        }).collect();
        let is_free = |block: &IpNet| {
            taken.iter().all(|it| !it.net.contains(block) && !block.contains(&it.net))
        };
        let all: Vec<_> = (0..subnet.blocks()).filter_map(|at| subnet.nth(at)).collect();
        let free: BTreeSet<_> = all.into_iter().filter(is_free).collect();
        prop_assert_eq!(subnet.free(&taken), free.len() as u128);
        match subnet.choose(&node(&name), &taken) {
            Ok(block) => prop_assert!(free.contains(&block)),
            Err(error) => {
                prop_assert!(free.is_empty());
                prop_assert!(!error.by.is_empty());
            }
        }
    }

    #[test]
    fn nodes_that_take_turns_get_all_blocks_and_no_more(subnet in small()) {
        let mut taken = Vec::new();
        for turn in 0..subnet.blocks() {
            let name = format!("n{turn}");
            let block = subnet.choose(&node(&name), &taken).unwrap();
            taken.push(Occupied::new(block, name));
        }
        let blocks: BTreeSet<_> = taken.iter().map(|it| it.net).collect();
        prop_assert_eq!(blocks.len() as u128, subnet.blocks());
        prop_assert!(subnet.choose(&node("late"), &taken).is_err());
    }

    #[test]
    fn overlapping_goes_both_ways(one in subnets(), other in subnets()) {
        let both = one.overlaps(other.net);
        prop_assert_eq!(both, other.overlaps(one.net));
        let shared = one.net.contains(&other.net.addr()) || other.net.contains(&one.net.addr());
        prop_assert_eq!(both, shared);
    }

    #[test]
    fn any_network_is_judged(name in "\\PC{0,70}", subnets in prop::collection::vec(subnets(), 0..4), mtu: Option<u16>) {
        let mut judged = network(&name, &subnets);
        judged.mtu = mtu;
        for (path, _) in judged.flaws("mesos-bridge") {
            prop_assert!(path.starts_with('/'));
        }
    }
}
