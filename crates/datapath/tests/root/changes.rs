//! Applying only what is named as changed.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use model::Protocol::{self, Tcp, Udp};
use vip::{Backend, Changes, Policy, ServiceKey, ServiceTable};

use crate::lab::{Lab, assert_refused, draining, eventually, far, small, table, vip};
use crate::servers::serve_tcp;
use datapath::{Applied, Capacities};

/// What differs between two tables.
fn changes(before: &ServiceTable, after: &ServiceTable) -> Changes {
    let keys = before.services.keys().chain(after.services.keys());
    let differs = |key: &&ServiceKey| before.services.get(key) != after.services.get(key);
    Changes {
        services: keys.filter(differs).copied().collect(),
        addresses: (&before.addresses ^ &after.addresses).into_iter().collect(),
        ..Changes::default()
    }
}

fn apply_changes(lab: &mut Lab, before: &ServiceTable, after: &ServiceTable) -> Applied {
    let changes = changes(before, after);
    let applied = lab.datapath().apply_changes(after, &changes).unwrap();
    assert!(applied.failures.is_empty(), "{:?}", applied.failures);
    applied
}

/// Asserts that the kernel lacks nothing of a table and has nothing else.
fn assert_in_force(lab: &mut Lab, table: &ServiceTable) {
    let applied = lab.apply(table);
    let done = (applied.added, applied.changed, applied.removed);
    assert_eq!(done, (0, 0, 0), "something was left to do");
    assert_eq!(applied.unchanged, table.services.len());
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % sides
    }
}

/// A table like another one, except for one or two services or an address.
fn next(table: &ServiceTable, dice: &mut Dice) -> ServiceTable {
    let mut table = table.clone();
    for _ in 0..=dice.roll(2) {
        let address = IpAddr::from([11, 0, 0, dice.roll(4) as u8]);
        let key = ServiceKey {
            address,
            port: 80 + dice.roll(3) as u16,
            protocol: [Tcp, Udp][dice.roll(2) as usize],
        };
        match dice.roll(6) {
            0 => drop(table.services.remove(&key)),
            1 => {
                table.services = table
                    .services
                    .iter()
                    .filter(|it| it.0.address != address)
                    .map(|(key, service)| (*key, service.clone()))
                    .collect();
                table.addresses.remove(&address);
            }
            2 => drop(table.addresses.insert(address)),
            _ => {
                let mut service = table.services.get(&key).cloned().unwrap_or_default();
                let number = dice.roll(5) as u16;
                let backend = far(
                    &format!("t{number}"),
                    ([10, 0, 0, 1], 8_000 + number).into(),
                );
                let known = service
                    .backends
                    .iter()
                    .position(|it| it.task == backend.task);
                match (known, dice.roll(3)) {
                    (None, _) => service.backends.push(backend),
                    (Some(at), 0) => drop(service.backends.remove(at)),
                    (Some(at), 1) => service.backends[at] = draining(backend),
                    (Some(_), _) => service.settings.policy = Policy::Hash,
                }
                table.services.insert(key, service);
                table.addresses.insert(address);
            }
        }
    }
    table
}

#[test]
fn many_changes_come_to_what_the_last_table_says() {
    let (mut lab, mut dice) = (Lab::new(), Dice(7));
    let mut before = ServiceTable::default();
    lab.apply(&before);
    let mut most = 0;
    for round in 0..300 {
        let after = next(&before, &mut dice);
        let applied = apply_changes(&mut lab, &before, &after);
        let differing = changes(&before, &after).services.len();
        let looked_at = applied.added + applied.changed + applied.removed + applied.unchanged;
        assert_eq!(looked_at, differing, "in round {round}");
        most = most.max(after.services.len());
        if dice.roll(4) == 0 {
            assert_in_force(&mut lab, &after);
        }
        before = after;
    }
    assert_in_force(&mut lab, &before);
    assert!(most > 10, "{most}");
}

