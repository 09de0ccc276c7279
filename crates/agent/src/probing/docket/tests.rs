//! Cases and credit, with a clock of the test's own.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn key(protocol: Protocol) -> ServiceKey {
    ServiceKey {
        address: [11, 0, 0, 1].into(),
        port: 80,
        protocol,
    }
}

fn ejected(identity: u64, now: Instant) -> Ejected {
    Ejected {
        service: key(Protocol::Tcp),
        identity,
        task: None,
        near: None,
        far: Some(([10, 0, 0, 1], identity as u16).into()),
        until: now + SECOND,
    }
}

fn who(identity: u64) -> Who {
    (key(Protocol::Tcp), identity)
}

/// A docket that has just learned of one ejected backend and probes it.
fn begun(docket: &mut Docket, now: Instant) {
    docket.see(vec![ejected(1, now)], now);
    assert_eq!(docket.next(now).unwrap().0, who(1));
}

#[test]
fn an_ejected_backend_is_probed_at_once_and_only_once() {
    let (mut docket, now) = (Docket::default(), Instant::now());
    let near = ([172, 17, 0, 2], 80).into();
    let mut both = ejected(1, now);
    both.near = Some(near);
    docket.see(vec![both, ejected(2, now)], now);
    assert_eq!(docket.next(now), Some((who(1), near)));
    docket.see(vec![ejected(1, now), ejected(2, now)], now);
    assert_eq!(docket.next(now).unwrap().0, who(2));
    assert_eq!((docket.next(now), docket.due()), (None, None));
    docket.see(Vec::new(), now);
    assert_eq!(docket.cases(), 0);
    // The kernel was quicker.
    assert_eq!(docket.answer(&who(1), Answer::Yes, now), None);
}

#[test]
fn udp_and_backends_without_an_address_are_left_alone() {
    let (mut docket, now) = (Docket::default(), Instant::now());
    let (mut udp, mut nowhere) = (ejected(1, now), ejected(2, now));
    udp.service = key(Protocol::Udp);
    nowhere.far = None;
    docket.see(vec![udp, nowhere], now);
    assert_eq!((docket.cases(), docket.next(now)), (0, None));
}

#[test]
fn pauses_are_a_quarter_of_the_time_that_it_fails() {
    let (mut docket, begin) = (Docket::default(), Instant::now());
    begun(&mut docket, begin);
    let mut now = begin;
    let mut pauses = Vec::new();
    while now < begin + 200 * SECOND {
        let Some(Verdict::KeepOut(pause)) = docket.answer(&who(1), Answer::No, now) else {
            panic!("it is kept out")
        };
        assert_eq!((docket.next(now), docket.due()), (None, Some(now + pause)));
        pauses.push(pause);
        now += pause;
        assert!(docket.next(now).is_some());
    }
    assert_eq!(pauses[0], PAUSE.0);
    assert_eq!(pauses.last(), Some(&PAUSE.1));
    assert!(pauses.is_sorted());
    assert!(pauses.len() < 60, "{} probes in 200 s", pauses.len());
    // When it answers at last, clients were right, and nothing is forgiven.
    let verdict = docket.answer(&who(1), Answer::Yes, now);
    assert_eq!(verdict, Some(Verdict::Readmit { credit: 0 }));
    assert_eq!((docket.cases(), docket.credited()), (0, vec![]));
}

