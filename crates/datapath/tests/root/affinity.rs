//! Clients that stay with a backend (items E).

use std::collections::BTreeSet;

use libbpf_rs::{MapCore, MapFlags, MapHandle};
use model::Protocol::{Tcp, Udp};
use vip::{Backend, Settings};

use crate::lab::{Client, Lab, draining, far, vip};
use crate::servers::{deaf_port, serve_tcp};
use crate::stacks::{STACKS, Stack, table_with};

const ON: Settings = settings(3_600);
const OFF: Settings = settings(0);

const fn settings(affinity: u32) -> Settings {
    Settings {
        policy: vip::Policy::Random,
        affinity,
        slow_start: 0,
        failures: 1,
        max_ejected: 100,
        close: false,
        locality: vip::Locality::Any,
        unready: false,
    }
}

/// Who answers 16 connects.
fn met(client: &mut Client, stack: Stack) -> BTreeSet<String> {
    stack.met(client, Tcp, 80, 16)
}

#[test]
fn e1_all_connects_of_a_client_go_to_one_backend() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in STACKS {
        for protocol in [Tcp, Udp] {
            let backends = stack.backends(protocol, &["a", "b", "c", "d", "e"]);
            lab.apply(&table_with(ON, &[(stack.key(80), protocol, &backends)]));
            let met = stack.met(&mut client, protocol, 80, 32);
            assert_eq!(met.len(), 1, "{stack:?} {protocol:?}: {met:?}");
        }
    }
}

#[test]
fn e2_affinity_is_switched_off_and_on() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in STACKS {
        let backends = stack.backends(Tcp, &["a", "b", "c", "d", "e"]);
        for (settings, expected) in [(ON, true), (OFF, false), (ON, true), (OFF, false)] {
            lab.apply(&table_with(settings, &[(stack.key(80), Tcp, &backends)]));
            let met = met(&mut client, stack);
            assert_eq!(met.len() == 1, expected, "{stack:?}: {met:?}");
        }
    }
}

/// Makes every client's last connect as much longer ago.
fn let_pass(lab: &Lab, seconds: u64) {
    let map = MapHandle::from_pinned_path(lab.options.pins.join("maps/affinity")).unwrap();
    for key in map.keys().collect::<Vec<_>>() {
        let mut value = map.lookup(&key, MapFlags::ANY).unwrap().unwrap();
        let last = u64::from_ne_bytes(value[8..16].try_into().unwrap());
        let earlier = last.wrapping_sub(seconds * 1_000_000_000);
        value[8..16].copy_from_slice(&earlier.to_ne_bytes());
        map.update(&key, &value, MapFlags::ANY).unwrap();
    }
}

#[test]
fn e3_the_timeout_is_the_one_that_was_asked_for() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let backends = Stack::Four.backends(Udp, &["a", "b", "c", "d", "e", "f", "g", "h"]);
    // A UDP flow of the kernel's connection tracking lasts 30 or 120 seconds.
    for timeout in [20, 20_000] {
        let services = [(vip(80), Udp, &*backends)];
        lab.apply(&table_with(settings(timeout), &services));
        let mut who = |lab: &Lab, ago| {
            let_pass(lab, ago);
            Stack::Four.met(&mut client, Udp, 80, 1)
        };
        let first = who(&lab, 0);
        let within = u64::from(timeout) - 5;
        // Each connect begins the time anew.
        assert!((0..8).all(|_| who(&lab, within) == first));
        let beyond = u64::from(timeout) + 5;
        assert!((0..32).any(|_| who(&lab, beyond) != first));
    }
}

#[test]
fn e4_a_client_whose_backend_goes_gets_another_one() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in STACKS {
        let backends = stack.backends(Tcp, &["a", "b", "c"]);
        let services = |set: &[Backend]| table_with(ON, &[(stack.key(80), Tcp, set)]);
        lab.apply(&services(&backends));
        let first = met(&mut client, stack);
        let is_first = |backend: &Backend| first.contains(backend.task.as_str());
        let (gone, mut left): (Vec<_>, Vec<_>) = backends.into_iter().partition(is_first);

        lab.apply(&services(&left));
        let second = met(&mut client, stack);
        assert!(second.len() == 1 && second != first, "{second:?}");

        left.extend(gone);
        for backend in &mut left {
            if second.contains(backend.task.as_str()) {
                *backend = draining(backend.clone());
            }
        }
        lab.apply(&services(&left));
        let third = met(&mut client, stack);
        assert!(third.len() == 1 && third != second, "{third:?}");
    }
}

#[test]
fn e4_a_client_whose_backend_fails_gets_another_one() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let good = far("good", serve_tcp(Stack::Four.local(), "good"));
    let bad = far("bad", deaf_port());
    lab.apply(&table_with(ON, &[(vip(80), Tcp, &[good, bad])]));
    // One failure is what it takes here, and the client may begin with either.
    let failed = (0..20).filter(|_| client.who(vip(80)).is_err()).count();
    assert!(failed <= 1, "{failed} of 20");
    assert_eq!(client.who(vip(80)).unwrap(), "good");
}

#[test]
fn e5_containers_of_a_host_are_clients_of_their_own() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let names = ["a", "b", "c", "d"];
    let backends = names.map(|name| far(name, serve_tcp(Stack::Four.local(), name)));
    lab.apply(&table_with(ON, &[(vip(80), Udp, &backends)]));
    let totals = |lab: &Lab| names.map(|name| lab.backend(vip(80), Udp, name).total);
    for _ in 0..24 {
        client.leave_host();
        let before = totals(&lab);
        client.churn(vip(80), 5, true);
        let after = totals(&lab);
        let more: Vec<_> = (0..4).map(|index| after[index] - before[index]).collect();
        assert_eq!(more.iter().max(), Some(&5), "{more:?}");
    }
    assert!(totals(&lab).iter().all(|total| *total > 0));
}

#[test]
fn e6_affinity_survives_a_restart_and_what_happens_to_others() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let backends = Stack::Four.backends(Tcp, &["a", "b", "c", "d", "e"]);
    let services = |more: &[Backend], others: u16| {
        let set = [&*backends, more].concat();
        let other: &[Backend] = &[far("other", deaf_port())];
        let others = (0..others).map(|port| (vip(1_000 + port), Tcp, other));
        let all: Vec<_> = others.chain([(vip(80), Tcp, &*set)]).collect();
        table_with(ON, &all)
    };
    lab.apply(&services(&[], 0));
    let first = met(&mut client, Stack::Four);
    for round in 0..10 {
        let more = Stack::Four.backend(Tcp, &format!("more-{round}"));
        lab.apply(&services(&[more], round));
        assert_eq!(met(&mut client, Stack::Four), first);
    }
    lab.open();
    assert_eq!(met(&mut client, Stack::Four), first);
    lab.apply(&services(&[], 0));
    assert_eq!(met(&mut client, Stack::Four), first);
}
