//! Wishes that cannot be granted, and that nothing is left of them.

use isolation::{IsolationError, Options};
use model::Protocol::Tcp;

use crate::lab::{LOCALHOST, Node, at, live, wanted};

#[test]
fn a_full_pool_says_so() {
    let node = Node::new("full1");
    let options = Options {
        pool: 20000..=20511,
        ..node.options()
    };
    let isolation = node.isolation_with(options).unwrap();
    let first = node.task(&isolation, "a", &[]);
    let second = node.task(&isolation, "b", &[]);
    assert_ne!(first.isolated.ephemeral, second.isolated.ephemeral);
    let error = node.run(isolation.attach("c", &wanted(&[]))).unwrap_err();
    assert!(
        matches!(error, IsolationError::Exhausted { count: 2, .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("all 2 ranges of 256 ports in 20000-20511"),
        "{error}"
    );
    assert_eq!(node.run(isolation.recorded("c")).unwrap(), None);
    // What is given back can be had.
    node.run(isolation.detach("a")).unwrap();
    let third = node.task(&isolation, "c", &[]);
    assert_eq!(third.isolated.ephemeral, first.isolated.ephemeral);
}

#[test]
fn a_range_in_which_somebody_listens_is_passed_over() {
    let node = Node::new("full2");
    node.place().serve("host", [0, 0, 0, 0], 16400);
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[]);
    assert_eq!(task.isolated.ephemeral, 16640..=16895);
}

#[test]
fn a_pool_must_not_meet_the_nodes_own_range() {
    let node = Node::new("full3");
    node.sh("sysctl -qw net.ipv4.ip_local_port_range='30000 40000'");
    let error = node.isolation_with(node.options()).unwrap_err();
    assert!(error.to_string().contains("30000-40000"), "{error}");
}

#[test]
fn a_port_in_use_is_refused_with_who_has_it() {
    let node = Node::new("full4");
    node.place().serve_tcp("host", at(LOCALHOST, 31000));
    let isolation = node.isolation();
    let error = node
        .run(isolation.attach("a", &wanted(&[31000])))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("31000/tcp is in use on this node, by a socket on 127.0.0.1:31000"),
        "{error}"
    );
    node.task(&isolation, "a", &[31001]);
    let error = node
        .run(isolation.attach("b", &wanted(&[31001])))
        .unwrap_err();
    assert!(
        matches!(&error, IsolationError::Owned { protocol: Tcp, port: 31001, owner } if owner == "a"),
        "{error}"
    );
    let error = node
        .run(isolation.attach("b", &wanted(&[17000])))
        .unwrap_err();
    assert!(
        matches!(error, IsolationError::InPool { port: 17000, .. }),
        "{error}"
    );
    assert_eq!(node.sh("ip -br link | grep -c slport").trim(), "1");
}

#[test]
fn an_address_that_the_node_does_not_have_is_told() {
    let node = Node::new("full5");
    let options = Options {
        address: [192, 0, 2, 1].into(),
        ..node.options()
    };
    let isolation = node.isolation_with(options).unwrap();
    let error = node
        .run(isolation.attach("a", &wanted(&[31000])))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no interface of this node has the address 192.0.2.1")
    );
    assert_eq!(node.run(isolation.recorded("a")).unwrap(), None);
}

#[test]
fn what_could_not_be_made_is_collected() {
    let node = Node::new("full6");
    // Neither can a namespace be mounted there, nor one be removed.
    std::fs::write(node.path("namespaces"), b"no directory").unwrap();
    let isolation = node.isolation();
    assert!(node.run(isolation.attach("a", &wanted(&[31000]))).is_err());
    std::fs::remove_file(node.path("namespaces")).unwrap();
    node.run(isolation.reconcile(|| live(&[]))).unwrap();
    assert_eq!(node.run(isolation.recorded("a")).unwrap(), None);
    node.task(&isolation, "b", &[31000]);
}
