//! The plugin with others behind it, run by our own CNI runtime.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use cni::{AddResult, Bandwidth, Capabilities, Join, NetworkConfig, PortMap, Records, Runtime};
use serde_json::{Value, json};
use testlab::wait_for;

use crate::lab::{Lab, SOON, With, run};
use crate::sandboxes::{Sandbox, inside, talk};

/// A setting of its namespace that containers of the chain get.
const SETTING: &str = "net.ipv4.conf.eth0.accept_local";

/// Bits a second that may come to containers of the chain; they may send twice as much.
const RATE: u64 = 8_000_000;

/// Our plugin, which limits traffic itself, then a reference plugin that changes what it
/// made.
fn chain(lab: &Lab, versions: &[&str]) -> NetworkConfig {
    let mut ours = lab.cni_config(versions[0]);
    ours["capabilities"] =
        json!({"portMappings": true, "ips": true, "mac": true, "bandwidth": true});
    let list = json!({
        "cniVersion": versions[0], "cniVersions": versions, "name": "dcos",
        "plugins": [
            ours,
            {"type": "tuning", "sysctl": {SETTING: "1"}},
        ],
    });
    NetworkConfig::parse(list.to_string().as_bytes(), "chain").unwrap()
}

fn join(sandbox: &Sandbox) -> Join {
    Join {
        container: "web.1".to_owned(),
        ifname: "eth0".to_owned(),
        netns: sandbox.path(),
        network_info: None,
        capabilities: Capabilities {
            port_mappings: vec![PortMap {
                host_port: 18081,
                container_port: 8081,
                protocol: "tcp".to_owned(),
                host_ip: None,
            }],
            mac: Some("02:42:09:00:00:07".to_owned()),
            bandwidth: Some(Bandwidth {
                ingress_rate: RATE,
                ingress_burst: RATE / 10,
                egress_rate: 2 * RATE,
                egress_burst: 0,
            }),
            ..Capabilities::default()
        },
    }
}

/// Runs the runtime's work on the host, where plugins must run.
fn on_host<T: Send>(lab: &Lab, work: impl Future<Output = T> + Send) -> T {
    let host = lab.host.netns_path();
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(work)
    };
    inside(&host, run).unwrap()
}

/// How long a second's worth of bytes, as they may come to the container, takes from one
/// namespace to a server in another.
fn transfer(from: &Path, server: &Path, to: SocketAddr) -> Duration {
    let listener = inside(server, || TcpListener::bind(to)).unwrap().unwrap();
    let bytes = vec![0; usize::try_from(RATE / 8).unwrap()];
    // Before anything is sent, so that a late reader makes it longer and not shorter.
    let begun = Instant::now();
    let stream = inside(from, || TcpStream::connect_timeout(&to, SOON));
    let mut stream = stream.unwrap().unwrap();
    std::thread::scope(|scope| {
        let sent = bytes.clone();
        scope.spawn(move || stream.write_all(&sent).unwrap());
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        assert_eq!(received.len(), bytes.len());
        begun.elapsed()
    })
}

/// Both directions are limited where they leave, and groups' filters stay in their place.
fn assert_limited(lab: &Lab, sandbox: &Sandbox, address: SocketAddr) {
    let link = lab.host_ends().unwrap().pop().unwrap();
    let mut tc = lab.host.command("tc");
    let outside = run(tc.args(["qdisc", "show", "dev", &link])).unwrap();
    for part in ["tbf", "root", "rate 8Mbit burst 100000b", "clsact ffff:"] {
        assert!(outside.contains(part), "{part}: {outside}");
    }
    let tc = || run(Command::new("tc").args(["qdisc", "show", "dev", "eth0"]));
    let own = inside(&sandbox.path(), tc).unwrap().unwrap();
    assert!(own.contains("rate 16Mbit burst 40000b"), "{own}");
    let host = lab.host.netns_path();
    // A tenth of it may come at once; without limit all of it takes some milliseconds.
    let slowed = transfer(&host, &sandbox.path(), address);
    assert!(slowed > Duration::from_millis(700), "{slowed:?}");
    let here = SocketAddr::new(lab.host.address().into(), address.port());
    let faster = transfer(&sandbox.path(), &host, here);
    assert!(faster > Duration::from_millis(300), "{faster:?}");
}

fn shown(result: &AddResult) -> Value {
    let names = result.interfaces.iter().map(|interface| &interface.name);
    json!(names.collect::<Vec<_>>())
}

#[test]
fn plugins_behind_ours_change_its_interface() {
    let lab = Lab::new("cni-chain", With::Native).unwrap();
    lab.cni_ready().unwrap();
    let records = Records::new(lab.host.directory().join("records"));
    let links: PathBuf = lab.state.join("cni-bin");
    wait_for("the link to the plugin", SOON, || {
        links.join("sealane").exists().then_some(())
    })
    .unwrap();
    let plugins = vec![links, "/usr/lib/cni".into()];
    let runtime = Runtime::new(plugins, records, Duration::from_secs(20));
    for versions in [&["0.3.1"][..], &["0.4.0", "1.0.0", "1.1.0"]] {
        let sandbox = Sandbox::new(&lab, "a").unwrap();
        let (config, join) = (chain(&lab, versions), join(&sandbox));
        let result = on_host(&lab, runtime.join(&config, &join)).unwrap();
        let own: Vec<_> = result.addresses().collect();
        assert_eq!(own.len(), 2, "{result:?}");
        let mac = sandbox.ip("-o link show eth0").unwrap();
        assert!(mac.contains("02:42:09:00:00:07"), "{mac}");
        let read = format!("/proc/sys/{}", SETTING.replace('.', "/"));
        let setting = inside(&sandbox.path(), || std::fs::read_to_string(read)).unwrap();
        assert_eq!(setting.unwrap().trim(), "1", "tuning changed it");
        assert_eq!(result.interfaces.len(), 2, "{}", shown(&result));
        let host = lab.host.netns_path();
        talk(&host, &sandbox.path(), 7001, SocketAddr::new(own[0], 7001)).unwrap();
        let port = SocketAddr::new(lab.host.address().into(), 18081);
        talk(&host, &sandbox.path(), 8081, port).unwrap();
        assert_limited(&lab, &sandbox, SocketAddr::new(own[0], 7002));
        on_host(&lab, runtime.check("web.1", "eth0")).unwrap();
        on_host(&lab, runtime.leave("web.1", "eth0", None)).unwrap();
        assert_eq!(lab.holders().unwrap(), [""; 0]);
        assert_eq!(lab.host_ends().unwrap(), [""; 0]);
    }
}
