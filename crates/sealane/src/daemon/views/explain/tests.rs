use std::time::Duration;

use datapath::Ejection;
use model::Protocol;
use vip::{BackendState, Settings};

use super::*;

fn at() -> VipPort {
    VipPort {
        name: None,
        address: [11, 0, 0, 1].into(),
        port: 80,
        protocol: Protocol::Tcp,
    }
}

fn backend(task: &str, probability: f64, reason: Reason) -> Candidate {
    Candidate {
        identity: 1,
        task: Some(task.parse().unwrap()),
        address: Some(([172, 17, 0, 2], 80).into()),
        weight: 2,
        state: BackendState::Ready,
        preferred: true,
        open: 3,
        pending: 0,
        time: Duration::from_micros(250),
        cost: 10_000,
        doubtful: false,
        warmth: None,
        ejection: None,
        probability,
        reason,
    }
}

fn explanation(policy: Policy, refused: f64, backends: Vec<Candidate>) -> Explanation {
    Explanation {
        service: ServiceKey {
            address: [11, 0, 0, 1].into(),
            port: 80,
            protocol: Protocol::Tcp,
        },
        name: None,
        settings: Settings {
            policy,
            ..Settings::default()
        },
        stays: None,
        refused,
        backends,
    }
}

fn view(explanation: &Explanation) -> ExplanationView {
    told(
        &at(),
        ClientView::default(),
        explanation,
        &Whereabouts::of(&State::default()),
    )
}

const LIGHTER: Reason = Reason::Chosen(How::Lighter);

#[test]
fn numbers_are_those_that_people_compare() {
    let backends = vec![
        backend("web.1", 0.25, LIGHTER),
        backend("web.2", 0.75, LIGHTER),
    ];
    let found = view(&explanation(Policy::LeastLoaded, 0.0, backends));
    let order: Vec<_> = found.candidates.iter().map(|it| it.chance).collect();
    assert_eq!(order, [0.75, 0.25], "the likeliest first");
    let first = &found.candidates[0];
    assert_eq!(first.connect_millis, Some(0.25));
    // 10,000 units of 0.262144 ms for a weight of 2.
    assert!((first.cost - 1_310.72).abs() < 1e-9, "{}", first.cost);
    assert!(found.summary.starts_with("two backends are drawn"));
}

#[test]
fn what_comes_out_in_a_sentence() {
    let one = |reason| vec![backend("web.1", 1.0, reason)];
    let two = |reason| {
        vec![
            backend("web.1", 0.5, LIGHTER),
            backend("web.2", 0.5, reason),
        ]
    };
    for (policy, refused, backends, says) in [
        (
            Policy::Random,
            1.0,
            vec![],
            "refused: the service has no backend",
        ),
        (
            Policy::Random,
            1.0,
            vec![backend("web.1", 0.0, Reason::NoAddress)],
            "no backend has an address for this client",
        ),
        (
            Policy::Hash,
            0.0,
            one(Reason::Chosen(How::Only)),
            "there is one backend",
        ),
        (
            Policy::Random,
            0.0,
            one(Reason::Chosen(How::Drawn)),
            "a backend is drawn",
        ),
        (
            Policy::Hash,
            0.0,
            one(Reason::Chosen(How::Hash)),
            "by a hash",
        ),
        (
            Policy::LeastLoaded,
            0.0,
            two(Reason::Chosen(How::Fallback)),
            "the best of the others is taken",
        ),
        (
            Policy::Random,
            0.125,
            two(LIGHTER),
            "12.5% of connections are refused",
        ),
    ] {
        let found = view(&explanation(policy, refused, backends)).summary;
        assert!(found.contains(says), "{says}: {found}");
    }
}

#[test]
fn a_client_that_stays_is_told_for_how_long() {
    let one = |reason| vec![backend("web.1", 1.0, reason)];
    let mut stays = explanation(Policy::Random, 0.0, one(Reason::Chosen(How::Affinity)));
    stays.stays = Some(Duration::from_millis(90_500));
    let found = view(&stays);
    assert!(
        found.summary.contains("for another 90 s"),
        "{}",
        found.summary
    );
    assert_eq!(found.stays_seconds, Some(90.5));
}

#[test]
fn every_reason_is_told_apart() {
    let ways = [
        How::Only,
        How::Drawn,
        How::Lighter,
        How::Hash,
        How::Affinity,
        How::Trial,
        How::Fallback,
    ];
    let chosen = ways.into_iter().map(Reason::Chosen);
    let another = [
        How::Only,
        How::Drawn,
        How::Lighter,
        How::Hash,
        How::Affinity,
    ];
    let others = [
        Reason::NoAddress,
        Reason::OtherFamily,
        Reason::Ejected,
        Reason::Draining,
        Reason::NotPreferred,
    ];
    let all = chosen
        .chain(another.into_iter().map(Reason::Another))
        .chain(others);
    let texts: std::collections::BTreeSet<_> = all
        .clone()
        .map(|reason| why(&backend("a", 0.0, reason)))
        .collect();
    assert_eq!(texts.len(), all.count(), "{texts:#?}");
}

#[test]
fn more_than_one_reason() {
    let mut found = backend("web.1", 0.0, Reason::Ejected);
    found.ejection = Some(Ejection {
        remaining: Duration::from_millis(1_540),
        row: 2,
    });
    assert_eq!(
        why(&found),
        "connects to it failed, so it is avoided for another 1.5 s (number 2 in a row)"
    );
    let mut found = backend("web.1", 0.1, LIGHTER);
    (found.warmth, found.doubtful, found.pending) = (Some(0.25), true, 4);
    let text = why(&found);
    assert!(text.contains("gets 25% of its share by now"), "{text}");
    assert!(
        text.contains("4 connects to it wait for an answer"),
        "{text}"
    );
    found.probability = 1.0;
    assert!(why(&found).starts_with("the others cannot be used"));
    found.address = None;
    found.reason = Reason::NoAddress;
    assert!(!why(&found).contains("25%"), "it gets nothing");
}
