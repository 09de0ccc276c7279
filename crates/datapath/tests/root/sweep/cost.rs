//! What a sweep costs among 100,000 open sockets that are none of its business.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use datapath::Means;
use model::Protocol::{self, Tcp, Udp};
use vip::Backend;

use super::{BOTH, closing};
use crate::lab::{Client, Lab, far, vip};
use crate::servers::{serve_tcp, serve_udp};

/// So many processes hold so many sockets each: below the usual limit of open files.
const HOLDERS: u8 = 10;
const HELD: u16 = 10_000;
/// Tells a holder its number and whose sockets to hold.
const CROWD: &str = "SEALANE_DATAPATH_CROWD";
const READY: &str = "the crowd is there";

#[test]
#[ignore = "the measurement starts it to hold sockets"]
fn holder() {
    let Ok(crowd) = std::env::var(CROWD) else {
        return;
    };
    let (protocol, number) = crowd.split_once(' ').unwrap();
    let own = Ipv4Addr::new(127, 0, 1, number.parse().unwrap());
    let _held: Box<dyn std::any::Any> = match protocol {
        "udp" => Box::new(datagrams(own)),
        _ => Box::new(streams(own)),
    };
    writeln!(std::io::stdout(), "{READY}").unwrap();
    std::io::stdin().lines().for_each(drop);
}

/// Connected sockets.
fn datagrams(own: Ipv4Addr) -> Vec<UdpSocket> {
    let sockets = (0..HELD).map(|number| {
        let socket = UdpSocket::bind((own, 10_000 + number)).unwrap();
        socket.connect("127.0.0.1:9").unwrap();
        socket
    });
    sockets.collect()
}

/// Both sides of connections.
fn streams(own: Ipv4Addr) -> Vec<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((own, 0)).unwrap();
    let pairs = (0..HELD / 2).map(|_| {
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (stream, listener.accept().unwrap().0)
    });
    pairs.collect()
}

/// Processes that end with this value.
struct Crowd(Vec<Child>);

impl Crowd {
    fn gather(protocol: Protocol) -> Self {
        let holders = (1..=HOLDERS).map(|number| {
            let mut holder = Command::new(std::env::current_exe().unwrap())
                .args(["sweep::cost::holder", "--exact", "--ignored", "--nocapture"])
                .env(CROWD, format!("{protocol} {number}"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let lines = BufReader::new(holder.stdout.take().unwrap()).lines();
            let ready = lines.map(Result::unwrap).any(|line| line.contains(READY));
            assert!(ready, "holder {number} could not open its sockets");
            holder
        });
        Self(holders.collect())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for holder in &mut self.0 {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

/// The median time of sweeps, each of which meets ten sockets whose backend has gone,
/// and comes back first if none is to be ended.
fn measure(
    lab: &mut Lab,
    client: &mut Client,
    (protocol, backend): (Protocol, &Backend),
    (means, ends): (Means, bool),
) -> Duration {
    let there = closing(&[(vip(80), protocol, std::slice::from_ref(backend))]);
    let gone = closing(&[(vip(80), protocol, &[])]);
    let mut times: Vec<_> = (0..11)
        .map(|_| {
            lab.apply(&there);
            let sockets = [(); 10].map(|()| client.dial(protocol, vip(80)).unwrap());
            lab.apply(&gone);
            let sweep = lab.datapath().sweep_by(means).unwrap();
            if !ends {
                lab.apply(&there);
            }
            let report = sweep.run();
            assert_eq!(report.ended, if ends { 10 } else { 0 }, "{report:?}");
            sockets.iter().for_each(|socket| client.close(*socket));
            report.took
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

#[test]
#[ignore = "a measurement: opens 100,000 sockets twice and prints what sweeps cost"]
fn m4_cost_of_a_sweep() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let local = "127.0.0.1:0".parse().unwrap();
    let backends = [
        (Udp, far("u", serve_udp(local, "u"))),
        (Tcp, far("t", serve_tcp(local, "t"))),
    ];
    for (protocol, backend) in &backends {
        for crowded in [false, true] {
            let _crowd = crowded.then(|| Crowd::gather(*protocol));
            let among = if crowded { "100,000" } else { "few" };
            for (means, ends) in BOTH.map(|means| [(means, true), (means, false)]).concat() {
                let took = measure(&mut lab, &mut client, (*protocol, backend), (means, ends));
                let ended = if ends { 10 } else { 0 };
                println!("{means:?}: {ended} of {among} {protocol} sockets ended in {took:?}");
            }
        }
    }
    lab.apply(&closing(&[]));
    let begun = Instant::now();
    for _ in 0..1_000 {
        assert!(lab.datapath().sweep().is_none());
    }
    println!("none is due: {:?}", begun.elapsed() / 1_000);
}
