//! What goes wrong is said, undone, and harms nobody else.

use std::collections::BTreeSet;

use netlink::netns;
use networks::{EndpointRequest, FabricError};

use super::lab::{Node, dcos, id, network, sh};

#[test]
fn a_namespace_that_is_none_is_refused() {
    let node = Node::new("no-namespace");
    let fabric = node.with(&[dcos()]);
    std::fs::write(node.path("file"), "left by a reboot").unwrap();
    for path in [
        node.path("nowhere"),
        node.path("file"),
        "/proc/4194304/ns/net".into(),
    ] {
        let request = EndpointRequest {
            netns: path.clone(),
            ..node.request("a", "dcos")
        };
        let refused = node.run(fabric.add(request)).unwrap_err();
        assert!(
            matches!(refused, FabricError::NoNamespace { .. }),
            "{refused}"
        );
        assert!(
            refused.to_string().contains(&path.display().to_string()),
            "{refused}"
        );
    }
    node.assert_clean();
}

#[test]
fn somebody_elses_link_is_left_alone() {
    let node = Node::new("clash");
    let fabric = node.with(&[dcos()]);
    let netns = node.container("a");
    let made = node.run(fabric.add(node.request("a", "dcos"))).unwrap();
    node.run(fabric.del(&id("a"))).unwrap();

    let link = &made.host_interface;
    node.sh(&format!("ip link add {link} type veth peer name theirs"));
    let refused = node.run(fabric.add(node.request("a", "dcos"))).unwrap_err();
    assert!(
        matches!(&refused, FabricError::LinkTaken { link: taken } if taken == link),
        "{refused}"
    );
    node.run(fabric.del(&id("a"))).unwrap();
    node.run(fabric.reconcile(&BTreeSet::new())).unwrap();
    assert_eq!(node.links(), [link.as_str()]);
    node.sh(&format!("ip link del {link}"));

    sh(&netns, "ip link add eth0 type veth peer name theirs");
    let refused = node.run(fabric.add(node.request("a", "dcos"))).unwrap_err();
    assert!(
        matches!(refused, FabricError::IfnameTaken { .. }),
        "{refused}"
    );
    sh(&netns, "ip link del eth0");
    node.assert_clean();
    node.run(fabric.add(node.request("a", "dcos"))).unwrap();
}

#[test]
fn what_makes_no_sense_is_refused() {
    let node = Node::new("nonsense");
    let fabric = node.with(&[dcos()]);
    node.container("a");
    type Change = fn(&mut EndpointRequest);
    let changes: [Change; 10] = [
        |r| r.id.container = "../../etc".to_owned(),
        |r| r.id.container = String::new(),
        |r| r.id.container = "a".repeat(161),
        |r| r.id.ifname = "eth0:1".to_owned(),
        |r| r.id.ifname = "an-interface-too-long".to_owned(),
        |r| r.mac = Some("ff:ff:ff:ff:ff:ff".to_owned()),
        |r| r.mac = Some("nonsense".to_owned()),
        |r| r.mtu = Some(0),
        |r| r.mtu = Some(1000),
        |r| {
            r.port_mappings = vec![cni::PortMap {
                host_port: 0,
                container_port: 80,
                protocol: "tcp".to_owned(),
                host_ip: None,
            }]
        },
    ];
    for change in changes {
        let mut request = node.request("a", "dcos");
        change(&mut request);
        let refused = node.run(fabric.add(request.clone())).unwrap_err();
        assert!(
            matches!(refused, FabricError::Invalid { .. }),
            "{request:?}: {refused}"
        );
    }
    node.assert_clean();
}

#[test]
fn namespaces_deleted_meanwhile_leave_nothing() {
    let node = Node::new("race");
    let fabric = node.with(&[dcos()]);
    for round in 0..20 {
        let name = format!("a{round}");
        let path = node.container(&name);
        let request = node.request(&name, "dcos");
        let outcome = node.run(async {
            let deleting = tokio::task::spawn_blocking(move || netns::delete(&path).unwrap());
            let outcome = fabric.add(request).await;
            deleting.await.unwrap();
            outcome
        });
        if let Err(error) = outcome {
            assert!(matches!(error, FabricError::NoNamespace { .. }), "{error}");
        }
        node.run(fabric.del(&id(&name))).unwrap();
    }
    let deadline = std::time::Duration::from_secs(20);
    testlab::wait_for("the links to go", deadline, || {
        node.links().is_empty().then_some(())
    })
    .unwrap();
    node.assert_clean();
}

#[test]
fn a_caller_that_hangs_up_leaves_a_whole_endpoint_or_none() {
    let node = Node::new("hang-up");
    let fabric = node.with(&[network("plain", &[("10.77.0.0/16", 24)])]);
    node.container("a");
    node.run(async {
        let add = fabric.add(node.request("a", "plain"));
        tokio::select! {
            biased;
            outcome = add => drop(outcome),
            () = tokio::task::yield_now() => {}
        }
        // The same request waits for the one that nobody waits for.
        let endpoint = fabric.add(node.request("a", "plain")).await.unwrap();
        assert_eq!(fabric.usage().await[0].used, 1);
        fabric.check(&endpoint.id).await.unwrap();
    });
}
