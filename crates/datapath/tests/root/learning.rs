//! What the kernel learns from connects by itself, without anybody who probes. G.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use datapath::Client as Who;
use model::Protocol::Tcp;
use vip::{Backend, ServiceKey, Settings};

use crate::calls::Call;
use crate::dials::Shop;
use crate::lab::{Client, Lab, draining, eventually, far, table, vip};
use crate::orders::{Order, Tally};
use crate::servers::{deaf_port, serve_tcp};
use crate::stacks::table_with;

fn server(name: &str) -> Backend {
    far(name, serve_tcp("127.0.0.1:0".parse().unwrap(), name))
}

fn row(lab: &Lab, task: &str) -> u32 {
    let ejection = lab.backend(vip(80), Tcp, task).ejection;
    ejection.map_or(0, |ejection| ejection.row)
}

fn answers(tally: &Tally, name: &str) -> u64 {
    tally.answers.get(name).copied().unwrap_or_default()
}

#[test]
fn g1_a_dead_process_is_avoided_after_three_refusals_and_back_when_it_is_back() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let mut mortal = lab.client();
    let address = mortal.serve("127.0.0.1:0", "b");
    lab.apply(&table(&[(vip(80), Tcp, &[server("a"), far("b", address)])]));
    let both = client.dial_often(vip(80), 100);
    assert!(both.failed() == 0 && both.answers.len() == 2, "{both:?}");

    mortal.kill();
    let begun = Instant::now();
    let tally = client.dial_often(vip(80), 500);
    // After a second one connect is sacrificed to see whether it is back.
    let trials = begun.elapsed().as_secs();
    assert!((3..=3 + trials).contains(&tally.failed()), "{tally:?}");
    let b = lab.backend(vip(80), Tcp, "b");
    assert!(b.ejection.is_some() && b.connects.refused >= 3, "{b:?}");

    let mut reborn = lab.client();
    assert_eq!(reborn.serve(&address.to_string(), "b"), address);
    eventually("the kernel tries it and takes it back", || {
        answers(&client.dial_often(vip(80), 20), "b") > 0 && row(&lab, "b") == 0
    });
    let tally = client.dial_often(vip(80), 200);
    assert!(
        tally.failed() == 0 && answers(&tally, "b") > 20,
        "{tally:?}"
    );
}

/// A backend in a namespace of its own, at the end of a wire from here.
struct Island {
    server: Client,
    address: SocketAddr,
    wire: String,
}

impl Island {
    fn new(lab: &Lab, name: &str, subnet: u8) -> Self {
        let mut server = lab.client();
        server.leave_host();
        let wire = format!("slg{}x{subnet}", std::process::id());
        let thread = server.number(Call::ThreadId).to_string();
        let (here, there) = (
            format!("10.213.{subnet}.1/30"),
            format!("10.213.{subnet}.2/30"),
        );
        ip(&[
            "link", "add", &wire, "type", "veth", "peer", "name", "eth0", "netns", &thread,
        ]);
        ip(&["addr", "add", &here, "dev", &wire]);
        ip(&["link", "set", &wire, "up"]);
        server.run(&format!("ip addr add {there} dev eth0"));
        server.run("ip link set eth0 up");
        let address = server.serve(&format!("10.213.{subnet}.2:7000"), name);
        Self {
            server,
            address,
            wire,
        }
    }

    /// Nothing comes out any more, as from a host that lost its power.
    fn vanish(&mut self) {
        self.server.run("ip link set eth0 down");
    }
}

impl Drop for Island {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["link", "del", &self.wire])
            .output();
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments:?}: {errors}");
}

