//! Clients in other languages (items B2, B11 and B13): each with the sockets, the
//! waiting and the resolver of its own.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, thread};

use model::Protocol::{Tcp, Udp};
use tempfile::TempDir;

use crate::lab::{Lab, VIP, far, table, vip};
use crate::servers::serve_echo;
use crate::stacks::Stack;

/// What the DNS server answers, whatever the name.
const ANSWER: [u8; 4] = [192, 0, 2, 7];

/// Echoing backends at port 7000 of the VIP, and a DNS server at its port 53.
fn lab() -> Lab {
    let mut lab = Lab::new();
    let [tcp, udp] = [Tcp, Udp].map(|protocol| Stack::Four.backends(protocol, &["a"]));
    let dns = UdpSocket::bind("127.0.0.1:0").unwrap();
    let resolver = [far("dns", dns.local_addr().unwrap())];
    thread::spawn(move || serve_dns(&dns));
    lab.apply(&table(&[
        (vip(7_000), Tcp, &tcp),
        (vip(7_000), Udp, &udp),
        (vip(53), Udp, &resolver),
    ]));
    lab
}

/// Answers questions for addresses of IPv4 with one, and others with none.
fn serve_dns(socket: &UdpSocket) {
    let mut query = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut query) {
        // The name ends with an empty label, behind which type and class are.
        let name = query[12..length].iter().position(|byte| *byte == 0);
        let end = 12 + name.unwrap() + 5;
        let is_a = query[end - 3] == 1;
        let mut reply = query[..end].to_vec();
        reply[2..4].copy_from_slice(&[0x81, 0x80]);
        reply[6..12].copy_from_slice(&[0, is_a.into(), 0, 0, 0, 0]);
        if is_a {
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
            reply.extend(ANSWER);
        }
        let _ = socket.send_to(&reply, from);
    }
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/root/languages")
        .join(name)
}

/// Runs a command that is there or else named as missing.
fn build(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; scripts/setup.sh test installs what tests need")
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}

/// Runs a client in the lab, with the VIP as the host's DNS server, and compares what it
/// was told: every peer is the VIP.
fn assert_translated(lab: &Lab, client: &[&str], expected: &[&str]) {
    let directory = TempDir::new().unwrap();
    let conf = directory.path().join("resolv.conf");
    fs::write(&conf, format!("nameserver {VIP}\n")).unwrap();
    // In a mount namespace of its own, since libraries read this file only.
    let own = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
    let mut command = vec![
        "unshare",
        "--mount",
        "sh",
        "-c",
        own,
        conf.to_str().unwrap(),
    ];
    command.extend(client);
    command.extend([VIP, "7000", "7000", "some.name.example"]);
    let told = lab.run(&command);
    let expected: Vec<_> = expected
        .iter()
        .map(|what| match *what {
            "dns" => "dns 192.0.2.7".to_owned(),
            what => format!("{what} a:q {VIP}:7000"),
        })
        .collect();
    assert_eq!(told.lines().collect::<Vec<_>>(), expected, "{client:?}");
}

const SOCKETS: [&str; 4] = ["tcp", "udp", "connected-udp", "dns"];

/// A static program of musl, whose resolver takes answers only from whom it asked, and
/// the same with the C library of the host.
#[test]
fn b11_c_with_musl_and_glibc() {
    let lab = lab();
    let directory = TempDir::new().unwrap();
    for (compiler, options) in [("musl-gcc", &["-static"][..]), ("cc", &[])] {
        let program = directory.path().join(compiler);
        let mut command = Command::new(compiler);
        command.args(["-O1", "-o"]).arg(&program).args(options);
        build(command.arg(source("client.c")));
        assert_translated(&lab, &[program.to_str().unwrap()], &SOCKETS);
    }
}

#[test]
fn b11_static_busybox() {
    let lab = lab();
    let script = "echo q | busybox nc -w 5 \"$1\" \"$2\" && busybox nslookup -type=a \"$4\" \"$1\"";
    let port = "7000";
    let told = lab.run(&[
        "sh",
        "-c",
        script,
        "sh",
        VIP,
        port,
        port,
        "some.name.example",
    ]);
    assert!(told.starts_with("a:q\n"), "{told}");
    assert!(told.contains("Address: 192.0.2.7"), "{told}");
}

#[test]
fn b11_python() {
    let lab = lab();
    let script = source("client.py");
    let mut expected = SOCKETS.to_vec();
    expected.splice(
        3..3,
        ["asyncio-tcp", "asyncio-udp", "asyncio-connected-udp"],
    );
    assert_translated(
        &lab,
        &["/usr/bin/python3", script.to_str().unwrap()],
        &expected,
    );
}

#[test]
fn b11_node() {
    let lab = lab();
    let script = source("client.js");
    assert_translated(&lab, &["node", script.to_str().unwrap()], &SOCKETS);
}

#[test]
fn b11_java() {
    let lab = lab();
    let script = source("Client.java");
    let expected = ["tcp", "nio-tcp", "udp", "connected-udp", "nio-udp"];
    let java = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];
    for more in [&[][..], &["-Djava.net.preferIPv4Stack=true"]] {
        let command = [&java, more, &[script.to_str().unwrap()]].concat();
        assert_translated(&lab, &command, &expected);
    }
}

#[test]
fn b11_static_go() {
    let lab = lab();
    let directory = TempDir::new().unwrap();
    let program = directory.path().join("client");
    let mut command = Command::new("go");
    // What was compiled is kept with what cargo compiles.
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    command
        .env("CGO_ENABLED", "0")
        .env("GOCACHE", cache)
        .env("GOFLAGS", "-mod=mod")
        .args(["build", "-o"])
        .arg(&program);
    build(command.arg(source("client.go")));
    let mut expected = SOCKETS.to_vec();
    expected.insert(2, "mapped-udp");
    assert_translated(&lab, &[program.to_str().unwrap()], &expected);
}

#[test]
fn b13_a_socket_stays_in_the_cgroup_that_it_was_made_in() {
    let mut lab = Lab::new();
    let local = serve_echo(Stack::Four.local(), "local");
    let backend = Stack::Four.backends(Tcp, &["backend"]);
    lab.apply(&table(&[(local, Tcp, &backend)]));
    let output = Command::new("/usr/bin/python3")
        .arg(source("moved.py"))
        .arg(lab.options.cgroup.join("cgroup.procs"))
        .arg(local.port().to_string())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(told, "local:q\nbackend:q\n", "{errors}");
}
