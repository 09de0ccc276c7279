//! Networks made by hand, and containers on them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::lab::{IMAGE, Node};

#[test]
fn containers_get_addresses_of_the_nodes_block_and_reach_each_other() {
    let node = Node::new("plug-reach");
    node.create("net");
    node.serve("one", "net", &[]);
    node.serve("two", "net", &[]);
    let (one, two) = (node.addresses("one"), node.addresses("two"));
    assert!(one[0].to_string().starts_with("9.9.1."), "{one:?}");
    assert!(one[1].to_string().starts_with("fd09:9:0:1:"), "{one:?}");
    for address in &two {
        assert_eq!(node.fetch("one", *address, 80), "two", "{address}");
    }
    // Its own address, as seen from itself.
    assert_eq!(node.fetch("one", one[0], 80), "one");
    for address in one.iter().chain(&two) {
        assert!(
            node.host_gets(*address, 80),
            "the host does not reach {address}"
        );
    }
    let leased: BTreeSet<IpAddr> = node.leased().into_iter().collect();
    assert_eq!(leased, one.iter().chain(&two).copied().collect());

    node.docker(&["rm", "-f", "one", "two"]);
    assert_eq!(node.leased(), [] as [IpAddr; 0]);
    assert_eq!(node.links(), [] as [String; 0]);
    assert_eq!(node.promised(), 0);
    node.docker(&["network", "rm", "net"]);
}

#[test]
fn a_requested_address_is_honoured_or_refused_with_the_reason() {
    let node = Node::new("plug-ask");
    node.create("net");
    node.serve(
        "one",
        "net",
        &["--ip", "9.9.1.77", "--ip6", "fd09:9:0:1::77"],
    );
    let texts: Vec<String> = node
        .addresses("one")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(texts, ["9.9.1.77", "fd09:9:0:1::77"]);
    let again = |ip: &str| {
        let args = [
            "run",
            "--rm",
            "--network",
            "net",
            "--ip",
            ip,
            IMAGE,
            "/bin/true",
        ];
        node.docker.docker(&args).unwrap_err().to_string()
    };
    let taken = again("9.9.1.77");
    assert!(
        taken.contains("9.9.1.77") && taken.contains("in use"),
        "{taken}"
    );
    // Of the network, but of another node's block, which Docker does not know of.
    let outside = again("9.9.2.5");
    assert!(
        outside.contains("9.9.2.5") && outside.contains("subnets"),
        "{outside}"
    );
    assert_eq!(node.leased().len(), 2);
}

#[test]
fn addresses_of_dockers_own_are_refused_with_the_words_that_help() {
    let node = Node::new("plug-foreign");
    let create = |args: &[&str]| {
        let all: Vec<&str> = ["network", "create", "-d", &node.driver]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        node.docker.docker(&all).unwrap_err().to_string()
    };
    let own = create(&["--opt", "network=net", "bad"]);
    assert!(
        own.contains(&format!("--ipam-driver {}", node.driver)),
        "{own}"
    );
    let nameless = create(&["--ipam-driver", &node.driver, "bad"]);
    assert!(nameless.contains("--ipam-opt network="), "{nameless}");
    let unknown = create(&[
        "--ipam-driver",
        &node.driver,
        "--ipam-opt",
        "network=nine",
        "bad",
    ]);
    assert!(
        unknown.contains("'nine'") && unknown.contains("known are: net"),
        "{unknown}"
    );
    // A subnet names the network just as well.
    node.docker(&[
        "network",
        "create",
        "-d",
        &node.driver,
        "--ipam-driver",
        &node.driver,
        "--subnet",
        "9.9.0.0/16",
        "by-subnet",
    ]);
    node.serve("one", "by-subnet", &[]);
    assert!(node.addresses("one")[0].to_string().starts_with("9.9.1."));
}

#[test]
fn published_ports_are_reached_and_go_with_their_container() {
    let node = Node::new("plug-ports");
    node.create("net");
    node.serve("one", "net", &["-p", "8081:80", "-p", "127.0.0.1:8082:80"]);
    let address = IpAddr::from(node.host.address());
    let loopback = IpAddr::from([127, 0, 0, 1]);
    assert!(node.host_gets(address, 8081), "the node's address");
    assert!(node.host_gets(loopback, 8081), "loopback");
    assert!(node.host_gets(loopback, 8082), "loopback alone");
    assert!(!node.host_gets(address, 8082), "not published there");
    // Through the node's address to itself.
    assert_eq!(node.fetch("one", address, 8081), "one");
    let taken = node.docker.docker(&[
        "run",
        "--rm",
        "--network",
        "net",
        "-p",
        "8081:80",
        IMAGE,
        "/bin/true",
    ]);
    let taken = taken.unwrap_err().to_string();
    assert!(taken.contains("8081"), "{taken}");
    node.docker(&["rm", "-f", "one"]);
    assert!(!node.host_gets(address, 8081), "withdrawn");
}

#[test]
fn a_network_without_subnets_is_refused_with_the_words_that_help() {
    let node = Node::new("plug-plain");
    // Docker would else compare the pool with the host's routes, and ask for ever.
    #[rustfmt::skip]
    let made = node.docker.docker(&[
        "network", "create", "-d", &node.driver, "--ipam-driver", &node.driver,
        "--opt", "network=net", "--ipam-opt", "network=net", "plain",
    ]);
    let said = made.unwrap_err().to_string();
    assert!(
        said.contains("--subnet 9.9.0.0/16 --subnet fd09:9::/48"),
        "{said}"
    );
}

#[test]
fn a_container_may_be_on_two_virtual_networks_and_on_each_once() {
    let node = Node::new("plug-two");
    node.create("net");
    #[rustfmt::skip]
    node.docker(&[
        "network", "create", "-d", &node.driver, "--ipam-driver", &node.driver,
        "--opt", "network=second", "--ipam-opt", "network=second",
        "--subnet", "10.9.0.0/16", "second",
    ]);
    node.create("again");
    node.serve("one", "net", &[]);
    node.serve("two", "second", &[]);
    let two = node.addresses("two")[0];
    node.docker(&["network", "connect", "second", "one"]);
    assert_eq!(node.fetch("one", two, 80), "two");
    assert_eq!(
        node.leased().len(),
        4,
        "one has three addresses, two has one"
    );
    let twice = node.docker.docker(&["network", "connect", "again", "one"]);
    let said = twice.unwrap_err().to_string();
    assert!(said.contains("on virtual network 'net' already"), "{said}");
    node.docker(&["rm", "-f", "one", "two"]);
    assert!(node.leased().is_empty() && node.links().is_empty());
}

#[test]
fn internal_networks_are_refused() {
    let node = Node::new("plug-internal");
    #[rustfmt::skip]
    let made = node.docker.docker(&[
        "network", "create", "-d", &node.driver, "--ipam-driver", &node.driver, "--internal",
        "--opt", "network=net", "--ipam-opt", "network=net", "--subnet", "9.9.0.0/16", "inner",
    ]);
    let said = made.unwrap_err().to_string();
    assert!(said.contains("groups"), "{said}");
}