#[test]
fn g2_a_vanished_host_is_avoided_before_anybody_waits_for_it() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let mut island = Island::new(&lab, "far", 1);
    let others = ["a", "b", "c"].map(server);
    let mut backends = others.to_vec();
    backends.push(far("far", island.address));
    lab.apply(&table(&[(vip(80), Tcp, &backends)]));
    assert!(answers(&client.dial_often(vip(80), 200), "far") > 0);

    island.vanish();
    let before = lab.backend(vip(80), Tcp, "far").total;
    let sent = |lab: &Lab| lab.backend(vip(80), Tcp, "far").total - before;
    // Clients that do not wait, as many do that have a timeout of their own.
    let mut started = 0;
    eventually("a SYN is sent again and the backend is ejected", || {
        let socket = client.open(Tcp);
        client
            .ask(&Order::Start {
                socket,
                to: vip(80),
            })
            .unwrap();
        started += 1;
        // Those that wait are left alone, for that is what tells.
        if lab.backend(vip(80), Tcp, "far").pending == 0 {
            client.close(socket);
        }
        row(&lab, "far") > 0
    });
    let found = lab.backend(vip(80), Tcp, "far");
    assert!(
        found.connects.unanswered + found.connects.unroutable >= 3,
        "{found:?}"
    );
    // Those before it was silent for long enough.
    let share = f64::from(sent(&lab) as u32) / f64::from(started);
    assert!(
        share < 0.1,
        "{} of {started} connects were sent there",
        sent(&lab)
    );
    let settled = sent(&lab);
    let tally = client.dial_often(vip(80), 200);
    assert_eq!((tally.failed(), sent(&lab)), (0, settled), "{tally:?}");
}

#[test]
fn g2_nobody_waits_for_the_silent_one_of_two() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let mut island = Island::new(&lab, "far", 2);
    let backends = [server("a"), far("far", island.address)];
    lab.apply(&table(&[(vip(80), Tcp, &backends)]));
    assert!(answers(&client.dial_often(vip(80), 100), "far") > 0);

    island.vanish();
    let key = ServiceKey {
        address: vip(80).ip(),
        port: 80,
        protocol: Tcp,
    };
    eventually("three wait, and nothing was heard for a while", || {
        let far = lab.backend(vip(80), Tcp, "far");
        if far.pending < 3 {
            let socket = client.open(Tcp);
            let to = vip(80);
            client.ask(&Order::Start { socket, to }).unwrap();
        }
        let explained = lab.datapath().explain(&key, &Who::Host).unwrap();
        explained.backends.iter().any(|it| it.doubtful)
    });
    let before = lab.backend(vip(80), Tcp, "far");
    let begun = Instant::now();
    let tally = client.dial_often(vip(80), 100);
    let after = lab.backend(vip(80), Tcp, "far");
    let took = begun.elapsed();
    assert!(
        tally.failed() == 0 && after.total == before.total,
        "{tally:?}, {took:?}: {before:?}, {after:?}"
    );
}

#[test]
fn g4_when_all_fail_only_a_share_is_avoided_and_all_are_tried() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let mut shops = ["a", "b", "c", "d"].map(Shop::new);
    let backends = shops.each_ref().map(|shop| far(shop.name(), shop.address));
    for (max_ejected, ejected) in [(50, 2), (100, 4)] {
        let settings = Settings {
            max_ejected,
            ..Settings::default()
        };
        lab.apply(&table_with(settings, &[(vip(80), Tcp, &backends)]));
        shops.iter_mut().for_each(Shop::close);
        // Longer than it takes each to fail three times, shorter than an ejection.
        let tally = client.dial_often(vip(80), 100);
        assert_eq!(
            tally.failures.keys().collect::<Vec<_>>(),
            [&libc::ECONNREFUSED]
        );
        assert_eq!(lab.datapath().ejected().len(), ejected);
        let before = lab.service(vip(80), Tcp);
        client.dial_often(vip(80), 200);
        let after = lab.service(vip(80), Tcp);
        // Fail open: nobody is refused for want of a backend.
        assert_eq!(after.refused, 0);
        let tried = after.backends.iter().zip(&before.backends);
        let tried: Vec<_> = tried
            .map(|(after, before)| after.total - before.total)
            .collect();
        let used = tried.iter().filter(|count| **count > 10).count();
        let kept = if max_ejected == 100 { 4 } else { 4 - ejected };
        assert!(used >= kept, "{tried:?}");
        shops.iter_mut().for_each(Shop::open);
        eventually("all are back", || {
            client.dial_often(vip(80), 20);
            lab.datapath().ejected().is_empty()
        });
    }
}

