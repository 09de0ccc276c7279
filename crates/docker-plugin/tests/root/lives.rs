//! What happens to containers when the plugin or Docker restarts.

use crate::lab::Node;

#[test]
fn containers_live_on_while_the_plugin_is_away() {
    let mut node = Node::new("plug-away");
    node.create("net");
    node.serve("one", "net", &["-p", "8081:80"]);
    node.serve("two", "net", &[]);
    let two = node.addresses("two")[0];
    node.stop();
    assert_eq!(node.fetch("one", two, 80), "two");
    node.start();
    assert_eq!(node.leased().len(), 4, "leases are read back");
    assert_eq!(node.fetch("two", node.host.address().into(), 8081), "one");
    node.serve("three", "net", &[]);
    assert_eq!(node.fetch("three", two, 80), "two");
    node.docker(&["rm", "-f", "one", "two", "three"]);
    assert!(node.leased().is_empty() && node.links().is_empty());
    node.docker(&["network", "rm", "net"]);
}

#[test]
fn dockers_restart_keeps_networks_and_running_containers() {
    let host = testlab::Host::new("plug-restart").unwrap();
    let mut node = Node::on(host, "plug-restart", &["--live-restore"]);
    node.create("net");
    node.serve("one", "net", &[]);
    let before = node.addresses("one");
    node.docker.crash().unwrap();
    let Node { docker, host, .. } = &mut node;
    docker.restart(host).unwrap();
    assert_eq!(node.addresses("one"), before);
    node.serve("two", "net", &[]);
    assert_eq!(node.fetch("two", before[0], 80), "one");
    node.docker(&["restart", "-t", "0", "one"]);
    let after = node.addresses("one");
    assert_eq!(node.fetch("two", after[0], 80), "one");
    node.docker(&["rm", "-f", "one", "two"]);
    assert!(node.leased().is_empty(), "{:?}", node.leased());
    assert!(node.links().is_empty());
}

#[test]
fn a_docker_that_dies_with_its_containers_leaves_nothing_after_its_return() {
    let mut node = Node::new("plug-dies");
    node.create("net");
    node.serve("one", "net", &[]);
    node.docker.crash().unwrap();
    let Node { docker, host, .. } = &mut node;
    docker.restart(host).unwrap();
    node.docker(&["rm", "-f", "one"]);
    assert!(node.leased().is_empty(), "{:?}", node.leased());
    assert!(node.links().is_empty());
}

#[test]
fn what_docker_has_forgotten_is_removed_with_its_ports() {
    let node = Node::new("plug-forgot");
    node.create("net");
    node.serve("one", "net", &["-p", "8081:80"]);
    let address = node.host.address().into();
    assert!(node.host_gets(address, 8081));
    node.take_back(&node.addresses("one"));
    assert_eq!((node.promised(), node.links()), (0, Vec::new()));
    assert!(!node.host_gets(address, 8081));
    // Docker's own removal finds nothing to do, and says nothing.
    node.docker(&["rm", "-f", "one"]);
}
