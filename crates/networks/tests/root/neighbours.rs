//! Beside Docker.

use mesos::NetworkInfo;
use networks::{Forwarding, ensure_forwarding};

use crate::host::{Host, first, serve, talk};

#[test]
fn without_docker_nothing_is_changed() {
    let host = Host::new();
    assert_eq!(
        host.run(ensure_forwarding()).unwrap(),
        Forwarding::NotNeeded
    );
    assert_eq!(host.sh("iptables -S | grep -c sealane || true").trim(), "0");
}

#[test]
fn docker_lets_our_containers_talk() {
    let host = Host::new();
    host.bridge("one", "sealane1", "10.99.1.0/24");
    host.bridge("two", "sealane2", "10.99.2.0/24");
    let networks = host.networks();
    let client = host
        .run(networks.attach("client", &[NetworkInfo::named("one")]))
        .unwrap();
    let server = host
        .run(networks.attach("server", &[NetworkInfo::named("two")]))
        .unwrap();
    let to = (first(&server.network_infos[0]), 80).into();
    serve(&server.netns, 80);
    let talk = || talk(&client.netns, to);
    assert_eq!(talk().unwrap(), "hello");

    host.sh("iptables -P FORWARD DROP; iptables -N DOCKER-USER; \
        iptables -A DOCKER-USER -j RETURN; iptables -I FORWARD -j DOCKER-USER");
    talk().unwrap_err();
    assert_eq!(host.run(ensure_forwarding()).unwrap(), Forwarding::Added);
    assert_eq!(talk().unwrap(), "hello");
    assert_eq!(host.run(ensure_forwarding()).unwrap(), Forwarding::Present);
    assert_eq!(
        host.sh("iptables -S DOCKER-USER | grep -c sealane").trim(),
        "2"
    );

    host.sh("iptables -F DOCKER-USER");
    talk().unwrap_err();
    assert_eq!(host.run(ensure_forwarding()).unwrap(), Forwarding::Added);
    assert_eq!(talk().unwrap(), "hello");

    // Only the version of IP that Docker manages is touched.
    assert_eq!(
        host.sh("ip6tables -S | grep -c sealane || true").trim(),
        "0"
    );
    host.sh("ip6tables -N DOCKER-USER");
    assert_eq!(host.run(ensure_forwarding()).unwrap(), Forwarding::Added);
    assert_eq!(
        host.sh("ip6tables -S DOCKER-USER | grep -c sealane").trim(),
        "2"
    );
    for id in ["client", "server"] {
        host.run(networks.detach(id)).unwrap();
    }
}
