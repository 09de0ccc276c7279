//! Explanations against what really happens. L1, L2.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use datapath::{Client as Who, Explanation, How, Reason};
use model::Protocol::Tcp;
use vip::{Backend, Policy, ServiceKey, Settings};

use crate::dials::chi_square;
use crate::lab::{Client, Lab, draining, far, table, vip};
use crate::servers::{deaf_port, serve_tcp};
use crate::stacks::table_with;

mod standing;

/// Above this, one run of a million would be, for up to four names.
const UNLIKELY: f64 = 30.0;

fn key(port: u16) -> ServiceKey {
    ServiceKey {
        address: vip(port).ip(),
        port,
        protocol: Tcp,
    }
}

fn server(name: &str) -> Backend {
    far(name, serve_tcp("127.0.0.1:0".parse().unwrap(), name))
}

fn with(policy: Policy) -> Settings {
    Settings {
        policy,
        ..Settings::default()
    }
}

fn explain(lab: &Lab, who: &Who) -> Explanation {
    lab.datapath
        .as_ref()
        .unwrap()
        .explain(&key(80), who)
        .unwrap()
}

fn shares(explanation: &Explanation) -> Vec<(&str, f64)> {
    let backends = explanation.backends.iter();
    let named = backends.map(|it| (it.task.as_ref().unwrap().as_str(), it.probability));
    let shares: Vec<_> = named.collect();
    let sum: f64 = shares.iter().map(|(_, share)| share).sum();
    assert!(
        (sum + explanation.refused - 1.0).abs() < 1e-9,
        "{explanation:?}"
    );
    shares
}

fn reason(explanation: &Explanation, task: &str) -> Reason {
    let mut backends = explanation.backends.iter();
    let is_it = |task_id: &Option<model::TaskId>| task_id.as_ref().unwrap().as_str() == task;
    backends.find(|it| is_it(&it.task)).unwrap().reason
}

/// Many connects go where the explanation says.
fn agrees(lab: &Lab, client: &mut Client, who: &Who) -> Explanation {
    let explanation = explain(lab, who);
    let tally = client.dial_often(vip(80), 3_000);
    assert_eq!(tally.failed(), 0, "{tally:?}");
    let shares = shares(&explanation);
    let far_off = chi_square(&tally.answers, &shares);
    assert!(
        far_off < UNLIKELY,
        "{far_off}: {:?} of {shares:?}",
        tally.answers
    );
    explanation
}

/// Has the service eject a backend that refuses, and keeps it out for the test.
fn eject(lab: &mut Lab, client: &mut Client, task: &str) {
    crate::lab::eventually("it is ejected", || {
        client.dial_often(vip(80), 20);
        let ejected = lab.datapath().ejected();
        let found = ejected
            .iter()
            .find(|it| it.task.as_ref().unwrap().as_str() == task);
        found.is_some_and(|found| {
            let hour = Duration::from_secs(3_600);
            lab.datapath()
                .keep_out(&found.service, found.identity, hour)
        })
    });
}

#[test]
fn random_shares_are_weights() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let weighted = |name, weight| Backend {
        weight,
        ..server(name)
    };
    let backends = [weighted("a", 1), weighted("b", 2), weighted("c", 7)];
    lab.apply(&table_with(
        with(Policy::Random),
        &[(vip(80), Tcp, &backends)],
    ));
    let explanation = agrees(&lab, &mut client, &Who::Host);
    let mut found = shares(&explanation);
    found.sort_by(|a, b| a.1.total_cmp(&b.1));
    for ((_, found), wanted) in found.iter().zip([0.1, 0.2, 0.7]) {
        assert!((found - wanted).abs() < 1e-6, "{explanation:?}");
    }
    assert_eq!(reason(&explanation, "a"), Reason::Chosen(How::Drawn));
}

#[test]
fn least_loaded_shares_come_from_pairs() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let mut holder = lab.client();
    let backends = [server("a"), server("b"), server("c")];
    // Loads far apart, so that no handshake's time matters: connections that are held.
    for (backend, held) in backends.iter().zip([0, 20, 400]) {
        lab.apply(&table(&[(vip(80), Tcp, std::slice::from_ref(backend))]));
        for _ in 0..held {
            holder.dial(Tcp, vip(80)).unwrap();
        }
        // Leaving and coming back keeps the count.
        lab.apply(&table(&[(vip(80), Tcp, &backends)]));
    }
    let explanation = agrees(&lab, &mut client, &Who::Host);
    let of = |task: &str| {
        let mut backends = explanation.backends.iter();
        backends
            .find(|it| it.task.as_ref().unwrap().as_str() == task)
            .unwrap()
    };
    assert_eq!((of("a").open, of("b").open, of("c").open), (0, 20, 400));
    assert!(of("a").cost < of("b").cost && of("b").cost < of("c").cost);
    assert!(
        (of("c").probability - 1.0 / 27.0).abs() < 1e-9,
        "{explanation:?}"
    );
    assert_eq!(of("a").reason, Reason::Chosen(How::Lighter));
}

#[test]
fn weights_count_in_pairs_too() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let mut holder = lab.client();
    let weighted = |name, weight| Backend {
        weight,
        ..server(name)
    };
    let backends = [weighted("a", 1), weighted("b", 40)];
    for (backend, held) in backends.iter().zip([1, 10]) {
        lab.apply(&table(&[(vip(80), Tcp, std::slice::from_ref(backend))]));
        for _ in 0..held {
            holder.dial(Tcp, vip(80)).unwrap();
        }
    }
    lab.apply(&table(&[(vip(80), Tcp, &backends)]));
    // Ten connections are less to forty than one is to one.
    let explanation = agrees(&lab, &mut client, &Who::Host);
    let a = explanation
        .backends
        .iter()
        .find(|it| it.weight == 1)
        .unwrap();
    assert!(a.probability < 0.001, "{explanation:?}");
}

