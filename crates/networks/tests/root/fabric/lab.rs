//! A node with virtual networks, and containers that are namespaces.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ipnet::IpNet;
use model::{Network, Subnet, Timestamp};
use netlink::netns;
use networks::{EndpointId, EndpointRequest, Fabric, FabricNetwork, FabricOptions};
use testlab::{Host, Lan};

/// Long beside any connection here, short beside a lost first packet's second.
const PROMPT: Duration = Duration::from_millis(600);

pub(crate) struct Node {
    pub(crate) host: Host,
    files: tempfile::TempDir,
}

impl Node {
    pub(crate) fn new(name: &str) -> Self {
        Self::of(Host::new(name).unwrap())
    }

    pub(crate) fn on(lan: &Lan, name: &str) -> Self {
        Self::of(Host::on(lan, name).unwrap())
    }

    fn of(host: Host) -> Self {
        let files = tempfile::tempdir().unwrap();
        std::fs::create_dir(files.path().join("netns")).unwrap();
        Self { host, files }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// What a daemon on this node has after it started.
    pub(crate) fn fabric(&self) -> Fabric {
        Fabric::new(FabricOptions {
            run: self.path("run"),
            ..FabricOptions::default()
        })
        .unwrap()
    }

    /// The same, with networks.
    pub(crate) fn with(&self, networks: &[FabricNetwork]) -> Fabric {
        let fabric = self.fabric();
        self.run(fabric.configure(networks.to_vec())).unwrap();
        fabric
    }

    /// Runs a future as the node's daemon would.
    pub(crate) fn run<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        let inside = self.host.inside(|| {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            let runtime = builder.worker_threads(2).enable_all().build();
            runtime.unwrap().block_on(future)
        });
        inside.unwrap()
    }

    /// Makes a container's namespace.
    pub(crate) fn container(&self, name: &str) -> PathBuf {
        let path = self.path("netns").join(name);
        netns::create(&path).unwrap();
        path
    }

    /// A container with an endpoint on `network`, and its namespace.
    pub(crate) fn joined(&self, fabric: &Fabric, name: &str, network: &str) -> Place {
        let path = self.container(name);
        let request = self.request(name, network);
        let endpoint = self.run(fabric.add(request)).unwrap();
        let addresses = endpoint.addresses.iter().map(IpNet::addr);
        Place {
            netns: path,
            addresses: addresses.collect(),
        }
    }

    pub(crate) fn request(&self, name: &str, network: &str) -> EndpointRequest {
        EndpointRequest {
            id: id(name),
            network: network.to_owned(),
            netns: self.path("netns").join(name),
            wanted: Vec::new(),
            mac: None,
            mtu: None,
            port_mappings: Vec::new(),
            bandwidth: None,
        }
    }

    /// The node itself, with its addresses on the uplink.
    pub(crate) fn place(&self) -> Place {
        host_place(&self.host)
    }

    /// Runs a command on the node and returns what it printed.
    pub(crate) fn sh(&self, script: &str) -> String {
        sh(&self.host.netns_path(), script)
    }

    /// Names of all links of endpoints on the node.
    pub(crate) fn links(&self) -> Vec<String> {
        let found = self
            .host
            .inside(|| netlink::Socket::open().unwrap().links("sealane"));
        let mut names: Vec<String> = found
            .unwrap()
            .unwrap()
            .into_iter()
            .map(|l| l.name)
            .filter(|name| name != "sealanevx")
            .collect();
        names.sort();
        names
    }

    /// Fails unless no endpoint has left anything.
    pub(crate) fn assert_clean(&self) {
        assert_eq!(self.links(), Vec::<String>::new());
        for family in ["-4", "-6"] {
            let routes = self.sh(&format!("ip {family} route show proto 94 type unicast"));
            assert!(!routes.contains("dev sealane"), "{routes}");
        }
        assert_eq!(self.files("leases/*/*"), "", "leases are left");
        assert_eq!(self.files("endpoints/*"), "", "records are left");
    }

