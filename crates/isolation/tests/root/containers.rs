//! Containers behind a bridge, with a host port that the host translates, as Docker does.

use std::io::Read;

use model::Protocol::{Tcp, Udp};
use netlink::netns;

use crate::lab::{LOCALHOST, Node, Place, Task, at};

/// A bridge with one container at 172.17.0.2, whose port 80 the host's 8080 leads to.
fn container(node: &Node) -> Place {
    let path = node.path("namespaces").join("container");
    netns::create(&path).unwrap();
    let target = path.display();
    node.sh("sysctl -qw net.ipv4.ip_forward=1");
    node.sh(&format!(
        "ip link add docker0 type bridge forward_delay 0 && ip address add 172.17.0.1/16 dev docker0 \
         && ip link set docker0 up && ip link add veth0 type veth peer name far0 \
         && ip link set far0 netns {target} name eth0 && ip link set veth0 master docker0 up"
    ));
    let place = Place(path);
    place.sh("ip address add 172.17.0.2/16 dev eth0 && ip link set eth0 up && ip link set lo up");
    place.sh("ip route add default via 172.17.0.1");
    node.sh(
        "nft -f - <<'END'\n\
         table ip nat {\n\
           chain pre { type nat hook prerouting priority -100; fib daddr type local meta l4proto { tcp, udp } th dport 8080 dnat to 172.17.0.2:80; }\n\
           chain out { type nat hook output priority -100; ip daddr != 127.0.0.0/8 fib daddr type local meta l4proto { tcp, udp } th dport 8080 dnat to 172.17.0.2:80; }\n\
           chain post { type nat hook postrouting priority 100; ip saddr 172.17.0.0/16 oifname != docker0 masquerade; }\n\
         }\n\
         table ip filter { chain forward { type filter hook forward priority 0; policy drop;\n\
           ct state established,related accept; oifname docker0 ct status dnat accept; iifname docker0 oifname != docker0 accept; }\n}\n\
         END",
    );
    place.serve("container", [0, 0, 0, 0], 80);
    place
}

#[test]
fn a_published_port_is_reached_from_a_task() {
    let node = Node::new("docker1");
    container(&node);
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[31000]);
    for protocol in [Tcp, Udp] {
        let answer = task.place.ask(protocol, node.address(), 8080).unwrap();
        assert_eq!(answer.name, "container");
        assert!(task.isolated.ephemeral.contains(&answer.client.port()));
        // By the container's own address the task is the host.
        let answer = task
            .place
            .ask(protocol, [172, 17, 0, 2].into(), 80)
            .unwrap();
        assert_eq!(*answer.client.ip(), node.address());
        // And at the bridge's address the host's own servers are.
        node.place()
            .serve("host", [172, 17, 0, 1], 9000 + u16::from(protocol == Udp));
        let port = 9000 + u16::from(protocol == Udp);
        assert_eq!(
            task.place
                .ask(protocol, [172, 17, 0, 1].into(), port)
                .unwrap()
                .name,
            "host"
        );
    }
}

#[test]
fn a_listener_beside_the_translation_is_no_hindrance() {
    // Docker's proxy listens on the ports that its rules translate.
    let node = Node::new("docker2");
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[31000]);
    container(&node);
    node.place().serve("proxy", [0, 0, 0, 0], 8080);
    for protocol in [Tcp, Udp] {
        let answer = task.place.ask(protocol, node.address(), 8080).unwrap();
        assert_eq!(answer.name, "container");
        let answer = task.place.ask(protocol, LOCALHOST, 8080).unwrap();
        assert!(["container", "proxy"].contains(&answer.name.as_str()));
    }
}

#[test]
fn a_container_reaches_a_tasks_port() {
    let node = Node::new("docker3");
    // The bridge is older than the first task, the program of its interface younger.
    let container = container(&node);
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[31000]);
    reached(&node, &container, &task);
}

#[test]
fn an_interface_that_is_made_later_gets_the_program() {
    let node = Node::new("docker4");
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[31000]);
    let container = container(&node);
    let done = node
        .run(isolation.reconcile(|| crate::lab::live(&["a"])))
        .unwrap();
    assert_eq!(done.interfaces, ["docker0"]);
    reached(&node, &container, &task);
}

fn reached(node: &Node, container: &Place, task: &Task) {
    task.place.serve("a", [0, 0, 0, 0], 31000);
    for protocol in [Tcp, Udp] {
        let answer = container.ask(protocol, node.address(), 31000).unwrap();
        assert_eq!(answer.name, "a");
        assert_eq!(*answer.client.ip(), std::net::Ipv4Addr::new(172, 17, 0, 2));
    }
}

#[test]
fn dockers_own_containers_reach_tasks_and_are_reached() {
    let node = Node::new("docker5");
    let docker = node.host.dockerd().unwrap();
    docker.import_busybox("busybox:test").unwrap();
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[31000]);
    task.place.serve("a", [0, 0, 0, 0], 31000);
    let run = "run -d --name web -p 8080:80 -p 127.0.0.1:8081:80 busybox:test";
    let mut words: Vec<&str> = run.split(' ').collect();
    words.extend(["sh", "-c", "nc -ll -p 80 -e echo container"]);
    docker.docker(&words).unwrap();
    node.run(isolation.reconcile(|| crate::lab::live(&["a"])))
        .unwrap();
    for (address, port) in [(node.address(), 8080), (LOCALHOST, 8080), (LOCALHOST, 8081)] {
        let said = testlab::wait_for("the container", std::time::Duration::from_secs(5), || {
            let mut said = String::new();
            let mut stream = task.place.connect(at(address, port)).ok()?.0;
            stream.read_to_string(&mut said).ok()?;
            (!said.is_empty()).then_some(said)
        });
        assert_eq!(said.unwrap(), "container\n", "{address}:{port}");
    }
    let ask = format!("echo who | nc -w 2 {} 31000", node.address());
    let said = docker.docker(&["exec", "web", "sh", "-c", &ask]).unwrap();
    assert!(said.starts_with("a 172."), "{said}");
}
