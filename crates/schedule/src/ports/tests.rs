use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

fn range(first: u16, last: u16) -> PortRange {
    PortRange { first, last }
}

fn choose(wishes: &[Option<u16>], offered: &[PortRange]) -> Result<Vec<Option<u16>>, NoPorts> {
    let mut rng = StdRng::seed_from_u64(7);
    choose_host_ports(wishes, offered, &[], &BTreeSet::new(), &[], &mut rng)
}

#[test]
fn dynamic_ports_come_from_all_ranges() {
    let ports = choose(&[Some(0); 5], &[range(30000, 30003), range(31000, 31000)]).unwrap();
    let distinct: BTreeSet<_> = ports.iter().flatten().collect();
    assert_eq!(distinct.len(), 5);
    assert_eq!(choose(&[], &[range(1, 1)]), Ok(vec![]));
    assert_eq!(
        choose(&[Some(0)], &[range(31000, 31000)]),
        Ok(vec![Some(31000)])
    );
}

#[test]
fn fixed_ports_keep_their_order() {
    let offered = [range(80, 83), range(100, 100)];
    let wishes = [Some(100), Some(80)];
    assert_eq!(choose(&wishes, &offered), Ok(wishes.to_vec()));
    assert_eq!(
        choose(&[Some(8080)], &[range(31000, 32000)]),
        Err(NoPorts::NotOffered(8080))
    );
}

#[test]
fn a_dynamic_port_avoids_a_fixed_one() {
    let ports = choose(&[Some(0), Some(31000)], &[range(31000, 31001)]);
    assert_eq!(ports, Ok(vec![Some(31001), Some(31000)]));
}

#[test]
fn too_few_or_taken_is_said() {
    assert_eq!(
        choose(&[Some(0); 3], &[range(31000, 31001)]),
        Err(NoPorts::TooFew)
    );
    assert_eq!(choose(&[Some(0)], &[]), Err(NoPorts::TooFew));
    assert_eq!(
        choose(&[Some(9), Some(9)], &[range(1, 10)]),
        Err(NoPorts::Taken(9))
    );
    let mut rng = StdRng::seed_from_u64(1);
    let taken = BTreeSet::from([80]);
    let all = [range(1, u16::MAX)];
    let result = choose_host_ports(&[Some(80)], &[], &all, &taken, &[], &mut rng);
    assert_eq!(result, Err(NoPorts::Taken(80)));
}

#[test]
fn a_fixed_port_may_be_busy() {
    let mut rng = StdRng::seed_from_u64(1);
    let offered = [range(31000, 31001)];
    let wishes = [Some(31000), Some(0)];
    let none = BTreeSet::new();
    let chosen = choose_host_ports(&wishes, &offered, &[], &none, &[31000], &mut rng);
    assert_eq!(chosen, Ok(vec![Some(31000), Some(31001)]));
    let chosen = choose_host_ports(&[Some(0); 2], &offered, &[], &none, &[31000], &mut rng);
    assert_eq!(chosen, Err(NoPorts::TooFew));
}

#[test]
fn a_mapping_without_a_host_port_gets_none() {
    let ports = choose(&[Some(31000), None, Some(31005)], &[range(31000, 31010)]);
    assert_eq!(ports, Ok(vec![Some(31000), None, Some(31005)]));
}

proptest! {
    #[test]
    fn chosen_ports_are_offered_free_and_distinct(
        seed: u64, wanted in 0usize..20, taken in proptest::collection::btree_set(31000u16..31030, 0..20),
        busy in proptest::collection::vec(31000u16..31030, 0..5),
    ) {
        let offered = [range(31000, 31029)];
        let wishes = vec![Some(0); wanted];
        let mut rng = StdRng::seed_from_u64(seed);
        match choose_host_ports(&wishes, &offered, &[], &taken, &busy, &mut rng) {
            Ok(ports) => {
                let distinct: BTreeSet<u16> = ports.iter().flatten().copied().collect();
                prop_assert_eq!(distinct.len(), wanted);
                prop_assert!(distinct.is_disjoint(&taken));
                prop_assert!(busy.iter().all(|port| !distinct.contains(port)));
                prop_assert!(distinct.iter().all(|port| offered[0].contains(*port)));
            }
            Err(error) => {
                prop_assert_eq!(error, NoPorts::TooFew);
                prop_assert!(30 - taken.len() < wanted + busy.len());
            }
        }
    }
}
