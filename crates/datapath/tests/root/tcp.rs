//! TCP through VIPs.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use model::Protocol::{Tcp, Udp};
use vip::{Backend, Policy};

use crate::lab::{Lab, assert_refused, draining, far, table, vip};
use crate::servers::{deaf_port, serve_tcp};

fn server(name: &str) -> Backend {
    far(name, serve_tcp("127.0.0.1:0".parse().unwrap(), name))
}

#[test]
fn a1_a_vip_reaches_its_backends_as_they_come_and_go() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let (a, b) = (server("a"), server("b"));
    lab.apply(&table(&[(vip(80), Tcp, &[])]));
    assert_refused(client.who(vip(80)));
    lab.apply(&table(&[(vip(80), Tcp, std::slice::from_ref(&a))]));
    assert_eq!(client.who(vip(80)).unwrap(), "a");
    lab.apply(&table(&[(vip(80), Tcp, &[a, b.clone()])]));
    let names: std::collections::BTreeSet<_> =
        (0..64).map(|_| client.who(vip(80)).unwrap()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    lab.apply(&table(&[(vip(80), Tcp, &[b])]));
    assert!((0..16).all(|_| client.who(vip(80)).unwrap() == "b"));
    lab.apply(&table(&[(vip(80), Tcp, &[])]));
    assert_refused(client.who(vip(80)));
    assert_eq!(lab.service(vip(80), Tcp).refused, 2);
}

#[test]
fn the_peer_is_the_vip() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    lab.apply(&table(&[(vip(80), Tcp, &[server("a")])]));
    let socket = client.dial(Tcp, vip(80)).unwrap();
    assert_eq!(client.peer(socket), Ok(vip(80)));
}

#[test]
fn a12_unknown_ports_and_protocols_are_refused() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    lab.apply(&table(&[(vip(80), Tcp, &[server("a")])]));
    assert_refused(client.dial(Tcp, vip(81)));
    assert_refused(client.dial(Udp, vip(80)));
    assert_eq!(lab.datapath().refused_elsewhere(), 2);
    let mut only_address = table(&[]);
    only_address.addresses.insert(vip(0).ip());
    lab.apply(&only_address);
    assert_refused(client.who(vip(80)));
}

#[test]
fn other_destinations_are_left_alone() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    lab.apply(&table(&[(vip(80), Tcp, &[server("a")])]));
    let direct = serve_tcp("127.0.0.1:0".parse().unwrap(), "direct");
    let socket = client.dial(Tcp, direct).unwrap();
    assert_eq!(client.peer(socket), Ok(direct));
    assert_eq!(client.receive(socket).1, "direct");
}

#[test]
fn f2_weights_are_respected() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let weighted = |name, weight| Backend {
        weight,
        ..server(name)
    };
    let backends = [weighted("one", 1), weighted("two", 2), weighted("seven", 7)];
    let mut wanted = table(&[(vip(80), Tcp, &backends)]);
    wanted
        .services
        .values_mut()
        .for_each(|service| service.settings.policy = Policy::Random);
    lab.apply(&wanted);
    let mut names: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..3_000 {
        *names.entry(client.who(vip(80)).unwrap()).or_default() += 1;
    }
    // More than six standard deviations on each side.
    assert!((200..400).contains(&names["one"]), "{names:?}");
    assert!((465..735).contains(&names["two"]), "{names:?}");
    assert!((1_945..2_255).contains(&names["seven"]), "{names:?}");
}

#[test]
fn f4_the_less_loaded_backend_is_preferred() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let busy = server("busy");
    lab.apply(&table(&[(vip(80), Tcp, std::slice::from_ref(&busy))]));
    let held: Vec<_> = (0..50)
        .map(|_| client.dial(Tcp, vip(80)).unwrap())
        .collect();
    lab.apply(&table(&[(vip(80), Tcp, &[busy, server("idle")])]));
    let kept: Vec<_> = (0..40)
        .map(|_| client.dial(Tcp, vip(80)).unwrap())
        .collect();
    let names: Vec<_> = kept
        .iter()
        .map(|socket| client.receive(*socket).1)
        .collect();
    // The idle one wins unless both draws are the busy one, once in four.
    let idle = names.iter().filter(|name| *name == "idle").count();
    assert!((18..=40).contains(&idle), "{idle} of 40");
    assert_eq!(
        lab.backend(vip(80), Tcp, "busy").open,
        50 + 40 - idle as u32
    );
    drop(held);
}

#[test]
fn c4_draining_backends_are_the_last_resort() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let (a, b) = (server("a"), server("b"));
    lab.apply(&table(&[(vip(80), Tcp, &[draining(a.clone()), b])]));
    assert!((0..32).all(|_| client.who(vip(80)).unwrap() == "b"));
    lab.apply(&table(&[(vip(80), Tcp, &[draining(a)])]));
    assert_eq!(client.who(vip(80)).unwrap(), "a");
}

#[test]
fn a2_ports_of_a_vip_are_apart() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let (a, b) = (server("a"), server("b"));
    let both = [
        (vip(80), Tcp, std::slice::from_ref(&a)),
        (vip(81), Tcp, &[b] as &[_]),
    ];
    lab.apply(&table(&both));
    assert_eq!(client.who(vip(80)).unwrap(), "a");
    assert_eq!(client.who(vip(81)).unwrap(), "b");
    lab.apply(&table(&both[..1]));
    assert_eq!(client.who(vip(80)).unwrap(), "a");
    assert_refused(client.who(vip(81)));
}

#[test]
fn an_address_that_is_no_vip_any_more_is_ordinary() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let local: SocketAddr = serve_tcp("127.0.0.1:0".parse().unwrap(), "local");
    lab.apply(&table(&[(local, Tcp, &[server("backend")])]));
    assert_eq!(client.who(local).unwrap(), "backend");
    lab.apply(&table(&[]));
    assert_eq!(client.who(local).unwrap(), "local");
}

#[test]
fn l1_a_refusing_backend_is_told_from_a_refusing_vip() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    lab.apply(&table(&[(vip(80), Tcp, &[far("deaf", deaf_port())])]));
    assert_refused(client.who(vip(80)));
    let deaf = lab.backend(vip(80), Tcp, "deaf");
    assert_eq!(deaf.total, 1);
    assert_eq!(lab.service(vip(80), Tcp).refused, 0);
}