#[test]
fn g6_a_flapping_backend_is_avoided_for_twice_as_long_each_time() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let deaf = deaf_port();
    let backends = [server("a"), far("b", deaf)];
    let wanted = table(&[(vip(80), Tcp, &backends)]);
    lab.apply(&wanted);
    let remaining = |lab: &Lab| lab.backend(vip(80), Tcp, "b").ejection.unwrap().remaining;
    for (times, seconds) in [(1, 1), (2, 2), (3, 4)] {
        eventually("it is ejected once more", || {
            client.dial_often(vip(80), 10);
            row(&lab, "b") == times
        });
        let left = remaining(&lab);
        let whole = Duration::from_secs(seconds);
        assert!(left <= whole && left > whole / 2, "{left:?} of {whole:?}");
        // It is tried by one connect a time, not by many.
        assert_eq!(lab.backend(vip(80), Tcp, "b").connects.refused, 2 + times);
    }
    // What is known is in the maps, which outlive this process.
    let before = remaining(&lab);
    lab.open();
    lab.apply(&wanted);
    assert_eq!(row(&lab, "b"), 3);
    assert!(remaining(&lab) <= before);
    // A slow machine may have come to the next time that it is tried.
    let tried = u64::from(remaining(&lab).is_zero());
    assert!(client.dial_often(vip(80), 100).failed() <= tried);
    // And being back ends it.
    serve_tcp(deaf, "b");
    eventually("it is back", || {
        answers(&client.dial_often(vip(80), 20), "b") > 0
    });
    assert_eq!(row(&lab, "b"), 0);
}

#[test]
fn g7_an_ejection_disturbs_neither_connections_nor_those_who_stay_elsewhere() {
    let mut lab = Lab::new();
    let mut shop = Shop::new("b");
    let mut guest = lab.client();
    lab.apply(&table(&[(vip(80), Tcp, &[far("b", shop.address)])]));
    let inside = guest.dial(Tcp, vip(80)).unwrap();
    assert_eq!(guest.receive(inside).1, "b");

    // Two namespaces, each of which stays with one: the other one's is the same address.
    let affine = Settings {
        affinity: 600,
        ..Settings::default()
    };
    let a = server("a");
    let mut faithful = lab.client();
    faithful.leave_host();
    faithful.serve(&a.far.unwrap().to_string(), "a");
    let (mut others, b) = (lab.client(), far("b", shop.address));
    lab.apply(&table_with(
        affine,
        &[(vip(80), Tcp, &[draining(a.clone()), b.clone()])],
    ));
    assert_eq!(others.who(vip(80)), Ok("b".to_owned()));
    lab.apply(&table_with(
        affine,
        &[(vip(80), Tcp, &[a.clone(), draining(b.clone())])],
    ));
    assert_eq!(faithful.who(vip(80)), Ok("a".to_owned()));
    lab.apply(&table_with(affine, &[(vip(80), Tcp, &[a, b])]));

    shop.close();
    eventually("it is ejected", || {
        others.dial_often(vip(80), 5);
        row(&lab, "b") > 0
    });
    let tally = faithful.dial_often(vip(80), 100);
    assert_eq!(answers(&tally, "a"), 100, "{tally:?}");
    assert_eq!(guest.peer(inside), Ok(vip(80)));
    guest.send(inside, "still there\n").unwrap();
    shop.open();
    guest.send(inside, "and still\n").unwrap();
    assert_eq!(lab.backend(vip(80), Tcp, "b").open, 1);
}

