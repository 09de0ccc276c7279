use std::time::Instant;

use proptest::prelude::*;

use super::*;

fn records(addresses: &[&str]) -> Records {
    Records {
        addresses: addresses.iter().map(|it| it.parse().unwrap()).collect(),
        ..Records::default()
    }
}

#[test]
fn bad_names_do_not_disturb_good_ones() {
    let addresses: BTreeSet<IpAddr> =
        ["11.0.0.1".parse().unwrap(), "fd01::1".parse().unwrap()].into();
    let names = [
        "a.m.l4lb.thisdcos.directory",
        "a..l4lb.thisdcos.directory",
        "example.com",
        // Aliases show what the canonical zone has.
        "a.m.l4lb.thisdcos.global",
        "x.in-addr.arpa",
    ]
    .map(|name| (name.to_owned(), addresses.clone()));
    let snapshot = Snapshot::new(names.into(), 7);
    assert_eq!(
        snapshot.rejected(),
        [
            "a..l4lb.thisdcos.directory",
            "a.m.l4lb.thisdcos.global",
            "example.com",
            "x.in-addr.arpa"
        ]
    );
    assert_eq!(snapshot.serial(), 7);
    let found = |name: &str| snapshot.find(Key::from_text(name).unwrap().as_bytes());
    let entry = found("a.m.l4lb.thisdcos.directory").unwrap();
    assert_eq!((entry.v4.len(), entry.v6.len()), (1, 1));
    assert!(found("m.l4lb.thisdcos.directory").unwrap().is_empty());
    assert!(found("n.l4lb.thisdcos.directory").is_none());
}

#[test]
fn a_copy_does_not_see_later_changes() {
    let mut first = Snapshot::default();
    assert!(first.set("a.m.mesos", &records(&["10.0.0.1"])));
    let mut second = first.next();
    assert!(second.set("a.m.mesos", &Records::default()));
    assert!(second.set("b.mesos", &records(&["10.0.0.2"])));
    assert_eq!((first.serial(), second.serial()), (0, 1));
    let has = |snapshot: &Snapshot, name: &str| {
        snapshot
            .find(Key::from_text(name).unwrap().as_bytes())
            .is_some()
    };
    for (name, before, after) in [
        ("a.m.mesos", true, false),
        ("m.mesos", true, false),
        ("b.mesos", false, true),
        ("mesos", true, true),
    ] {
        assert_eq!(
            (has(&first, name), has(&second, name)),
            (before, after),
            "{name}"
        );
    }
}

proptest! {
    /// However names came and went, what is there is what a new table has.
    #[test]
    fn as_if_made_anew(steps in prop::collection::vec(
        ("[ab]\\.?[ab]?\\.?[ab]?", prop::bool::weighted(0.6)), 0..60,
    )) {
        let mut live = Snapshot::default();
        let mut wanted = BTreeMap::new();
        for (name, there) in steps {
            let name = format!("{}.mesos", name.trim_matches('.'));
            let address: BTreeSet<IpAddr> = ["10.0.0.1".parse().unwrap()].into();
            if there {
                if live.set(&name, &records(&["10.0.0.1"])) {
                    wanted.insert(name, address);
                }
            } else {
                live.set(&name, &Records::default());
                wanted.remove(&name);
            }
            let anew = Snapshot::new(wanted.clone(), 0);
            prop_assert_eq!(live.table.names(), anew.table.names());
        }
    }
}

/// Run in release, with `--run-ignored only --no-capture`.
#[test]
#[ignore = "a measurement"]
fn one_change_of_any_size() {
    for count in [1_000, 10_000, 100_000] {
        let name = |number: usize| format!("task{number}.marathon.mesos");
        let mut snapshot = Snapshot::default();
        let begun = Instant::now();
        for number in 0..count {
            snapshot.set(&name(number), &records(&["10.0.0.1"]));
        }
        let all = begun.elapsed();
        let mut times = Vec::new();
        for round in 0..1_000 {
            let begun = Instant::now();
            let mut next = snapshot.next();
            // As many as one task has.
            for part in 0..12 {
                let name = name((round * 7_919 + part * 101) % count);
                next.set(&name, &records(&["10.0.0.2"]));
            }
            snapshot = next;
            times.push(begun.elapsed());
        }
        times.sort();
        eprintln!(
            "{count} names: all {all:?}, twelve {:?} (p99 {:?})",
            times[500], times[990]
        );
    }
}