/// The address is one where somebody listens, so that it shows whether it is ordinary.
#[test]
fn an_address_comes_with_its_first_service_and_goes_with_the_last() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let backends = [far("a", serve_tcp("127.0.0.1:0".parse().unwrap(), "a"))];
    let [first, second] = [(); 2].map(|()| serve_tcp("127.77.0.1:0".parse().unwrap(), "direct"));
    let none = ServiceTable::default();
    let one = table(&[(first, Tcp, &backends)]);
    let both = table(&[(first, Tcp, &backends), (second, Tcp, &backends)]);
    let mut bare = none.clone();
    bare.addresses.insert(first.ip());
    lab.apply(&none);
    assert_eq!(client.who(first).unwrap(), "direct");

    apply_changes(&mut lab, &none, &one);
    assert_eq!(client.who(first).unwrap(), "a");
    assert_refused(client.who(second));
    apply_changes(&mut lab, &one, &both);
    assert_eq!(client.who(second).unwrap(), "a");
    apply_changes(&mut lab, &both, &bare);
    assert_refused(client.who(first));
    // What is in force already may be named again.
    let again = changes(&both, &one);
    lab.datapath().apply_changes(&bare, &again).unwrap();
    assert_refused(client.who(second));
    apply_changes(&mut lab, &bare, &none);
    assert_eq!(client.who(first).unwrap(), "direct");
    assert_in_force(&mut lab, &none);
    assert_eq!(client.who(second).unwrap(), "direct");
}

#[test]
fn what_is_not_named_waits_for_the_whole_table() {
    let mut lab = Lab::new();
    let backend = |name| far(name, ([10, 0, 0, 1], 80).into());
    let before = table(&[(vip(80), Tcp, &[backend("a")])]);
    let after = table(&[
        (vip(81), Tcp, &[backend("b")]),
        (vip(82), Tcp, &[backend("c")]),
    ]);
    lab.apply(&before);
    let mut named = changes(&before, &after);
    named.services.retain(|key| key.port == 81);
    let applied = lab.datapath().apply_changes(&after, &named).unwrap();
    assert_eq!((applied.added, applied.removed), (1, 0));
    let ports = |lab: &mut Lab| -> BTreeSet<u16> {
        lab.datapath()
            .usage()
            .iter()
            .map(|it| it.key.port)
            .collect()
    };
    assert_eq!(ports(&mut lab), [80, 81].into());
    let applied = lab.apply(&after);
    assert_eq!((applied.added, applied.removed), (1, 1));
    assert_eq!(ports(&mut lab), [81, 82].into());
}

/// New maps are empty, and programs must not run over them before they are filled.
#[test]
fn the_first_changes_over_new_maps_bring_everything() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let serve = |name: &str| far(name, serve_tcp("127.0.0.1:0".parse().unwrap(), name));
    let (a, b): ([Backend; 1], [Backend; 1]) = ([serve("a")], [serve("b")]);
    let wanted = table(&[(vip(80), Tcp, &a), (vip(81), Tcp, &b)]);
    lab.apply(&wanted);
    lab.datapath = None;
    lab.options.capacities = Capacities {
        backends: 2_048,
        ..small()
    };
    lab.open();
    assert_eq!(
        client.who(vip(81)).unwrap(),
        "b",
        "the former programs go on"
    );
    let mut named = changes(&ServiceTable::default(), &wanted);
    named.services.retain(|key| key.port == 80);
    let applied = lab.datapath().apply_changes(&wanted, &named).unwrap();
    assert_eq!(applied.added, 2);
    for (port, name) in [(80, "a"), (81, "b")] {
        assert_eq!(client.who(vip(port)).unwrap(), name);
    }
}

