//! A host with the reference plugins, and containers that are bare namespaces.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cni::{AddResult, Capabilities, CniError, Join, NetworkConfig, PortMap, Records, Runtime};
use nix::sched::{CloneFlags, setns};
use serde_json::{Value, json};
use testlab::{Host, Lan};

/// Where Debian puts the reference plugins.
const PLUGINS: &str = "/usr/lib/cni";

pub(crate) struct Lab {
    pub(crate) host: Host,
    pub(crate) runtime: Runtime,
}

impl Lab {
    pub(crate) fn new(name: &str) -> Self {
        Self::of(Host::new(name).unwrap())
    }

    pub(crate) fn on(lan: &Lan, name: &str) -> Self {
        Self::of(Host::on(lan, name).unwrap())
    }

    fn of(host: Host) -> Self {
        let all = "bridge ptp macvlan host-local portmap bandwidth firewall tuning loopback";
        for plugin in all.split(' ') {
            let path = Path::new(PLUGINS).join(plugin);
            let hint = "apt install containernetworking-plugins";
            assert!(path.is_file(), "{} is missing: {hint}", path.display());
        }
        let records = Records::new(host.directory().join("records"));
        let limit = Duration::from_secs(60);
        let runtime = Runtime::new(vec![PLUGINS.into()], records, limit);
        let lab = Self { host, runtime };
        lab.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
        lab
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.host.directory().join(name)
    }

    /// Runs a future as a daemon on this host would.
    pub(crate) fn run<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        let work = || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().unwrap().block_on(future)
        };
        self.host.inside(work).unwrap()
    }

    pub(crate) fn add(
        &self,
        config: &NetworkConfig,
        container: &Container,
        capabilities: Capabilities,
    ) -> Result<AddResult, CniError> {
        let join = Join {
            container: container.name.clone(),
            ifname: "eth0".to_owned(),
            netns: container.path(),
            network_info: None,
            capabilities,
        };
        self.run(self.runtime.join(config, &join))
    }

    /// [`Lab::add`] that succeeds; returns the address.
    pub(crate) fn joined(&self, config: &NetworkConfig, container: &Container) -> IpAddr {
        let added = self.add(config, container, Capabilities::default());
        added.unwrap().addresses().next().unwrap()
    }

    pub(crate) fn check(&self, container: &Container) -> Result<(), CniError> {
        self.run(self.runtime.check(&container.name, "eth0"))
    }

    pub(crate) fn leave(&self, container: &Container) -> Result<(), CniError> {
        let path = container.path();
        self.run(self.runtime.leave(&container.name, "eth0", Some(&path)))
    }

    /// Runs a command on the host and returns what it printed.
    pub(crate) fn sh(&self, script: &str) -> String {
        printed(self.host.command("sh").args(["-c", script]))
    }

    /// An address plugin with a range, and its leases below the lab's directory.
    pub(crate) fn ipam(&self, subnet: &str) -> Value {
        json!({"type": "host-local", "dataDir": self.path("leases"), "subnet": subnet,
            "routes": [{"dst": "0.0.0.0/0"}]})
    }

    /// A bridge that is its containers' gateway.
    pub(crate) fn bridge(&self, link: &str, subnet: &str) -> Value {
        json!({"type": "bridge", "bridge": link, "isGateway": true, "hairpinMode": true,
            "ipam": self.ipam(subnet)})
    }

    /// Addresses that a network's containers hold.
    pub(crate) fn leases(&self, network: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path("leases").join(network));
        let mut leases: Vec<String> = entries
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.parse::<IpAddr>().is_ok())
            .collect();
        leases.sort();
        leases
    }

    /// All that plugins could leave behind on the host, but for bridges and the empty
    /// chains that reference plugins keep.
    pub(crate) fn left_behind(&self) -> String {
        let links = self.sh("ip -o link | grep -v ' br' | cut -d: -f2 | sort");
        let rules = self
            .sh("{ iptables-save; ip6tables-save; } | grep -e '-d ' -e '-s ' -e '--dport' | sort");
        format!("{links}{rules}")
    }

    /// What a server says to the host: the address it is called from.
    pub(crate) fn talk(&self, to: SocketAddr) -> std::io::Result<IpAddr> {
        self.host.inside(|| talk(to)).unwrap()
    }
}

/// A network namespace, deleted when it is dropped.
pub(crate) struct Container {
    pub(crate) name: String,
}

impl Container {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sl-cni-{}-{number}", std::process::id());
        printed(Command::new("ip").args(["netns", "add", &name]));
        Self { name }
    }

    pub(crate) fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    pub(crate) fn sh(&self, script: &str) -> String {
        printed(Command::new("ip").args(["netns", "exec", &self.name, "sh", "-c", script]))
    }

    /// A server on all addresses that tells its clients where they call from.
    pub(crate) fn serve(&self, port: u16) {
        let listener = self.inside(|| TcpListener::bind(("::", port))).unwrap();
        serve(listener);
    }

    pub(crate) fn talk(&self, to: SocketAddr) -> std::io::Result<IpAddr> {
        self.inside(|| talk(to))
    }

    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let netns = File::open(self.path()).unwrap();
        let enter = || {
            setns(&netns, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        };
        std::thread::scope(|scope| scope.spawn(enter).join().unwrap())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Some tests delete it themselves.
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .output();
    }
}

/// A server on the host that tells its clients where they call from.
pub(crate) fn serve_on(host: &Host, port: u16) {
    let listener = host.inside(|| TcpListener::bind(("::", port))).unwrap();
    serve(listener.unwrap());
}

fn serve(listener: TcpListener) {
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let from = client.peer_addr().map(|from| from.ip().to_canonical());
            let _ = from.and_then(|from| write!(&client, "{from}"));
        }
    });
}

fn talk(to: SocketAddr) -> std::io::Result<IpAddr> {
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    text.parse().map_err(std::io::Error::other)
}

fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A list of plugins at the newest version that Debian's speak.
pub(crate) fn network(name: &str, plugins: &[Value]) -> NetworkConfig {
    parse(&json!({"name": name, "cniVersion": "1.0.0", "plugins": plugins}))
}

pub(crate) fn parse(list: &Value) -> NetworkConfig {
    NetworkConfig::parse(list.to_string().as_bytes(), "test.conflist").unwrap()
}

pub(crate) fn port(host: u16, container: u16) -> Capabilities {
    let map = PortMap {
        host_port: host,
        container_port: container,
        protocol: "tcp".to_owned(),
        host_ip: None,
    };
    Capabilities {
        port_mappings: vec![map],
        ..Capabilities::default()
    }
}
