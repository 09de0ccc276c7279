use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn capacities() {
    for (block, expected) in [
        ("9.0.1.0/24", 253),
        ("9.0.1.0/30", 1),
        ("9.0.1.0/31", 0),
        ("9.0.1.1/32", 0),
        ("0.0.0.0/0", (1 << 32) - 3),
        ("fd01::/126", 2),
        ("fd01::/127", 0),
        ("fd01::1/128", 0),
        ("fd01:b::/80", (1 << 48) - 2),
        ("fd01:b::/64", u64::MAX - 1),
        ("fd00::/8", u64::MAX),
        ("::/0", u64::MAX),
    ] {
        assert_eq!(capacity(net(block)), expected, "{block}");
    }
}

#[test]
fn what_is_kept() {
    let block = net("9.0.1.0/24");
    assert_eq!(role(block, ip("9.0.1.0")), Some("own address"));
    assert_eq!(role(block, ip("9.0.1.1")), Some("gateway"));
    assert_eq!(role(block, ip("9.0.1.2")), None);
    assert_eq!(role(block, ip("9.0.1.255")), Some("broadcast address"));
    let block = net("fd01::/126");
    assert_eq!(role(block, ip("fd01::1")), Some("gateway"));
    assert_eq!(role(block, ip("fd01::3")), None, "IPv6 has no broadcast");
}

#[test]
fn the_search_goes_round() {
    let block = net("9.0.1.0/29");
    let mut taken = BTreeMap::from([(ip("9.0.1.4"), ())]);
    let next = |last: &str, taken: &BTreeMap<_, _>| next_free(block, last.parse().ok(), taken);
    assert_eq!(next("", &taken), Some(ip("9.0.1.2")));
    assert_eq!(next("9.0.1.3", &taken), Some(ip("9.0.1.5")));
    assert_eq!(next("9.0.1.6", &taken), Some(ip("9.0.1.2")));
    assert_eq!(
        next("9.0.2.3", &taken),
        Some(ip("9.0.1.2")),
        "another block's"
    );
    assert_eq!(
        next("fd01::7", &taken),
        Some(ip("9.0.1.2")),
        "another family's"
    );
    taken.extend([2, 3, 5, 6].map(|last| (IpAddr::from([9, 0, 1, last]), ())));
    assert_eq!(next("9.0.1.4", &taken), None);
}

#[test]
fn the_end_of_all_addresses_is_no_trap() {
    let block = net("255.255.255.248/29");
    let last = Some(ip("255.255.255.254"));
    assert_eq!(
        next_free(block, last, &BTreeMap::<_, ()>::new()),
        Some(ip("255.255.255.250"))
    );
    let block = net("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126");
    let end = ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    let mut taken = BTreeMap::from([(end, ())]);
    let other = ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
    assert_eq!(next_free(block, Some(end), &taken), Some(other));
    taken.insert(other, ());
    assert_eq!(next_free(block, Some(end), &taken), None);
}

#[derive(Debug, Clone)]
enum Step {
    Take,
    Free(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![3 => Just(Step::Take), 2 => (0..64_usize).prop_map(Step::Free)];
    prop::collection::vec(step, 0..200)
}

fn blocks() -> impl Strategy<Value = IpNet> {
    let v4 = (any::<u32>(), 26..=32_u8)
        .prop_map(|(base, length)| IpNet::new(Ipv4Addr::from(base).into(), length));
    let v6 = (any::<u128>(), 123..=128_u8)
        .prop_map(|(base, length)| IpNet::new(Ipv6Addr::from(base).into(), length));
    prop_oneof![v4, v6].prop_map(|net| net.unwrap().trunc())
}

proptest! {
    /// Never an address twice, outside of the block or kept; refused only when full.
    #[test]
    fn addresses_are_given_once_until_the_block_is_full(block in blocks(), steps in steps()) {
        let mut taken = BTreeMap::new();
        let mut last = None;
        for step in steps {
            match step {
                Step::Free(_) if taken.is_empty() => {}
                Step::Free(which) => {
                    let address = *taken.keys().nth(which % taken.len()).unwrap();
                    taken.remove(&address);
                }
                Step::Take => match next_free(block, last, &taken) {
                    None => prop_assert_eq!(taken.len() as u64, capacity(block)),
                    Some(address) => {
                        prop_assert!(block.contains(&address));
                        prop_assert_eq!(role(block, address), None);
                        prop_assert!(taken.insert(address, ()).is_none());
                        last = Some(address);
                    }
                }
            }
        }
    }

    /// A freed address rests until every other free one has been given.
    #[test]
    fn a_freed_address_is_the_last_to_be_given_again(
        block in blocks(), given in 1..64_usize, freed in 0..64_usize,
    ) {
        let mut taken = BTreeMap::new();
        let mut order = Vec::new();
        for _ in 0..given {
            let Some(address) = next_free(block, order.last().copied(), &taken) else { break };
            taken.insert(address, ());
            order.push(address);
        }
        prop_assume!(!order.is_empty());
        let freed = order[freed % order.len()];
        taken.remove(&freed);
        let others = capacity(block) - taken.len() as u64 - 1;
        let mut last = order.last().copied();
        for _ in 0..others {
            last = next_free(block, last, &taken);
            prop_assert_ne!(last, Some(freed));
            taken.insert(last.unwrap(), ());
        }
        prop_assert_eq!(next_free(block, last, &taken), Some(freed));
    }
}