#[test]
fn an_ejected_backend_gets_nothing_and_the_others_its_share() {
    for policy in [Policy::Random, Policy::LeastLoaded] {
        let mut lab = Lab::new();
        let mut client = lab.client();
        let backends = [server("a"), far("deaf", deaf_port())];
        lab.apply(&table_with(with(policy), &[(vip(80), Tcp, &backends)]));
        eject(&mut lab, &mut client, "deaf");
        let explanation = agrees(&lab, &mut client, &Who::Host);
        // Three draws in a row may be the ejected one; then the best of all is taken.
        assert_eq!(
            shares(&explanation)
                .iter()
                .find(|it| it.0 == "a")
                .unwrap()
                .1,
            1.0
        );
        assert_eq!(reason(&explanation, "deaf"), Reason::Ejected);
        assert!(explanation.backends.iter().any(|it| it.ejection.is_some()));
    }
}

#[test]
fn the_last_resort_is_whom_a_scan_finds() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let second = |name| Backend {
        preferred: false,
        ..server(name)
    };
    let backends = [
        far("deaf", deaf_port()),
        second("a"),
        second("b"),
        draining(server("leaving")),
    ];
    let settings = Settings {
        max_ejected: 100,
        ..Settings::default()
    };
    lab.apply(&table_with(settings, &[(vip(80), Tcp, &backends)]));
    let before = explain(&lab, &Who::Host);
    assert_eq!(reason(&before, "deaf"), Reason::Chosen(How::Drawn));
    assert_eq!(reason(&before, "a"), Reason::NotPreferred);
    assert_eq!(reason(&before, "leaving"), Reason::Draining);
    eject(&mut lab, &mut client, "deaf");
    let explanation = agrees(&lab, &mut client, &Who::Host);
    let mut found: Vec<_> = shares(&explanation).iter().map(|it| it.1).collect();
    found.sort_by(f64::total_cmp);
    assert_eq!(found, [0.0, 0.0, 0.5, 0.5]);
    assert_eq!(reason(&explanation, "a"), Reason::Chosen(How::Fallback));
}

#[test]
fn a_slow_start_is_passed_over() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let backends = [server("old"), server("older"), server("new")];
    let settings = Settings {
        slow_start: 3_600,
        ..with(Policy::Random)
    };
    lab.apply(&table_with(settings, &[(vip(80), Tcp, &backends[..2])]));
    lab.apply(&table_with(settings, &[(vip(80), Tcp, &backends)]));
    let explanation = agrees(&lab, &mut client, &Who::Host);
    let new = explanation
        .backends
        .iter()
        .find(|it| it.warmth.is_some())
        .unwrap();
    assert_eq!(new.task.as_ref().unwrap().as_str(), "new");
    assert!((new.warmth.unwrap() - 1.0 / 16.0).abs() < 1e-3, "{new:?}");
    // A sixteenth of its share, and what the three draws after it give it.
    let held: f64 = 15.0 / 16.0 / 3.0;
    let share = (1.0 / 16.0 * (1.0 + held + held * held) + held * held * held) / 3.0;
    assert!((new.probability - share).abs() < 1e-3, "{new:?}");
}

#[test]
fn a_hash_leads_each_client_where_the_explanation_says() {
    let mut lab = Lab::new();
    let weighted = |name: &str, weight| Backend {
        weight,
        ..far(name, inside(name))
    };
    let mut clients = Vec::new();
    for _ in 0..12 {
        let mut client = lab.client();
        let cookie = client.leave_host();
        for name in ["a", "b", "c", "d"] {
            client.serve(&inside(name).to_string(), name);
        }
        let networks = BTreeSet::new();
        clients.push((client, Who::Namespace { cookie, networks }));
    }
    let backends = [
        weighted("a", 1),
        weighted("b", 2),
        weighted("c", 3),
        weighted("d", 1),
    ];
    let settings = with(Policy::Hash);
    let mut winners = BTreeSet::new();
    for backends in [&backends[..], &backends[1..]] {
        lab.apply(&table_with(settings, &[(vip(80), Tcp, backends)]));
        for (client, who) in &mut clients {
            let explanation = agrees_always(&lab, client, who);
            assert_eq!(explanation.stays, None);
            let winner = shares(&explanation)
                .into_iter()
                .find(|it| it.1 == 1.0)
                .unwrap();
            assert_eq!(reason(&explanation, winner.0), Reason::Chosen(How::Hash));
            let mut others = explanation.backends.iter();
            assert!(others.any(|it| it.reason == Reason::Another(How::Hash)));
            winners.insert(winner.0.to_owned());
        }
    }
    assert!(winners.len() > 1, "all clients went to {winners:?}");
    let mut host = lab.client();
    let backends = [server("e"), server("f"), server("g")];
    lab.apply(&table_with(settings, &[(vip(80), Tcp, &backends)]));
    agrees_always(&lab, &mut host, &Who::Host);
}

/// One backend is certain, and gets all.
fn agrees_always(lab: &Lab, client: &mut Client, who: &Who) -> Explanation {
    let explanation = explain(lab, who);
    let tally = client.dial_often(vip(80), 5);
    assert_eq!(chi_square(&tally.answers, &shares(&explanation)), 0.0);
    assert_eq!(tally.answers.values().sum::<u64>(), 5, "{tally:?}");
    explanation
}

fn inside(name: &str) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 7_000 + u16::from(name.as_bytes()[0])))
}
