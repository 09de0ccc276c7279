//! Open connections, and choosing by them (item F4); more of it is in `accounting`.

use std::collections::VecDeque;
use std::net::TcpListener;

use model::Protocol::{Tcp, Udp};
use nix::sys::socket::{setsockopt, sockopt};

use crate::accounting::stuck_port;
use crate::calls::Call;
use crate::lab::{Lab, eventually, far, table, vip};
use crate::stacks::{STACKS, Stack};

#[test]
fn f4_every_stack_counts_to_0() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in STACKS {
        let [tcp, udp] = [Tcp, Udp].map(|protocol| stack.backends(protocol, &["a"]));
        let (tcp, udp) = ((stack.key(80), Tcp, &*tcp), (stack.key(80), Udp, &*udp));
        lab.apply(&table(&[tcp, udp]));
        let mut sockets: Vec<_> = [Tcp, Udp, Tcp, Udp]
            .map(|protocol| stack.dial(&mut client, protocol, 80))
            .into();
        let unconnected = stack.open(&mut client, Udp);
        client.exchange(unconnected, stack.vip(80), "q");
        sockets.push(unconnected);
        for left in (0..sockets.len() as u32).rev() {
            assert_eq!(lab.open_connections(), left + 1);
            client.close(sockets.pop().unwrap());
            assert_eq!(lab.open_connections(), left);
        }
    }
}

#[test]
fn f4_a_connection_reset_by_its_backend_is_not_counted() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    lab.apply(&table(&[(vip(80), Tcp, &[far("a", address)])]));
    let socket = client.dial(Tcp, vip(80)).unwrap();
    let (stream, _) = listener.accept().unwrap();
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&stream, sockopt::Linger, &linger).unwrap();
    drop(stream);
    let reset = client.call(Call::ReceiveBytes { socket, length: 1 });
    assert_eq!(reset.unwrap_err().errno, libc::ECONNRESET);
    assert_eq!(lab.open_connections(), 0);
    client.close(socket);
    assert_eq!(lab.open_connections(), 0);
}

#[test]
fn f4_a_connection_reset_by_its_client_is_not_counted() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    lab.apply(&table(&[(
        vip(80),
        Tcp,
        &Stack::Four.backends(Tcp, &["a"]),
    )]));
    let socket = client.dial(Tcp, vip(80)).unwrap();
    client.call(Call::Reset { socket }).unwrap();
    assert_eq!(lab.open_connections(), 0);
}

#[test]
fn f4_a_connect_that_times_out_is_not_counted() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let (_listener, _queued, address) = stuck_port();
    lab.apply(&table(&[(vip(80), Tcp, &[far("stuck", address)])]));
    let socket = client.open(Tcp);
    // It ends when the first SYN would be sent again, after a second.
    let millis = 500;
    client.call(Call::Patience { socket, millis }).unwrap();
    let timed_out = client.connect(socket, vip(80)).unwrap_err();
    assert_eq!(timed_out.errno, libc::ETIMEDOUT);
    for _ in 0..2 {
        let stuck = lab.backend(vip(80), Tcp, "stuck");
        assert_eq!((stuck.open, stuck.pending, stuck.total), (0, 0, 1));
        client.close(socket);
    }
}

#[test]
fn f4_a_forked_process_holds_what_it_inherited() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let [tcp, udp] = [Tcp, Udp].map(|protocol| Stack::Four.backends(protocol, &["a"]));
    lab.apply(&table(&[(vip(80), Tcp, &tcp), (vip(80), Udp, &udp)]));
    let sockets = [Tcp, Udp, Udp].map(|protocol| client.dial(protocol, vip(80)).unwrap());
    client.call(Call::Fork).unwrap();
    for socket in sockets {
        client.close(socket);
    }
    assert_eq!(lab.open_connections(), 3);
    client.call(Call::Reap).unwrap();
    assert_eq!(lab.open_connections(), 0);
}

/// One of four backends holds each of its connections ten times as long. By chance it
/// would come to hold ten of thirteen connections.
#[test]
fn f4_a_slow_backend_is_not_buried() {
    const LASTS: usize = 24;
    let mut lab = Lab::new();
    let mut client = lab.client();
    let backends = Stack::Four.backends(Tcp, &["slow", "b", "c", "d"]);
    lab.apply(&table(&[(vip(80), Tcp, &backends)]));
    let mut open = VecDeque::new();
    let (mut slow, mut all) = (0, 0);
    for now in 0..1_000 {
        let socket = client.dial(Tcp, vip(80)).unwrap();
        let name = client.echo(socket, "q");
        let lasts = if name == "slow" { 10 * LASTS } else { LASTS };
        open.push_back((now + lasts, socket));
        open.retain(|(end, socket)| {
            let over = *end <= now;
            if over {
                client.close(*socket);
            }
            !over
        });
        if now >= 500 {
            slow += lab.backend(vip(80), Tcp, "slow").open;
            all += lab.open_connections();
        }
    }
    let share = f64::from(slow) / f64::from(all);
    assert!(share < 0.45, "{share}");
    client.kill();
    eventually("nothing is open", || lab.open_connections() == 0);
}
