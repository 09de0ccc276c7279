//! The halves for Docker, with its part played by `ip`.

use networks::{FabricError, HolderKind};

use super::lab::{Node, Place, dcos, id, sh};

#[test]
fn links_for_docker_work_once_they_are_moved() {
    let node = Node::new("docker");
    // The gateway is answered for whether or not the host knows a way out.
    node.sh("ip route del default");
    let fabric = node.with(&[dcos()]);
    let lease = |wanted, v6| node.run(fabric.lease("dcos", "ep1", wanted, v6));
    let (v4, v6) = (lease(None, false).unwrap(), lease(None, true).unwrap());
    let addresses = [v4.addr(), v6.addr()];
    let make =
        || node.run(fabric.make_link("dcos", "ep1", &addresses, Some([2, 0x42, 9, 0, 1, 2])));
    let link = make().unwrap();
    assert_eq!(make().unwrap(), link);
    assert_eq!(link.mac, "02:42:09:00:01:02");

    // What libnetwork does: move, rename, address, static route to the gateway, default.
    let netns = node.container("c");
    node.sh(&format!(
        "ip link set {} netns {}",
        link.movable,
        netns.display()
    ));
    sh(
        &netns,
        &format!(
            "ip link set {} name eth0 && ip addr add {v4} dev eth0 && \
             ip addr add {v6} dev eth0 nodad && ip link set eth0 up && \
             ip route add {g4} dev eth0 scope link && ip route add default via {g4} dev eth0 && \
             ip -6 route add default via {g6} dev eth0",
            link.movable,
            g4 = link.gateways[0],
            g6 = link.gateways[1],
        ),
    );
    let c = Place {
        netns,
        addresses: addresses.to_vec(),
    };
    let other = node.joined(&fabric, "other", "dcos");
    let port = other.serve();
    for v6 in [false, true] {
        // The neighbour is asked for here; it must answer without the usual delay.
        let seen = c.seen_by_tcp((other.address(v6), port).into()).unwrap();
        assert_eq!(seen, c.address(v6));
    }
    let back = c.serve();
    assert_eq!(
        other.seen_by_udp((v4.addr(), back).into()).unwrap(),
        other.address(false)
    );

    // Reconciling is for others' endpoints.
    let did = node.run(fabric.reconcile(&[id("other")].into())).unwrap();
    assert_eq!(did, networks::Reconciled::default());
    node.run(fabric.remove_link("ep1")).unwrap();
    node.run(fabric.remove_link("ep1")).unwrap();
    for address in addresses {
        node.run(fabric.release("dcos", address)).unwrap();
        node.run(fabric.release("dcos", address)).unwrap();
    }
    node.run(fabric.release("gone", addresses[0])).unwrap();
    node.run(fabric.del(&id("other"))).unwrap();
    node.assert_clean();
}

#[test]
fn docker_and_cni_respect_each_others_leases() {
    let node = Node::new("both");
    let fabric = node.with(&[dcos()]);
    let gateway = node
        .run(fabric.lease("dcos", "pool", "9.0.1.1".parse().ok(), false))
        .unwrap();
    assert_eq!(gateway.to_string(), "9.0.1.1/32");
    let docker = node.run(fabric.lease("dcos", "ep1", None, false)).unwrap();
    let cni = node.joined(&fabric, "a", "dcos").address(false);
    assert_ne!(docker.addr(), cni);

    let refused = node
        .run(fabric.lease("dcos", "ep2", Some(cni), false))
        .unwrap_err();
    assert!(refused.to_string().contains("a/eth0"), "{refused}");
    let refused = node
        .run(fabric.make_link("dcos", "ep2", &[cni], None))
        .unwrap_err();
    assert!(matches!(refused, FabricError::InUse { .. }), "{refused}");
    let free = "9.0.1.99".parse().unwrap();
    node.run(fabric.make_link("dcos", "ep2", &[free], None))
        .unwrap_err();
    let outside = node
        .run(fabric.lease("dcos", "ep2", "9.0.2.9".parse().ok(), false))
        .unwrap_err();
    assert!(matches!(outside, FabricError::Outside { .. }), "{outside}");

    // Whatever Docker believes, the endpoint keeps its address.
    node.run(fabric.release("dcos", cni)).unwrap();
    node.run(fabric.check(&id("a"))).unwrap();
    let usage = node.run(fabric.usage());
    let kinds: Vec<HolderKind> = usage[0].leases.iter().map(|lease| lease.kind).collect();
    assert_eq!(kinds, [HolderKind::Docker, HolderKind::Cni]);
}

#[test]
fn links_for_docker_outlive_the_daemon() {
    let node = Node::new("docker-again");
    let fabric = node.with(&[dcos()]);
    let address = node
        .run(fabric.lease("dcos", "ep1", None, false))
        .unwrap()
        .addr();
    let link = node
        .run(fabric.make_link("dcos", "ep1", &[address], None))
        .unwrap();
    let fabric = node.with(&[dcos()]);
    node.run(fabric.reconcile(&[].into())).unwrap();
    assert_eq!(
        node.run(fabric.make_link("dcos", "ep1", &[address], None))
            .unwrap(),
        link
    );
    // Both ends go, also if Docker never took its own.
    node.run(fabric.remove_link("ep1")).unwrap();
    node.run(fabric.release("dcos", address)).unwrap();
    node.assert_clean();
    assert!(!node.sh("ip link").contains("slmove"));
}

#[test]
fn beside_a_real_docker_everybody_is_reached() {
    let node = Node::new("dockerd");
    let fabric = node.with(&[dcos()]);
    let docker = node.host.dockerd().unwrap();
    docker.import_busybox("busybox:test").unwrap();
    node.run(networks::ensure_forwarding()).unwrap();
    let (a, b) = (
        node.joined(&fabric, "a", "dcos"),
        node.joined(&fabric, "b", "dcos"),
    );
    let (host, port) = (node.place(), b.serve());
    let to = (b.address(false), port).into();
    assert_eq!(a.seen_by_tcp(to).unwrap(), a.address(false));
    assert_eq!(host.seen_by_tcp(to).unwrap(), host.address(false));
    let seen = docker.docker(&[
        "run",
        "--rm",
        "busybox:test",
        "nc",
        "-w",
        "5",
        &b.address(false).to_string(),
        &port.to_string(),
    ]);
    // Docker lets its own containers out under the node's address.
    assert!(
        seen.unwrap().contains('.'),
        "a container on Docker's bridge reaches ours"
    );
}
