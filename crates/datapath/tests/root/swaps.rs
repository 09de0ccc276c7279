//! Changing tables under load.

use std::time::{Duration, Instant};

use model::Protocol::Tcp;
use vip::Backend;

use crate::lab::{Lab, eventually, far, small, table, vip};
use crate::servers::serve_tcp;
use datapath::{ApplyError, Capacities, Subject};

fn servers(names: &[&str]) -> Vec<Backend> {
    let serve = |name: &&str| far(name, serve_tcp("127.0.0.1:0".parse().unwrap(), name));
    names.iter().map(serve).collect()
}

#[test]
fn c6_replacing_every_backend_fails_no_connect() {
    let mut lab = Lab::new();
    let (blue, green) = (servers(&["b1", "b2", "b3"]), servers(&["g1", "g2"]));
    let tables = [
        table(&[(vip(80), Tcp, &blue)]),
        table(&[(vip(80), Tcp, &green)]),
    ];
    lab.apply(&tables[0]);
    let mut clients = [lab.client(), lab.client()];
    for client in &mut clients {
        client.hammer(vip(80));
    }
    let end = Instant::now() + Duration::from_secs(2);
    let mut swaps = 0;
    while Instant::now() < end {
        swaps += 1;
        lab.apply(&tables[swaps % 2]);
    }
    for client in &mut clients {
        let tally = client.rest();
        assert!(tally.failures.is_empty(), "after {swaps} swaps: {tally:?}");
        assert_eq!(tally.answers.len(), 5, "{tally:?}");
    }
    assert!(swaps > 100, "{swaps} swaps");
    eventually("all counts are 0", || lab.open_connections() == 0);
}

#[test]
fn h6_slots_ids_and_backends_are_used_again() {
    let capacities = Capacities {
        services: 4,
        slots: 8,
        backends: 8,
        ..small()
    };
    let mut lab = Lab::with(capacities);
    let mut client = lab.client();
    let sets = [servers(&["a1", "a2"]), servers(&["b1", "b2"])];
    for round in 0..200 {
        let port = 80 + (round % 3) as u16;
        lab.apply(&table(&[(vip(port), Tcp, &sets[round % 2])]));
        let name = client.who(vip(port)).unwrap();
        assert!(
            name.starts_with(["a", "b"][round % 2]),
            "{name} in round {round}"
        );
    }
}

#[test]
fn a_backend_with_open_connections_keeps_its_id() {
    let capacities = Capacities {
        backends: 4,
        ..small()
    };
    let mut lab = Lab::with(capacities);
    let mut client = lab.client();
    let backends = servers(&["a", "b", "c", "d", "e"]);
    lab.apply(&table(&[(vip(80), Tcp, &backends[..1])]));
    let socket = client.dial(Tcp, vip(80)).unwrap();
    for pair in backends.windows(2) {
        lab.apply(&table(&[(vip(80), Tcp, pair)]));
    }
    let left = lab.service(vip(80), Tcp).backends.pop().unwrap();
    assert_eq!(
        (left.state, left.open, left.far),
        (None, 1, backends[0].far)
    );
    // Four live ones and the departed one are more than there is room for.
    let four = table(&[(vip(80), Tcp, &backends[1..])]);
    assert_eq!(lab.datapath().apply(&four).unwrap().failures.len(), 1);
    client.close(socket);
    lab.apply(&four);
}

#[test]
fn h5_a_full_map_concerns_one_service_only() {
    let capacities = Capacities {
        services: 2,
        slots: 16,
        backends: 4,
        ..small()
    };
    let mut lab = Lab::with(capacities);
    let mut client = lab.client();
    let backends = servers(&["a", "b", "c", "d", "e"]);
    let wanted = table(&[
        (vip(80), Tcp, &backends[..1]),
        (vip(81), Tcp, &backends),
        (vip(82), Tcp, &backends[..2]),
        (vip(83), Tcp, &backends[..1]),
    ]);
    let applied = lab.datapath().apply(&wanted).unwrap();
    assert_eq!(applied.added, 2);
    let failures: Vec<_> = applied
        .failures
        .iter()
        .map(|failure| match (&failure.subject, &failure.error) {
            (Subject::Service(key), ApplyError::Full { name, capacity }) => {
                (key.port, *name, *capacity)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(failures, [(81, "backends", 4), (83, "services", 2)]);
    assert_eq!(client.who(vip(80)).unwrap(), "a");
    assert!(client.who(vip(81)).is_err());
    // What failed converges once there is room.
    let less = table(&[(vip(81), Tcp, &backends[..4])]);
    eventually("the other service fits", || {
        lab.datapath().apply(&less).unwrap().failures.is_empty()
    });
    client.who(vip(81)).unwrap();
}