    fn files(&self, pattern: &str) -> String {
        let run = self.path("run").display().to_string();
        self.sh(&format!("ls -d {run}/{pattern} 2>/dev/null || true"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let entries = std::fs::read_dir(self.path("netns"));
        for entry in entries.into_iter().flatten().flatten() {
            let _ = netns::delete(&entry.path());
        }
    }
}

pub(crate) fn id(name: &str) -> EndpointId {
    EndpointId {
        container: name.to_owned(),
        ifname: "eth0".to_owned(),
    }
}

/// A masquerading network of one or two subnets, of which this node has the block of
/// number 1.
pub(crate) fn network(name: &str, subnets: &[(&str, u8)]) -> FabricNetwork {
    let subnets: Vec<Subnet> = subnets
        .iter()
        .map(|(net, block)| Subnet {
            net: net.parse().unwrap(),
            block: *block,
        })
        .collect();
    let block = subnets.iter().map(|subnet| {
        let mut blocks = subnet.net.subnets(subnet.block).unwrap();
        blocks.nth(1).unwrap_or(subnet.net)
    });
    FabricNetwork {
        block: block.collect(),
        elsewhere: Vec::new(),
        network: Network {
            name: name.to_owned(),
            subnets,
            mtu: None,
            masquerade: true,
            created: Timestamp::default(),
        },
    }
}

/// What every node of DC/OS has.
pub(crate) fn dcos() -> FabricNetwork {
    network("dcos", &[("9.0.0.0/8", 24), ("fd01:b::/64", 80)])
}

/// Where a client or server stands.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) netns: PathBuf,
    pub(crate) addresses: Vec<IpAddr>,
}

impl Place {
    pub(crate) fn address(&self, v6: bool) -> IpAddr {
        let found = self.addresses.iter().find(|ip| ip.is_ipv6() == v6);
        *found.expect("the place has that family")
    }

    /// A server that tells each client the address that it came from. For datagrams it
    /// has a socket for each address, as one must have with several interfaces.
    pub(crate) fn serve(&self) -> u16 {
        let (tcp, udp) = netns::run_in(&self.netns, || {
            let tcp = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
            let port = tcp.local_addr().unwrap().port();
            let bind = |ip: &IpAddr| UdpSocket::bind((*ip, port)).unwrap();
            (tcp, self.addresses.iter().map(bind).collect::<Vec<_>>())
        })
        .unwrap();
        let port = tcp.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut client in tcp.incoming().flatten() {
                let peer = client.peer_addr().unwrap().ip().to_canonical();
                let _ = client.write_all(peer.to_string().as_bytes());
            }
        });
        for socket in udp {
            std::thread::spawn(move || {
                let mut buffer = [0; 16];
                while let Ok((_, peer)) = socket.recv_from(&mut buffer) {
                    let _ = socket.send_to(peer.ip().to_string().as_bytes(), peer);
                }
            });
        }
        port
    }

    /// As which address a server sees a client here, at the first try and at once.
    pub(crate) fn seen_by_tcp(&self, to: SocketAddr) -> std::io::Result<IpAddr> {
        netns::run_in(&self.netns, || {
            let mut stream = TcpStream::connect_timeout(&to, PROMPT)?;
            stream.set_read_timeout(Some(PROMPT))?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text.parse().unwrap())
        })
        .unwrap()
    }

    /// The same by one datagram.
    pub(crate) fn seen_by_udp(&self, to: SocketAddr) -> std::io::Result<IpAddr> {
        netns::run_in(&self.netns, || {
            let any: IpAddr = match to {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let socket = UdpSocket::bind((any, 0))?;
            socket.set_read_timeout(Some(PROMPT))?;
            socket.connect(to)?;
            socket.send(b"?")?;
            let mut buffer = [0; 64];
            let length = socket.recv(&mut buffer)?;
            Ok(std::str::from_utf8(&buffer[..length])
                .unwrap()
                .parse()
                .unwrap())
        })
        .unwrap()
    }
}

pub(crate) fn host_place(host: &Host) -> Place {
    Place {
        netns: host.netns_path(),
        addresses: vec![host.address().into(), host.address6().into()],
    }
}

/// Runs a command in a namespace and returns what it printed.
pub(crate) fn sh(netns: &Path, script: &str) -> String {
    netns::run_in(netns, || {
        let output = Command::new("sh").args(["-c", script]).output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    })
    .unwrap()
}
