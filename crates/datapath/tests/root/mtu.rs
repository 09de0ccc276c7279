//! A link between client and backend that takes less than either of them.

use model::Protocol::{Tcp, Udp};

use crate::calls::Call;
use crate::lab::{Client, Lab, eventually, far, table};
use crate::stacks::{STACKS, Stack};

/// Between client and router, and between router and server: addresses end in 1 at the
/// router. Only the router knows that its second link takes 1400 bytes.
fn connect(client: &mut Client, router: &mut Client, server: &mut Client) {
    let link = |one: &mut Client, device: &str, two: &mut Client, peer: &str| {
        let two = two.number(Call::ThreadId);
        one.run(&format!(
            "ip link add {device} type veth peer name {peer} netns {two}"
        ));
    };
    link(client, "c0", router, "r0");
    link(router, "r1", server, "s0");
    let set_up = |host: &mut Client, device: &str, link: u8, number: u8| {
        host.run(&format!(
            "ip addr add 10.77.{link}.{number}/24 dev {device}"
        ));
        host.run(&format!(
            "ip addr add fd77:{link}::{number}/64 dev {device} nodad"
        ));
        host.run(&format!("ip link set {device} up"));
    };
    set_up(client, "c0", 0, 2);
    set_up(router, "r0", 0, 1);
    set_up(router, "r1", 1, 1);
    set_up(server, "s0", 1, 2);
    router.run("ip link set r1 mtu 1400");
    for name in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        router.set_net(name, 1);
    }
    for (host, link) in [(client, 0), (server, 1)] {
        host.run(&format!("ip route add default via 10.77.{link}.1"));
        host.run(&format!("ip route add default via fd77:{link}::1"));
    }
}

#[test]
fn a11_a_smaller_link_on_the_way_is_found() {
    let mut lab = Lab::new();
    let [mut client, mut router, mut server] = [(); 3].map(|()| lab.client());
    for host in [&mut client, &mut router, &mut server] {
        host.leave_host();
    }
    connect(&mut client, &mut router, &mut server);
    for stack in STACKS {
        let host = match stack {
            Stack::Six => "[fd77:1::2]",
            Stack::Four | Stack::Mapped => "10.77.1.2",
        };
        let port = 7000 + 10 * stack as u16;
        let sink = server.serve_sink(&format!("{host}:{port}"));
        let echo = server.serve_echo(&format!("{host}:{}", port + 1), "a");
        lab.apply(&table(&[
            (stack.key(80), Tcp, &[far("t", sink)]),
            (stack.key(80), Udp, &[far("u", echo)]),
        ]));
        assert_datagrams_learn(&mut client, stack);
        assert_streams_pass(&mut client, stack);
    }
}

/// The router's answer reaches the socket: it is told what is too long, connected or not.
fn assert_datagrams_learn(client: &mut Client, stack: Stack) {
    for connected in [true, false] {
        let (socket, to) = (stack.open(client, Udp), stack.vip(80));
        client.call(Call::Whole { socket }).unwrap();
        if connected {
            client.connect(socket, to).unwrap();
        }
        let mut send = |length: usize| {
            let text = "x".repeat(length);
            if connected {
                client.send(socket, &text)
            } else {
                client.send_to(socket, to, &text)
            }
        };
        eventually("what is too long is refused", || {
            send(1_430).is_err_and(|error| error.errno == libc::EMSGSIZE)
        });
        // Each of those that were on their way may be told of once.
        eventually("what is short enough is sent", || send(1_300).is_ok());
        let (from, answer) = client.receive(socket);
        assert_eq!((from, answer.len()), (Some(to), 1_302));
        client.close(socket);
    }
    client.run("ip route flush cache");
    client.run("ip -6 route flush cache");
}

fn assert_streams_pass(client: &mut Client, stack: Stack) {
    let (socket, length) = (stack.dial(client, Tcp, 80), 1 << 20);
    client.call(Call::SendBytes { socket, length }).unwrap();
    client.call(Call::Finish { socket }).unwrap();
    assert_eq!(client.receive(socket).1, length.to_string());
    client.close(socket);
}
