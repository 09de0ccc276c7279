use super::*;

fn key() -> ServiceKey {
    ServiceKey {
        address: [11, 0, 0, 1].into(),
        port: 80,
        protocol: model::Protocol::Tcp,
    }
}

fn backend(identity: u64, total: u64, refused: u32, quick: u32) -> BackendUsage {
    let mut connects = Connects {
        refused,
        ..Connects::default()
    };
    connects.times[0] = quick;
    BackendUsage {
        identity,
        task: None,
        near: None,
        far: None,
        weight: 1,
        state: None,
        preferred: true,
        warming: false,
        open: 0,
        pending: 0,
        total,
        connects,
        ejection: None,
    }
}

/// What the totals are after a VIP looked like this, one after the other.
fn after(looks: &[&[BackendUsage]]) -> (u64, u64, u64) {
    let mut ledger = Ledger::default();
    for backends in looks {
        ledger.note(&[ServiceUsage {
            key: key(),
            name: None,
            settings: vip::Settings::default(),
            refused: 5,
            backends: backends.to_vec(),
        }]);
    }
    let totals = ledger.totals(&key());
    assert_eq!(totals.refused, 5);
    (totals.connects, totals.failures[0], totals.times[0])
}

#[test]
fn nothing_ever_falls() {
    let both: &[_] = &[backend(1, 10, 1, 8), backend(2, 20, 0, 20)];
    assert_eq!(after(&[both]), (30, 1, 28));
    assert_eq!(after(&[both, both]), (30, 1, 28));
    // One goes, another comes.
    let other: &[_] = &[backend(2, 25, 2, 22), backend(3, 1, 0, 1)];
    assert_eq!(after(&[both, other]), (36, 3, 31));
    // The first comes back with its counts, or with new ones.
    let all: &[_] = &[
        backend(1, 10, 1, 8),
        backend(2, 25, 2, 22),
        backend(3, 1, 0, 1),
    ];
    assert_eq!(after(&[both, other, all]), (36, 3, 31));
    assert_eq!(after(&[both, &[], &[backend(1, 12, 1, 9)]]), (32, 1, 29));
    assert_eq!(after(&[both, &[], &[backend(1, 3, 1, 2)]]), (33, 2, 30));
    // More connects than before, and yet another life: it was refused less often.
    assert_eq!(after(&[both, &[], &[backend(1, 50, 0, 50)]]), (80, 1, 78));
}

#[test]
fn counters_of_32_bits_wrap() {
    let before: &[_] = &[backend(1, 10, u32::MAX, 0)];
    let now: &[_] = &[backend(1, 13, 1, 0)];
    assert_eq!(after(&[before, now]).1, u64::from(u32::MAX) + 2);
}

#[test]
fn replacing_all_backends_for_ever_takes_no_memory() {
    let mut ledger = Ledger::default();
    for identity in 0..10_000 {
        ledger.note(&[ServiceUsage {
            key: key(),
            name: None,
            settings: vip::Settings::default(),
            refused: 0,
            backends: vec![backend(identity, 1, 0, 1)],
        }]);
    }
    assert_eq!(ledger.totals(&key()).connects, 10_000);
    assert!(ledger.0[&key()].seen.len() <= KEPT + 2);
    ledger.note(&[]);
    assert!(ledger.0.is_empty());
    assert_eq!(ledger.totals(&key()), Totals::default());
}
