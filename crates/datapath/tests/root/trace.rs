//! What programs tell: decisions and ejections. L2.

use datapath::{Decision, Event, Events, How, cgroup_id};
use model::Protocol::{Tcp, Udp};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use vip::{Policy, Settings};

use crate::lab::{Lab, assert_refused, far, table, vip};
use crate::servers::{deaf_port, serve_tcp, serve_udp};
use crate::stacks::{VIP6, table_with};

fn local() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// All that is told until nothing more is.
fn told(events: &mut Events) -> Vec<Event> {
    let mut all = Vec::new();
    loop {
        let taken = events.take().unwrap();
        if taken.is_empty() {
            return all;
        }
        all.extend(taken);
    }
}

fn decisions(events: &mut Events) -> Vec<Decision> {
    let all = told(events).into_iter();
    all.filter_map(|event| match event {
        Event::Decision(decision) => Some(decision),
        Event::Ejected { .. } | Event::Denied(_) => None,
    })
    .collect()
}

#[test]
fn a_decision_tells_all_about_itself() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let (tcp, udp) = (serve_tcp(local(), "t"), serve_udp(local(), "u"));
    let six: SocketAddr = format!("[{VIP6}]:80").parse().unwrap();
    lab.apply(&table(&[
        (vip(80), Tcp, &[far("t", tcp)]),
        (vip(53), Udp, &[far("u", udp)]),
        (six, Tcp, &[far("six", "[::1]:9".parse().unwrap())]),
    ]));
    let mut events = lab.datapath().events().unwrap();
    client.who(vip(80)).unwrap();
    assert_eq!(decisions(&mut events), [], "nobody watches");

    lab.datapath().set_trace(100, 1);
    let before = Instant::now();
    client.who(vip(80)).unwrap();
    let socket = client.open(Udp);
    client.send_to(socket, vip(53), "q").unwrap();
    let socket = client.open_six(Tcp, true);
    let _ = client.connect(socket, six);
    assert_refused(client.who(vip(81)));
    let found = decisions(&mut events);
    let [of_tcp, of_udp, of_six, of_none] = found.as_slice() else {
        panic!("{found:?}")
    };

    let cgroup = cgroup_id(&lab.options.cgroup).unwrap();
    let host = datapath::netns_cookie_of_self().unwrap();
    let pid = client.pid();
    for decision in &found {
        assert!(
            decision.at >= before - Duration::from_millis(10),
            "{decision:?}"
        );
        assert!(decision.at <= Instant::now(), "{decision:?}");
        assert_eq!((decision.cgroup, decision.netns), (cgroup, host));
        assert_eq!(decision.pid, pid);
        assert!(!decision.comm.is_empty(), "{decision:?}");
    }
    let of = |vip: SocketAddr, protocol, task| lab.backend(vip, protocol, task).identity;
    assert_eq!(
        (of_tcp.vip, of_tcp.protocol, of_tcp.peer),
        (vip(80), Tcp, Some(tcp))
    );
    assert_eq!(
        (of_tcp.how, of_tcp.identity),
        (How::Only, Some(of(vip(80), Tcp, "t")))
    );
    assert_eq!(
        (of_udp.vip, of_udp.protocol, of_udp.peer),
        (vip(53), Udp, Some(udp))
    );
    assert_eq!(of_udp.identity, Some(of(vip(53), Udp, "u")));
    assert_eq!(
        (of_six.vip, of_six.peer),
        (six, Some("[::1]:9".parse().unwrap()))
    );
    assert_eq!((of_none.vip, of_none.peer), (vip(81), None));
    assert_eq!((of_none.how, of_none.identity), (How::Refused, None));
}

#[test]
fn how_it_was_chosen_is_told() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let backends = ["a", "b", "c"].map(|name| far(name, serve_tcp(local(), name)));
    let mut events = lab.datapath().events().unwrap();
    let affine = Settings {
        affinity: 60,
        ..Settings::default()
    };
    let random = Settings {
        policy: Policy::Random,
        ..Settings::default()
    };
    let hash = Settings {
        policy: Policy::Hash,
        ..Settings::default()
    };
    let cases = [
        (Settings::default(), How::Lighter),
        (random, How::Drawn),
        (hash, How::Hash),
        (affine, How::Affinity),
    ];
    for (settings, how) in cases {
        lab.apply(&table_with(settings, &[(vip(80), Tcp, &backends)]));
        // Both draws may be the same, and nobody stays before there was a first time.
        client.who(vip(80)).unwrap();
        lab.datapath().set_trace(100, 1);
        client.dial_often(vip(80), 50);
        lab.datapath().set_trace(0, 1);
        let found = decisions(&mut events);
        let such = found.iter().filter(|decision| decision.how == how).count();
        assert!(found.len() == 50 && such >= 25, "{such} are {how}");
    }
}

#[test]
fn no_more_is_told_than_was_paid_for() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    lab.apply(&table(&[(
        vip(80),
        Tcp,
        &[far("a", serve_tcp(local(), "a"))],
    )]));
    let mut events = lab.datapath().events().unwrap();
    lab.datapath().set_trace(5, 1);
    client.dial_often(vip(80), 50);
    assert_eq!(decisions(&mut events).len(), 5);
    lab.datapath().set_trace(1_000, 10);
    client.dial_often(vip(80), 1_000);
    let found = decisions(&mut events).len();
    assert!((50..200).contains(&found), "{found} of 1,000, one of ten");
    lab.datapath().set_trace(0, 1);
    client.dial_often(vip(80), 50);
    assert_eq!(decisions(&mut events).len(), 0);
}

#[test]
fn an_ejection_is_told_at_once_to_whoever_waits() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let backends = [far("a", serve_tcp(local(), "a")), far("deaf", deaf_port())];
    lab.apply(&table(&[(vip(80), Tcp, &backends)]));
    let mut events = lab.datapath().events().unwrap();
    assert_eq!(events.wait(Duration::ZERO).unwrap(), []);
    let waiting = std::thread::spawn(move || (events.wait(Duration::from_secs(10)), events));
    let tally = client.dial_often(vip(80), 100);
    let (found, mut events) = waiting.join().unwrap();
    let deaf = lab.backend(vip(80), Tcp, "deaf");
    let found = found.unwrap();
    let [
        Event::Ejected {
            identity,
            protocol,
            at,
            ..
        },
    ] = found.as_slice()
    else {
        panic!("{found:?}")
    };
    assert_eq!((*identity, *protocol), (deaf.identity, Tcp));
    assert!(at.elapsed() < Duration::from_secs(10));
    assert_eq!(tally.failed(), 3);
    assert_eq!(told(&mut events), []);
}

#[test]
fn events_wait_for_the_next_reader() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    lab.apply(&table(&[(
        vip(80),
        Tcp,
        &[far("a", serve_tcp(local(), "a"))],
    )]));
    lab.datapath().set_trace(10_000, 1);
    // More than the ring holds: the rest is lost, and nothing else is.
    let tally = client.dial_often(vip(80), 4_000);
    assert_eq!(tally.failed(), 0, "{tally:?}");
    lab.open();
    let mut events = lab.datapath().events().unwrap();
    let found = decisions(&mut events).len();
    assert!(
        (1_000..4_000).contains(&found),
        "{found} decisions in the ring"
    );
    client.who(vip(80)).unwrap();
    assert_eq!(decisions(&mut events).len(), 1);
}