#[test]
fn replacing_every_backend_by_changes_fails_no_connect() {
    let mut lab = Lab::new();
    let serve = |name: &&str| far(name, serve_tcp("127.0.0.1:0".parse().unwrap(), name));
    let backends: Vec<_> = ["a", "b", "c", "d"].iter().map(serve).collect();
    // Rolling: one comes, and then another one goes.
    let steps: Vec<_> = (0..8)
        .map(|step| {
            let at = |offset: usize| backends[(step / 2 + offset) % 4].clone();
            let mut now = vec![at(0), at(1)];
            if step % 2 == 1 {
                now.push(at(2));
            }
            table(&[(vip(80), Tcp, &now), (vip(81), Tcp, &backends)])
        })
        .collect();
    lab.apply(&steps[0]);
    let mut clients = [lab.client(), lab.client()];
    for client in &mut clients {
        client.hammer(vip(80));
    }
    let (end, mut step) = (Instant::now() + Duration::from_secs(2), 0);
    while Instant::now() < end {
        let (before, after) = (&steps[step % 8], &steps[(step + 1) % 8]);
        let applied = apply_changes(&mut lab, before, after);
        assert_eq!((applied.changed, applied.unchanged), (1, 0));
        step += 1;
    }
    for client in &mut clients {
        let tally = client.rest();
        assert!(tally.failures.is_empty(), "after {step} changes: {tally:?}");
        assert_eq!(tally.answers.len(), 4, "{tally:?}");
    }
    eventually("all counts are 0", || lab.open_connections() == 0);
    assert_in_force(&mut lab, &steps[step % 8]);
}

fn numbered(index: u32) -> SocketAddr {
    SocketAddr::new(IpAddr::from((0x0b00_0001 + index).to_be_bytes()), 80)
}

/// So many services of ten backends.
fn many(size: u32) -> ServiceTable {
    let mut all = ServiceTable::default();
    for index in 0..size {
        let backend = |port: u16| {
            let name = format!("task-{index}-{port}");
            far(&name, SocketAddr::new([10, 0, 0, 1].into(), port))
        };
        let ten: Vec<_> = (8_000..8_010).map(backend).collect();
        let one = table(&[(numbered(index), Tcp, &ten)]);
        all.addresses.extend(&one.addresses);
        for (key, service) in &one.services {
            all.services.insert(*key, service.clone());
        }
    }
    all
}

/// Milliseconds do not depend on how many services there are; run in release with
/// `--run-ignored only --no-capture`.
#[test]
#[ignore = "a measurement"]
fn one_change_at_any_size() {
    for size in [10_u32, 1_000, 10_000] {
        let mut lab = Lab::with(Capacities {
            services: 10_100,
            slots: 300_000,
            backends: 200_000,
            ..small()
        });
        let mut before = many(size);
        lab.apply(&before);
        let (mut named, mut whole) = (Vec::new(), Vec::new());
        for round in 0..202_u32 {
            let at = numbered(round / 2 * 7_919 % size);
            let at = ServiceKey {
                address: at.ip(),
                port: 80,
                protocol: Protocol::Tcp,
            };
            let mut after = before.clone();
            let changed = &mut after.services.get_mut(&at).unwrap().backends[3];
            *changed = if round % 2 == 0 {
                draining(changed.clone())
            } else {
                Backend {
                    state: vip::BackendState::Ready,
                    ..changed.clone()
                }
            };
            let changes = changes(&before, &after);
            let begun = Instant::now();
            // Half of the rounds are done the other way, to compare.
            let applied = if round < 101 {
                let applied = lab.datapath().apply_changes(&after, &changes).unwrap();
                named.push(begun.elapsed());
                applied
            } else {
                let applied = lab.datapath().apply(&after).unwrap();
                whole.push(begun.elapsed());
                applied
            };
            assert_eq!(applied.changed, 1);
            before = after;
        }
        named.sort();
        whole.sort();
        eprintln!(
            "{size} services of ten: one change named {:?}, found {:?}",
            named[named.len() / 2],
            whole[whole.len() / 2]
        );
    }
}