#[test]
fn what_a_client_does_to_itself_does_not_count() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let mut island = Island::new(&lab, "far", 2);
    let backends = [server("a"), far("far", island.address)];
    lab.apply(&table(&[(vip(80), Tcp, &backends)]));
    island.vanish();
    // Giving up before the first SYN is sent again.
    for _ in 0..40 {
        let socket = client.open(Tcp);
        client
            .ask(&Order::Start {
                socket,
                to: vip(80),
            })
            .unwrap();
        client.close(socket);
    }
    let found = lab.backend(vip(80), Tcp, "far");
    assert!(found.connects.aborted > 0, "{found:?}");
    assert_eq!((found.connects.failing, found.ejection), (0, None));
    assert_eq!(found.open, 0);
}

#[test]
fn whoever_knows_better_overrules_the_kernel() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let backends = [server("a"), far("b", deaf_port())];
    lab.apply(&table(&[(vip(80), Tcp, &backends)]));
    assert_eq!(client.dial_often(vip(80), 50).failed(), 3);
    let ejected = lab.datapath().ejected();
    let [b] = ejected.as_slice() else {
        panic!("{ejected:?}")
    };
    assert_eq!((b.far, b.near), (backends[1].far, None));
    assert_eq!(b.task.as_ref().unwrap().as_str(), "b");
    assert!(b.until > Instant::now() && b.until <= Instant::now() + Duration::from_secs(1));

    // Kept out beyond the kernel's own time, and by restarts too.
    let (service, identity) = (b.service, b.identity);
    let hour = Duration::from_secs(3_600);
    assert!(lab.datapath().keep_out(&service, identity, hour));
    assert!(lab.backend(vip(80), Tcp, "b").ejection.unwrap().remaining > hour / 2);
    lab.open();
    assert_eq!(client.dial_often(vip(80), 50).failed(), 0);

    // Readmitted with credit: so many failures and three more.
    assert!(lab.datapath().readmit(&service, identity, 5));
    assert!(
        !lab.datapath().readmit(&service, identity, 5),
        "it is not ejected"
    );
    assert!(
        !lab.datapath().keep_out(&service, identity, hour),
        "nor any more"
    );
    assert_eq!(lab.datapath().credit(&service, identity), Some(5));
    assert_eq!(client.dial_often(vip(80), 100).failed(), 8);
    assert_eq!(lab.datapath().credit(&service, identity), Some(0));

    // Credit that is withdrawn is worth nothing.
    assert!(lab.datapath().readmit(&service, identity, 1_000));
    lab.datapath().withdraw_credit(&service, identity);
    assert_eq!(client.dial_often(vip(80), 100).failed(), 3);

    // Nobody knows others.
    let mut nobody = service;
    nobody.port = 81;
    for (service, identity) in [(service, identity ^ 1), (nobody, identity)] {
        assert!(!lab.datapath().readmit(&service, identity, 0));
        assert!(!lab.datapath().keep_out(&service, identity, hour));
        assert_eq!(lab.datapath().credit(&service, identity), None);
    }
}

#[test]
fn an_address_without_a_route_is_avoided() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    client.leave_host();
    let near = client.serve("127.0.0.1:0", "a");
    let nowhere = far("nowhere", "10.9.9.9:80".parse().unwrap());
    lab.apply(&table(&[(vip(80), Tcp, &[far("a", near), nowhere])]));
    let tally = client.dial_often(vip(80), 100);
    assert_eq!(
        tally.failures.keys().collect::<Vec<_>>(),
        [&libc::ENETUNREACH]
    );
    assert_eq!(tally.failed(), 3, "{tally:?}");
    assert_eq!(lab.backend(vip(80), Tcp, "nowhere").connects.unroutable, 3);
}

#[test]
fn services_without_a_limit_eject_nobody() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let settings = Settings {
        failures: 0,
        ..Settings::default()
    };
    let backends = [server("a"), far("b", deaf_port())];
    lab.apply(&table_with(settings, &[(vip(80), Tcp, &backends)]));
    let tally = client.dial_often(vip(80), 200);
    assert!(tally.failed() > 10, "{tally:?}");
    assert_eq!(lab.datapath().ejected(), []);
}
