//! Sockets that a sweep leaves alone.

use datapath::Means;
use model::Protocol::{Tcp, Udp};

use super::{BOTH, closing, local};
use crate::lab::{Lab, far, table, vip};
use crate::orders::Order;
use crate::servers::{serve_tcp, serve_udp};

#[test]
fn d6_unconnected_udp_moves_with_its_port() {
    for means in BOTH {
        let mut lab = Lab::new();
        let mut client = lab.client();
        let [a, b] = ["a", "b"].map(|name| far(name, serve_udp(local(), name)));
        lab.apply(&table(&[(vip(53), Udp, &[a])]));
        let unconnected = client.open(Udp);
        client.send_to(unconnected, vip(53), "1").unwrap();
        assert_eq!(client.receive(unconnected).1, "a:1");
        let own = client.own(unconnected);
        client.send_to(unconnected, vip(53), "2").unwrap();
        lab.apply(&table(&[(vip(53), Udp, &[b])]));

        assert_eq!(lab.sweep(means).ended, 0, "{means:?}");
        // An answer that was on its way still comes from the VIP.
        let late = client.receive(unconnected);
        assert_eq!(late, (Some(vip(53)), "a:2".to_owned()));
        client.send_to(unconnected, vip(53), "3").unwrap();
        let next = client.receive(unconnected);
        assert_eq!(next, (Some(vip(53)), "b:3".to_owned()));
        assert_eq!(client.own(unconnected), own);
        assert_eq!(lab.open_connections(), 1, "{means:?}");
        client.close(unconnected);
        assert_eq!(lab.open_connections(), 0, "{means:?}");
    }
}

#[test]
fn d6_an_idle_unconnected_socket_is_looked_at_once() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    lab.apply(&table(&[(
        vip(53),
        Udp,
        &[far("a", serve_udp(local(), "a"))],
    )]));
    let idle = client.open(Udp);
    client.send_to(idle, vip(53), "1").unwrap();
    lab.apply(&table(&[(vip(53), Udp, &[])]));
    assert_eq!(lab.sweep(Means::Iterators).ended, 0);
    assert_eq!(lab.open_connections(), 0);
    assert!(lab.datapath().sweep().is_none());
    assert_eq!(client.receive(idle).1, "a:1");
}

#[test]
fn d8_whoever_dialled_the_backend_itself_is_left_alone() {
    for means in BOTH {
        let (mut lab, mut other) = (Lab::new(), Lab::new());
        let (mut client, mut foreigner) = (lab.client(), other.client());
        let t = far("t", serve_tcp(local(), "t"));
        let u = far("u", serve_udp(local(), "u"));
        let address = u.far.unwrap();
        let services = [
            (vip(80), Tcp, std::slice::from_ref(&t)),
            (vip(53), Udp, std::slice::from_ref(&u)),
        ];
        lab.apply(&closing(&services));
        other.apply(&closing(&services));
        let ended = [Tcp, Udp].map(|protocol| {
            let port = if protocol == Tcp { 80 } else { 53 };
            client.dial(protocol, vip(port)).unwrap()
        });
        let direct_tcp = client.dial(Tcp, t.far.unwrap()).unwrap();
        let direct_udp = client.dial(Udp, address).unwrap();
        let foreign_tcp = foreigner.dial(Tcp, vip(80)).unwrap();
        let foreign_udp = foreigner.dial(Udp, vip(53)).unwrap();

        lab.apply(&closing(&[(vip(80), Tcp, &[]), (vip(53), Udp, &[])]));
        assert_eq!(lab.sweep(means).ended, 2, "{means:?}");
        ended.iter().for_each(|socket| client.assert_ended(*socket));
        assert_eq!(client.receive(direct_tcp).1, "t");
        client.assert_answered(direct_udp, address, "u:q");
        assert_eq!(foreigner.receive(foreign_tcp).1, "t");
        foreigner.assert_answered(foreign_udp, vip(53), "u:q");
    }
}

#[test]
fn b5_whoever_has_connected_elsewhere_since_is_left_alone() {
    for means in BOTH {
        let mut lab = Lab::new();
        let mut client = lab.client();
        let [a, b] = ["a", "b"].map(|name| far(name, serve_udp(local(), name)));
        let address = a.far.unwrap();
        let kept = (vip(54), Udp, std::slice::from_ref(&b));
        lab.apply(&table(&[(vip(53), Udp, &[a]), kept]));
        let stays = client.dial(Udp, vip(53)).unwrap();
        let direct = client.dial(Udp, vip(53)).unwrap();
        client.connect(direct, address).unwrap();
        let moved = client.dial(Udp, vip(53)).unwrap();
        client.connect(moved, vip(54)).unwrap();
        let unconnected = client.dial(Udp, vip(53)).unwrap();
        let order = Order::Disconnect {
            socket: unconnected,
        };
        client.ask(&order).unwrap();
        client.send_to(unconnected, vip(54), "q").unwrap();

        lab.apply(&table(&[(vip(53), Udp, &[]), kept]));
        assert_eq!(lab.sweep(means).ended, 1, "{means:?}");
        client.assert_ended(stays);
        client.assert_answered(direct, address, "a:q");
        client.assert_answered(moved, vip(54), "b:q");
        assert_eq!(client.receive(unconnected).1, "b:q");
    }
}

#[test]
fn d8_a_backend_that_comes_back_keeps_its_sockets() {
    for means in BOTH {
        let mut lab = Lab::new();
        let mut client = lab.client();
        let [a, b] = ["a", "b"].map(|name| far(name, serve_udp(local(), name)));
        let first = table(&[(vip(53), Udp, std::slice::from_ref(&a))]);
        lab.apply(&first);
        let socket = client.dial(Udp, vip(53)).unwrap();
        lab.apply(&table(&[(vip(53), Udp, &[b])]));
        let sweep = lab.datapath().sweep_by(means).unwrap();
        lab.apply(&first);
        // The job that was given out has to see that, and another is not due.
        let report = sweep.run();
        assert_eq!((report.ended, report.namespaces), (0, 1), "{report:?}");
        assert!(lab.datapath().sweep_by(means).is_none());
        client.assert_answered(socket, vip(53), "a:q");
    }
}
