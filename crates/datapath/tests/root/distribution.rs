//! How connects are spread (items F1, F2, F3 and F5). Larger numbers are in
//! `bpf/outside`, where the same code chooses outside of the kernel.

use std::collections::BTreeMap;
use std::net::UdpSocket;

use model::Protocol::{Tcp, Udp};
use vip::{Backend, Policy, Settings};

use crate::lab::{Client, Lab, far, vip};
use crate::servers::serve_tcp;
use crate::stacks::{Stack, table_with};

fn by(policy: Policy) -> Settings {
    Settings {
        policy,
        ..Settings::default()
    }
}

/// Backends that take what is sent and say nothing, for connects over UDP.
fn mute(count: usize) -> (Vec<UdpSocket>, Vec<Backend>) {
    (0..count)
        .map(|number| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let address = socket.local_addr().unwrap();
            (socket, far(&format!("b{number}"), address))
        })
        .unzip()
}

/// Connects of each backend so far, in the order of `backends`.
fn totals(lab: &Lab, backends: &[Backend]) -> Vec<u64> {
    let total = |backend: &Backend| lab.backend(vip(80), Udp, backend.task.as_str()).total;
    backends.iter().map(total).collect()
}

/// Pearson's sum, for weights.
fn chi_square(counts: &[u64], weights: &[f64]) -> f64 {
    let (total, all): (u64, f64) = (counts.iter().sum(), weights.iter().sum());
    let part = |(count, weight): (&u64, &f64)| {
        let expected = total as f64 * weight / all;
        (*count as f64 - expected).powi(2) / expected
    };
    counts.iter().zip(weights).map(part).sum()
}

/// Beyond this a sum of nine degrees of freedom is once in a million.
const NINE: f64 = 44.8;
/// And of five.
const FIVE: f64 = 35.9;

/// How many of so many connects each backend gets.
fn shares(
    lab: &mut Lab,
    client: &mut Client,
    policy: Policy,
    backends: &[Backend],
    connects: u32,
) -> Vec<u64> {
    lab.apply(&table_with(by(policy), &[(vip(80), Udp, backends)]));
    let before = totals(lab, backends);
    client.churn(vip(80), connects, true);
    let after = totals(lab, backends);
    let more: Vec<_> = after.iter().zip(before).map(|(a, b)| a - b).collect();
    assert_eq!(more.iter().sum::<u64>(), u64::from(connects));
    more
}

#[test]
fn f1_equal_backends_get_equal_shares() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let (_sockets, backends) = mute(10);
    for policy in [Policy::Random, Policy::LeastLoaded] {
        let counts = shares(&mut lab, &mut client, policy, &backends, 20_000);
        let sum = chi_square(&counts, &[1.0; 10]);
        assert!(sum < NINE, "{policy:?}: {sum}: {counts:?}");
    }
}

#[test]
fn f1_noise_in_connect_times_does_not_decide() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let server = |number| {
        let name = format!("b{number}");
        far(&name, serve_tcp(Stack::Four.local(), &name))
    };
    let backends: Vec<_> = (0..10).map(server).collect();
    lab.apply(&table_with(
        by(Policy::LeastLoaded),
        &[(vip(80), Tcp, &backends)],
    ));
    let mut met = BTreeMap::<String, u64>::new();
    for _ in 0..2_000 {
        *met.entry(client.who(vip(80)).unwrap()).or_default() += 1;
    }
    // Each has 200 of them and seven standard deviations.
    let even = met.values().all(|count| (106..294).contains(count));
    assert!(even && met.len() == 10, "{met:?}");
}

/// Weights 1, 2 and 7, within 3 % of each share.
fn assert_weighed(policy: Policy) {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let (_sockets, mut backends) = mute(3);
    for (backend, weight) in backends.iter_mut().zip([1, 2, 7]) {
        backend.weight = weight;
    }
    // So many that 3 % of the smallest share is more than four standard deviations.
    let counts = shares(&mut lab, &mut client, policy, &backends, 200_000);
    for (count, share) in counts.iter().zip([0.1, 0.2, 0.7]) {
        let off = *count as f64 / (200_000.0 * share) - 1.0;
        assert!(off.abs() < 0.03, "{off} of {share}: {counts:?}");
    }
}

#[test]
fn f2_weights_are_respected_by_chance() {
    assert_weighed(Policy::Random);
}

#[test]
fn f2_weights_are_respected_among_idle_backends() {
    assert_weighed(Policy::LeastLoaded);
}

#[test]
fn f3_clients_of_few_connects_are_spread_evenly() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let (_sockets, backends) = mute(6);
    for policy in [Policy::LeastLoaded, Policy::Hash] {
        lab.apply(&table_with(by(policy), &[]));
        lab.apply(&table_with(by(policy), &[(vip(80), Udp, &backends)]));
        // A namespace that was just made is a client that nobody has seen.
        for number in 0..120 {
            client.leave_host();
            let connects = if policy == Policy::Hash {
                1
            } else {
                1 + number % 3
            };
            client.churn(vip(80), connects, true);
        }
        let counts = totals(&lab, &backends);
        let sum = chi_square(&counts, &[1.0; 6]);
        assert!(sum < FIVE, "{policy:?}: {sum}: {counts:?}");
    }
}

/// The backend that each of the clients' namespaces is sent to.
fn hashed(lab: &Lab, clients: &mut [Client], backends: &[Backend]) -> Vec<usize> {
    clients
        .iter_mut()
        .map(|client| {
            let before = totals(lab, backends);
            client.churn(vip(80), 4, true);
            let after = totals(lab, backends);
            let more = |index: &usize| after[*index] - before[*index];
            let met = (0..backends.len()).max_by_key(more).unwrap();
            assert_eq!(more(&met), 4, "one client, one backend");
            met
        })
        .collect()
}

#[test]
fn f5_only_clients_of_a_removed_backend_move() {
    let mut lab = Lab::new();
    let (_sockets, backends) = mute(5);
    let mut clients: Vec<_> = (0..40)
        .map(|_| {
            let mut client = lab.client();
            client.leave_host();
            client
        })
        .collect();
    let services = |set: &[Backend]| table_with(by(Policy::Hash), &[(vip(80), Udp, set)]);
    lab.apply(&services(&backends));
    let all = hashed(&lab, &mut clients, &backends);
    let moved_away = |met: &[usize]| {
        let pairs = all.iter().zip(met);
        pairs.filter(|(was, is)| **was != 4 && was != is).count()
    };
    lab.apply(&services(&backends[..4]));
    let without = hashed(&lab, &mut clients, &backends[..4]);
    assert_eq!(moved_away(&without), 0, "{all:?} {without:?}");
    // And all are back where they were with the backend.
    lab.apply(&services(&backends));
    assert_eq!(hashed(&lab, &mut clients, &backends), all);
}