#[test]
fn credit_grows_with_each_contradiction_and_is_forgotten() {
    let (mut docket, mut now) = (Docket::default(), Instant::now());
    let mut credits = Vec::new();
    for _ in 0..10 {
        begun(&mut docket, now);
        let Some(Verdict::Readmit { credit }) = docket.answer(&who(1), Answer::Yes, now) else {
            panic!("it answers")
        };
        credits.push(credit);
        now += 10 * SECOND;
    }
    let wanted = [
        100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000,
    ];
    assert_eq!(credits, wanted);
    now += MEMORY;
    begun(&mut docket, now);
    let verdict = docket.answer(&who(1), Answer::Yes, now);
    assert_eq!(verdict, Some(Verdict::Readmit { credit: 100 }));
    // One that really fails has to earn it anew.
    begun(&mut docket, now);
    assert!(docket.answer(&who(1), Answer::No, now).is_some());
    docket.see(Vec::new(), now);
    begun(&mut docket, now);
    let verdict = docket.answer(&who(1), Answer::Yes, now);
    assert_eq!(verdict, Some(Verdict::Readmit { credit: 100 }));
}

#[test]
fn a_backend_whose_credit_is_used_is_probed_and_may_lose_it() {
    let (mut docket, mut now) = (Docket::default(), Instant::now());
    begun(&mut docket, now);
    docket.answer(&who(1), Answer::Yes, now);
    docket.see(Vec::new(), now);
    assert_eq!(docket.credited(), [who(1)]);
    now += SECOND;
    assert_eq!(docket.look(&who(1), Some(100), now), None);
    assert_eq!(docket.next(now), None, "nobody fails");
    now += SECOND;
    assert_eq!(docket.look(&who(1), Some(90), now), None);
    assert_eq!(docket.next(now).unwrap().0, who(1));
    assert_eq!(docket.next(now), None, "one at a time");
    assert_eq!(docket.answer(&who(1), Answer::Unknown, now), None);
    now += SECOND;
    assert_eq!(docket.look(&who(1), Some(80), now), None);
    assert!(docket.next(now).is_some());
    let verdict = docket.answer(&who(1), Answer::No, now);
    assert_eq!(verdict, Some(Verdict::Withdraw));
    assert_eq!(docket.credited(), []);
}

#[test]
fn credit_that_nobody_uses_is_taken_back_but_not_forgotten() {
    let (mut docket, mut now) = (Docket::default(), Instant::now());
    begun(&mut docket, now);
    docket.answer(&who(1), Answer::Yes, now);
    docket.see(Vec::new(), now);
    now += UNUSED / 2;
    assert_eq!(docket.look(&who(1), Some(99), now), None);
    now += UNUSED / 2;
    assert_eq!(docket.look(&who(1), Some(99), now), None);
    now += UNUSED / 2;
    let verdict = docket.look(&who(1), Some(99), now);
    assert_eq!(verdict, Some(Verdict::Withdraw));
    assert_eq!(docket.credited(), []);
    begun(&mut docket, now);
    let verdict = docket.answer(&who(1), Answer::Yes, now);
    assert_eq!(verdict, Some(Verdict::Readmit { credit: 200 }));
    // A backend that is gone needs none.
    assert_eq!(docket.look(&who(1), None, now), None);
    assert_eq!(docket.credited(), []);
}

#[test]
fn who_waits_longest_comes_first() {
    let (mut docket, now) = (Docket::default(), Instant::now());
    let all: Vec<_> = (1..4).map(|identity| ejected(identity, now)).collect();
    docket.see(all.clone(), now);
    docket.next(now).unwrap();
    docket.answer(&who(1), Answer::No, now);
    let later = now + 10 * SECOND;
    docket.see(all, later);
    assert_eq!(docket.next(later).unwrap().0, who(2));
    assert_eq!(docket.next(later).unwrap().0, who(3));
    assert_eq!(docket.next(later).unwrap().0, who(1));
}

#[test]
fn a_host_in_trouble_says_nothing_about_a_backend() {
    let (mut docket, now) = (Docket::default(), Instant::now());
    begun(&mut docket, now);
    assert_eq!(docket.answer(&who(1), Answer::Unknown, now), None);
    assert_eq!(docket.next(now), None);
    assert!(docket.next(now + CONFUSED).is_some());
    let verdict = docket.answer(&who(1), Answer::Yes, now);
    assert_eq!(verdict, Some(Verdict::Readmit { credit: 100 }));
}
