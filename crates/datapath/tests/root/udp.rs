//! UDP through VIPs, as resolvers use it.

use std::net::SocketAddr;

use model::Protocol::{Tcp, Udp};
use vip::Backend;

use crate::lab::{Client, Lab, assert_refused, far, table, vip};
use crate::orders::Order;
use crate::servers::{serve_tcp, serve_udp};

fn server(name: &str) -> Backend {
    far(name, serve_udp("127.0.0.1:0".parse().unwrap(), name))
}

/// Asks over a socket as it is; tells who answered, and from where as it seems.
fn exchange(client: &mut Client, socket: u32, to: SocketAddr, text: &str) -> (SocketAddr, String) {
    client.send_to(socket, to, text).unwrap();
    let (from, answer) = client.receive(socket);
    let (name, echo) = answer.split_once(':').unwrap();
    assert_eq!(echo, text);
    (from.unwrap(), name.to_owned())
}

#[test]
fn a_connected_socket_sees_only_the_vip() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    lab.apply(&table(&[(vip(53), Udp, &[server("a")])]));
    let socket = client.dial(Udp, vip(53)).unwrap();
    assert_eq!(client.peer(socket), Ok(vip(53)));
    client
        .ask(&Order::Send {
            socket,
            text: "q".to_owned(),
        })
        .unwrap();
    assert_eq!(client.receive(socket), (Some(vip(53)), "a:q".to_owned()));
}

#[test]
fn d4_an_unconnected_socket_keeps_its_backend_and_hears_the_vip() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let backends: Vec<_> = ["a", "b", "c", "d"].map(server).into();
    lab.apply(&table(&[(vip(53), Udp, &backends)]));
    let mut met = std::collections::BTreeSet::new();
    for _ in 0..24 {
        let socket = client.open(Udp);
        let (from, name) = exchange(&mut client, socket, vip(53), "1");
        assert_eq!(from, vip(53));
        for text in ["2", "3", "4", "5"] {
            assert_eq!(
                exchange(&mut client, socket, vip(53), text),
                (vip(53), name.clone())
            );
        }
        met.insert(name);
    }
    assert!(met.len() > 1, "24 sockets all met {met:?}");
}

#[test]
fn a_removed_backend_is_replaced_on_the_same_socket() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let (a, b) = (server("a"), server("b"));
    lab.apply(&table(&[(vip(53), Udp, &[a])]));
    let socket = client.open(Udp);
    assert_eq!(exchange(&mut client, socket, vip(53), "1").1, "a");
    lab.apply(&table(&[(vip(53), Udp, std::slice::from_ref(&b))]));
    assert_eq!(exchange(&mut client, socket, vip(53), "2").1, "b");
    lab.apply(&table(&[(vip(53), Udp, &[])]));
    assert_refused(client.send_to(socket, vip(53), "3"));
    lab.apply(&table(&[(vip(53), Udp, &[b])]));
    assert_eq!(
        exchange(&mut client, socket, vip(53), "4"),
        (vip(53), "b".to_owned())
    );
}

#[test]
fn unknown_ports_are_refused_for_datagrams_too() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    lab.apply(&table(&[(vip(53), Udp, &[server("a")])]));
    let socket = client.open(Udp);
    assert_refused(client.send_to(socket, vip(54), "q"));
    assert_eq!(exchange(&mut client, socket, vip(53), "q").0, vip(53));
}

#[test]
fn a3_one_port_over_both_protocols() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let tcp = far("tcp", serve_tcp("127.0.0.1:0".parse().unwrap(), "tcp"));
    let udp = server("udp");
    lab.apply(&table(&[
        (vip(53), Tcp, std::slice::from_ref(&tcp)),
        (vip(53), Udp, &[udp]),
    ]));
    let socket = client.open(Udp);
    assert_eq!(exchange(&mut client, socket, vip(53), "q").1, "udp");
    assert_eq!(client.who(vip(53)).unwrap(), "tcp");
    lab.apply(&table(&[(vip(53), Tcp, &[tcp])]));
    assert_refused(client.send_to(socket, vip(53), "q"));
    assert_eq!(client.who(vip(53)).unwrap(), "tcp");
    lab.apply(&table(&[(vip(53), Udp, &[server("udp")])]));
    assert_eq!(exchange(&mut client, socket, vip(53), "q").1, "udp");
    assert_refused(client.who(vip(53)));
}

#[test]
fn b2_vips_that_share_a_backend_are_told_apart_by_the_last_question() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let shared = server("shared");
    let same: &[Backend] = std::slice::from_ref(&shared);
    lab.apply(&table(&[(vip(1), Udp, same), (vip(2), Udp, same)]));
    let socket = client.open(Udp);
    for port in [1, 2, 2, 1, 2] {
        assert_eq!(exchange(&mut client, socket, vip(port), "q").0, vip(port));
    }
}

#[test]
fn b2_more_vips_than_pins_still_answer_under_their_own_name() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let backends: Vec<_> = (0..9).map(|number| server(&format!("s{number}"))).collect();
    let services: Vec<_> = (0..9)
        .map(|number| {
            (
                vip(100 + number),
                Udp,
                std::slice::from_ref(&backends[number as usize]),
            )
        })
        .collect();
    lab.apply(&table(&services));
    let socket = client.open(Udp);
    for number in 0..9 {
        client.send_to(socket, vip(100 + number), "q").unwrap();
    }
    let mut answers: Vec<_> = (0..9).map(|_| client.receive(socket)).collect();
    answers.sort();
    for (number, (from, text)) in (0_u16..).zip(answers) {
        assert_eq!(
            (from, text),
            (Some(vip(100 + number)), format!("s{number}:q"))
        );
    }
    client.close(socket);
    assert_eq!(lab.open_connections(), 0);
}

#[test]
fn what_is_asked_directly_answers_under_its_own_address() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let backend = server("a");
    let address = backend.far.unwrap();
    lab.apply(&table(&[(vip(53), Udp, &[backend])]));
    let socket = client.open(Udp);
    assert_eq!(exchange(&mut client, socket, vip(53), "1").0, vip(53));
    assert_eq!(exchange(&mut client, socket, address, "2").0, address);
    assert_eq!(exchange(&mut client, socket, vip(53), "3").0, vip(53));
    assert_eq!(lab.backend(vip(53), Udp, "a").open, 1);
}

#[test]
fn nothing_is_left_after_disconnecting() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let shared = server("shared");
    let same: &[Backend] = std::slice::from_ref(&shared);
    lab.apply(&table(&[(vip(1), Udp, same), (vip(2), Udp, same)]));
    let socket = client.dial(Udp, vip(1)).unwrap();
    client.ask(&Order::Disconnect { socket }).unwrap();
    assert_eq!(client.peer(socket).unwrap_err().errno, libc::ENOTCONN);
    assert_eq!(exchange(&mut client, socket, vip(2), "q").0, vip(2));
    client.close(socket);
    assert_eq!(lab.open_connections(), 0);
}

#[test]
fn sending_elsewhere_from_a_connected_socket() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let shared = server("shared");
    let same: &[Backend] = std::slice::from_ref(&shared);
    lab.apply(&table(&[(vip(1), Udp, same), (vip(2), Udp, same)]));
    let socket = client.dial(Udp, vip(1)).unwrap();
    assert_eq!(exchange(&mut client, socket, vip(1), "q").0, vip(1));
    assert_eq!(exchange(&mut client, socket, vip(2), "q").0, vip(2));
    assert_eq!(client.peer(socket), Ok(vip(1)));
}
