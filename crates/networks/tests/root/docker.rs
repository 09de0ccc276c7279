//! Host ports beside a Docker engine that publishes ports of its own.

use std::net::SocketAddr;
use std::time::Duration;

use model::Protocol::{Tcp, Udp};
use networks::{HostPorts, HostPortsOptions, Networks, Options, ensure_forwarding};
use testlab::{Dockerd, Host, Lan, wait_for};

use crate::peers::{ask, serve};
use crate::ports::both;

const BRIDGE: &str = "mesos-bridge";

/// Runs a future as a daemon of the host would.
fn run<T: Send>(host: &Host, future: impl Future<Output = T> + Send) -> T {
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(future)
    };
    host.inside(work).unwrap()
}

fn networks(host: &Host) -> Networks {
    Networks::new(Options {
        config_dirs: Vec::new(),
        plugin_dirs: vec!["/usr/lib/cni".into()],
        state: host.directory().join("state"),
        run: host.directory().join("run"),
        host_ports: HostPorts::new(HostPortsOptions::default()),
        ..Options::default()
    })
    .unwrap()
}

/// A container that publishes port 80, and serves there.
fn publish(docker: &Dockerd, name: &str, port: u16) {
    let publish = format!("{port}:80");
    let serve = "while true; do echo docker | nc -l -p 80; done";
    let image = "busybox:test";
    let arguments = [
        "run", "-d", "--name", name, "-p", &publish, image, "sh", "-c", serve,
    ];
    docker.docker(&arguments).unwrap();
}

fn soon_hears(from: &std::path::Path, to: SocketAddr, name: &str) {
    wait_for(&format!("{name} at {to}"), Duration::from_secs(10), || {
        ask(from, to, Tcp)
            .ok()
            .filter(|heard| heard.starts_with(name))
    })
    .unwrap();
}

fn side_by_side(options: &[&str], holder: &str) {
    let lan = Lan::new().unwrap();
    let (host, far) = (
        Host::on(&lan, "ports").unwrap(),
        Host::on(&lan, "far").unwrap(),
    );
    let docker = host.dockerd_with(options).unwrap();
    docker.import_busybox("busybox:test").unwrap();
    publish(&docker, "theirs", 31300);
    let networks = networks(&host);
    let ours = run(&host, networks.attach("ours", &[both(BRIDGE, 31301, 80)])).unwrap();
    run(&host, ensure_forwarding()).unwrap();
    serve(&ours.netns, 80, "ours");

    let at = |port| SocketAddr::new(host.address().into(), port);
    let localhost = |port| SocketAddr::new([127, 0, 0, 1].into(), port);
    let (own, remote) = (host.netns_path(), far.netns_path());
    let both_are_reached = || {
        for from in [&own, &remote, &ours.netns] {
            soon_hears(from, at(31300), "docker");
            soon_hears(from, at(31301), "ours");
        }
        soon_hears(&own, localhost(31300), "docker");
        soon_hears(&own, localhost(31301), "ours");
        let heard = ask(&remote, at(31301), Tcp).unwrap();
        assert_eq!(heard, format!("ours {}", far.address()));
        let heard = ask(&remote, at(31301), Udp).unwrap();
        assert_eq!(heard, format!("ours {}", far.address()));
    };
    both_are_reached();
    // Docker's containers are clients, too.
    let ask = format!("nc -w 3 {} 31301 < /dev/null", host.address());
    let heard = docker
        .docker(&["exec", "theirs", "sh", "-c", &ask])
        .unwrap();
    assert!(heard.starts_with("ours"), "{heard}");

    // Neither takes a port of the other.
    let taken = run(&host, networks.attach("late", &[both(BRIDGE, 31300, 80)]));
    let taken = taken.unwrap_err().to_string();
    assert!(
        taken.contains(holder) && taken.contains("docker ps"),
        "{taken}"
    );

    // Docker rewrites its rules, and ours stay.
    publish(&docker, "more", 31302);
    soon_hears(&remote, at(31302), "docker");
    docker.docker(&["rm", "-f", "more"]).unwrap();
    assert!(!run(&host, networks.settle_host_ports()).unwrap());
    both_are_reached();
    run(&host, networks.detach("ours")).unwrap();
    soon_hears(&remote, at(31300), "docker");
    ask_in_vain(&remote, at(31301));
}

fn ask_in_vain(from: &std::path::Path, to: SocketAddr) {
    let refused = ask(from, to, Tcp).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn side_by_side_with_dockers_proxies() {
    side_by_side(&[], "process docker-proxy (pid ");
}

#[test]
fn side_by_side_with_dockers_rules_alone() {
    side_by_side(&["--userland-proxy=false"], "process dockerd (pid ");
}
