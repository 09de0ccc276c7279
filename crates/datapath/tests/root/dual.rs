//! VIPs with addresses of both families (items J), which are two services in a table.

use model::Protocol::{self, Tcp, Udp};
use vip::Backend;

use crate::lab::{Client, Lab, assert_refused, draining, table};
use crate::stacks::{Stack, table_with};

const FAMILIES: [Stack; 2] = [Stack::Four, Stack::Six];

/// The same tasks in both families.
fn backends(protocol: Protocol, names: &[&str]) -> [Vec<Backend>; 2] {
    FAMILIES.map(|stack| stack.backends(protocol, names))
}

fn services(protocol: Protocol, sets: &[Vec<Backend>; 2]) -> vip::ServiceTable {
    let [four, six] = sets;
    table(&[
        (Stack::Four.key(80), protocol, four),
        (Stack::Six.key(80), protocol, six),
    ])
}

fn ask(client: &mut Client, stack: Stack, protocol: Protocol) -> String {
    let socket = stack.dial(client, protocol, 80);
    let name = client.echo(socket, "q");
    assert_eq!(client.peer(socket), Ok(stack.vip(80)));
    client.close(socket);
    name
}

#[test]
fn j6_both_addresses_lead_to_the_same_tasks() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for protocol in [Tcp, Udp] {
        lab.apply(&services(protocol, &backends(protocol, &["a", "b"])));
        for stack in [Stack::Four, Stack::Six, Stack::Mapped] {
            let met = stack.met(&mut client, protocol, 80, 32);
            assert_eq!(met.len(), 2, "{stack:?} {protocol:?}");
        }
    }
}

#[test]
fn j7_each_family_has_backends_of_its_own() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let [mut four, mut six] = backends(Tcp, &["a", "b"]);
    // One task is left with IPv4, the other with IPv6.
    four.pop();
    six.remove(0);
    lab.apply(&services(Tcp, &[four.clone(), six.clone()]));
    for _ in 0..8 {
        assert_eq!(ask(&mut client, Stack::Four, Tcp), "a");
        assert_eq!(ask(&mut client, Stack::Six, Tcp), "b");
    }
    four[0] = draining(four[0].clone());
    lab.apply(&services(Tcp, &[four.clone(), vec![]]));
    assert_eq!(ask(&mut client, Stack::Mapped, Tcp), "a");
    let socket = client.open_six(Tcp, false);
    assert_refused(client.connect(socket, Stack::Six.vip(80)));
    lab.apply(&services(Tcp, &[vec![], six]));
    assert_eq!(ask(&mut client, Stack::Six, Tcp), "b");
}

#[test]
fn j8_flows_of_both_families_share_a_socket() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let socket = client.open_six(Udp, false);
    for round in ["first", "second"] {
        let sets = FAMILIES.map(|stack| stack.backends(Udp, &[&format!("{round}-{stack:?}")]));
        lab.apply(&services(Udp, &sets));
        for stack in [Stack::Mapped, Stack::Six, Stack::Mapped] {
            let to = stack.vip(80);
            let family = if stack == Stack::Six { "Six" } else { "Four" };
            let expected = (to, format!("{round}-{family}"));
            assert_eq!(client.exchange(socket, to, "q"), expected);
        }
    }
    client.close(socket);
    assert_eq!(lab.open_connections(), 0);
}

#[test]
fn j9_clients_stay_with_one_backend_in_each_family() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let settings = vip::Settings {
        affinity: 60,
        ..vip::Settings::default()
    };
    let [four, six] = backends(Tcp, &["a", "b", "c", "d"]);
    let both = [
        (Stack::Four.key(80), Tcp, &*four),
        (Stack::Six.key(80), Tcp, &*six),
    ];
    lab.apply(&table_with(settings, &both));
    for stack in FAMILIES {
        let met = stack.met(&mut client, Tcp, 80, 24);
        assert_eq!(met.len(), 1, "{stack:?}: {met:?}");
    }
    // The address that an IPv6 socket uses is the same client of the same service.
    let met = [Stack::Four, Stack::Mapped].map(|stack| stack.met(&mut client, Tcp, 80, 4));
    assert_eq!(met[0], met[1]);
}

#[test]
fn j11_a_live_service_gets_and_loses_a_family() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let [four, six] = backends(Tcp, &["a"]);
    let (four, six) = (
        (Stack::Four.key(80), Tcp, &*four),
        (Stack::Six.key(80), Tcp, &*six),
    );
    lab.apply(&table(&[four]));
    let early = Stack::Four.dial(&mut client, Tcp, 80);
    lab.apply(&table(&[four, six]));
    let late = Stack::Six.dial(&mut client, Tcp, 80);
    for (socket, stack) in [(early, Stack::Four), (late, Stack::Six)] {
        assert_eq!(client.echo(socket, "q"), "a");
        assert_eq!(client.peer(socket), Ok(stack.vip(80)));
    }
    assert_eq!(lab.open_connections(), 2);
    lab.apply(&table(&[six]));
    assert_eq!(ask(&mut client, Stack::Six, Tcp), "a");
    assert_eq!(client.echo(early, "q"), "a");
    // And nothing of the other family is left behind.
    let usage = lab.datapath().usage();
    assert_eq!(usage.len(), 1, "{usage:?}");
    client.close(early);
    client.close(late);
    assert_eq!(lab.open_connections(), 0);
}
