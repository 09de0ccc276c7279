//! Near and far addresses, by where the client stands.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use datapath::netns_cookie_of_self;
use model::Protocol::{Tcp, Udp};
use vip::{Backend, NetworkKey};

use crate::lab::{Client, Lab, assert_refused, draining, far, near, table, vip};
use crate::servers::serve_tcp;

fn network(name: &str) -> NetworkKey {
    NetworkKey {
        engine: "docker".to_owned(),
        name: name.to_owned(),
    }
}

fn places(entries: &[(u64, &[&str])]) -> BTreeMap<u64, BTreeSet<NetworkKey>> {
    let networks = |names: &[&str]| names.iter().map(|name| network(name)).collect();
    entries
        .iter()
        .map(|(cookie, names)| (*cookie, networks(names)))
        .collect()
}

/// A client in its own namespace, which has both addresses of a backend on its
/// loopback: who answers is what was chosen.
fn container(lab: &Lab) -> (Client, u64, SocketAddr, SocketAddr) {
    let mut client = lab.client();
    let cookie = client.leave_host();
    let near = client.serve("127.0.0.1:7001", "near");
    let far = client.serve("127.0.0.2:7002", "far");
    (client, cookie, near, far)
}

#[test]
fn a6_a_container_uses_near_addresses_only_of_its_networks() {
    let mut lab = Lab::new();
    let (mut client, cookie, close, distant) = container(&lab);
    let backend = Backend {
        near: near(&network("blue"), close),
        ..far("t", distant)
    };
    let both: &[Backend] = std::slice::from_ref(&backend);
    lab.apply(&table(&[(vip(80), Tcp, both), (vip(53), Udp, both)]));
    assert_eq!(client.who(vip(80)).unwrap(), "far");

    lab.datapath()
        .set_places(&places(&[(cookie, &["green"]), (1, &["blue"])]))
        .unwrap();
    assert_eq!(client.who(vip(80)).unwrap(), "far");

    lab.datapath()
        .set_places(&places(&[(cookie, &["green", "blue", "red"])]))
        .unwrap();
    assert_eq!(client.who(vip(80)).unwrap(), "near");
    let socket = client.open(Udp);
    client.send_to(socket, vip(53), "q").unwrap();
    assert_eq!(client.receive(socket), (Some(vip(53)), "near:q".to_owned()));

    lab.datapath().set_places(&places(&[])).unwrap();
    assert_eq!(client.who(vip(80)).unwrap(), "far");
}

#[test]
fn a6_the_host_uses_near_addresses_of_every_network() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let serve = |name| serve_tcp("127.0.0.1:0".parse().unwrap(), name);
    let backend = Backend {
        near: near(&network("blue"), serve("near")),
        ..far("t", serve("far"))
    };
    lab.apply(&table(&[(vip(80), Tcp, std::slice::from_ref(&backend))]));
    assert_eq!(client.who(vip(80)).unwrap(), "near");
    lab.apply(&table(&[(
        vip(80),
        Tcp,
        &[Backend {
            near: None,
            ..backend
        }],
    )]));
    assert_eq!(client.who(vip(80)).unwrap(), "far");
}

#[test]
fn backends_out_of_reach_are_passed_over() {
    let mut lab = Lab::new();
    let (mut client, cookie, close, distant) = container(&lab);
    let hidden = |number: u16| Backend {
        near: near(
            &network("blue"),
            SocketAddr::new(close.ip(), 9_000 + number),
        ),
        far: None,
        ..far(&format!("hidden.{number}"), distant)
    };
    // Two draws of two hundred are most likely both in vain.
    let mut backends: Vec<_> = (0..199).map(hidden).collect();
    backends.push(far("open", distant));
    lab.apply(&table(&[(vip(80), Tcp, &backends)]));
    assert!((0..50).all(|_| client.who(vip(80)).unwrap() == "far"));

    // A draining one in reach is better than a refusal.
    let last = backends.pop().unwrap();
    backends.push(draining(last));
    lab.apply(&table(&[(vip(80), Tcp, &backends)]));
    assert_eq!(client.who(vip(80)).unwrap(), "far");

    backends.pop();
    lab.apply(&table(&[(vip(80), Tcp, &backends)]));
    assert_refused(client.who(vip(80)));
    assert_eq!(lab.service(vip(80), Tcp).refused, 1);
    lab.datapath()
        .set_places(&places(&[(cookie, &["blue"])]))
        .unwrap();
    // Now they are in reach, and nobody listens there.
    assert_refused(client.who(vip(80)));
    assert_eq!(lab.service(vip(80), Tcp).refused, 1);
}

#[test]
fn places_survive_a_restart_and_the_excess_is_told() {
    let mut lab = Lab::new();
    let (mut client, cookie, close, distant) = container(&lab);
    let backend = Backend {
        near: near(&network("blue"), close),
        ..far("t", distant)
    };
    lab.apply(&table(&[(vip(80), Tcp, &[backend])]));
    lab.datapath()
        .set_places(&places(&[(cookie, &["blue"])]))
        .unwrap();
    lab.open();
    assert_eq!(client.who(vip(80)).unwrap(), "near");
    let many = places(&[(cookie, &["a", "b", "blue", "c", "d"]), (7, &[])]);
    let error = lab.datapath().set_places(&many).unwrap_err();
    assert!(error.to_string().contains("on 5 networks"), "{error}");
    assert_eq!(client.who(vip(80)).unwrap(), "near");
}

#[test]
fn k5_the_host_and_a_container_have_different_cookies() {
    let lab = Lab::new();
    let cookie = lab.client().leave_host();
    let own = netns_cookie_of_self().unwrap();
    assert_eq!(own, netns_cookie_of_self().unwrap());
    assert_ne!(own, cookie);
}
