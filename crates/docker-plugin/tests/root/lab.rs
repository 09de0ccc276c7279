//! A host with Docker, a virtual network and the plugin.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use docker_plugin::{Options, Plugin};
use model::{Network, Subnet};
use networks::{Fabric, FabricNetwork, FabricOptions, HostPorts, HostPortsOptions};
use testlab::{Dockerd, Host};
use tokio::sync::oneshot;

/// The image of every container.
pub(crate) const IMAGE: &str = "busybox:test";

/// Where Docker finds plugins.
const PLUGINS: &str = "/run/docker/plugins";

/// A host whose Docker knows the plugin under a name of its own.
pub(crate) struct Node {
    /// Ends before the engine, as a daemon may.
    daemon: Option<Daemon>,
    pub(crate) docker: Dockerd,
    pub(crate) driver: String,
    pub(crate) host: Host,
}

/// The plugin's thread.
struct Daemon {
    stop: oneshot::Sender<()>,
    fabric: Fabric,
    plugin: Plugin,
    thread: JoinHandle<()>,
}

impl Node {
    /// A host with a block of virtual network `net`: 9.9.1.0/24 and `fd09:9:0:1::/64`.
    pub(crate) fn new(name: &str) -> Self {
        Self::on(Host::new(name).unwrap(), name, &[])
    }

    pub(crate) fn on(host: Host, name: &str, options: &[&str]) -> Self {
        let docker = host.dockerd_with(options).unwrap();
        docker.import_busybox(IMAGE).unwrap();
        let driver = format!("sealane-{name}-{}", std::process::id());
        let mut node = Self {
            daemon: None,
            docker,
            driver,
            host,
        };
        node.start();
        node
    }

    /// Starts the plugin as a daemon does that finds what an earlier one left.
    pub(crate) fn start(&mut self) {
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = mpsc::channel();
        let (netns, directory) = (self.host.netns_path(), self.host.directory().to_owned());
        let driver = self.driver.clone();
        let thread = thread::spawn(move || {
            netlink::netns::run_in(&netns, || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                runtime.unwrap().block_on(async {
                    let (fabric, plugin) = open(&directory, &driver).await;
                    let listener = plugin.listen(PLUGINS.as_ref()).unwrap();
                    ready.send((fabric, plugin.clone())).unwrap();
                    let stopped = async { drop(stopped.await) };
                    plugin.serve(listener, stopped).await;
                });
            })
            .unwrap();
        });
        let (fabric, plugin) = started.recv().unwrap();
        self.daemon = Some(Daemon {
            stop,
            fabric,
            plugin,
            thread,
        });
    }

    /// Ends the plugin.
    pub(crate) fn stop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            drop(daemon.stop);
            daemon.thread.join().unwrap();
        }
    }

    /// Makes Docker network `name` for virtual network `net`, as the daemon does.
    pub(crate) fn create(&self, name: &str) {
        #[rustfmt::skip]
        self.docker(&[
            "network", "create", "-d", &self.driver, "--ipam-driver", &self.driver, "--ipv6",
            "--opt", "network=net", "--ipam-opt", "network=net",
            "--subnet", "9.9.0.0/16", "--subnet", "fd09:9::/48", name,
        ]);
    }

    pub(crate) fn docker(&self, args: &[&str]) -> String {
        self.docker.docker(args).unwrap()
    }

    /// Starts a container on `network` that answers HTTP on port 80 with its name.
    pub(crate) fn serve(&self, name: &str, network: &str, more: &[&str]) {
        let script = format!("echo {name} > /index.html; exec httpd -f -p 80 -h /");
        let mut args = vec!["run", "-d", "--name", name, "--network", network];
        args.extend(more);
        args.extend([IMAGE, "/bin/sh", "-c", &script]);
        self.docker(&args);
    }

    /// The container's addresses, IPv4 first.
    pub(crate) fn addresses(&self, container: &str) -> Vec<IpAddr> {
        let format =
            "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}";
        let text = self.docker(&["inspect", "--format", format, container]);
        text.split_whitespace()
            .map(|it| it.parse().unwrap())
            .collect()
    }

    /// What a container gets from a server at an address, within a deadline.
    pub(crate) fn fetch(&self, container: &str, server: IpAddr, port: u16) -> String {
        let wait = Duration::from_secs(10);
        let what = format!("{container} to fetch from {server} port {port}");
        // Not wget: a static one crashes over names, and takes addresses for such.
        let script = format!("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {server} {port}");
        testlab::wait_for(&what, wait, || {
            let said = self
                .docker
                .docker(&["exec", container, "/bin/sh", "-c", &script])
                .ok()?;
            let (head, body) = said
                .replace('\r', "")
                .split_once("\n\n")
                .map(|(head, body)| (head.to_owned(), body.trim().to_owned()))?;
            head.contains("200 OK").then_some(body)
        })
        .unwrap()
    }

    /// Whether a process of the host gets an answer.
    pub(crate) fn host_gets(&self, server: IpAddr, port: u16) -> bool {
        let url = SocketAddr::new(server, port);
        let mut curl = self.host.command("curl");
        curl.args(["-sS", "--fail", "-m", "3", &format!("http://{url}/")]);
        curl.output().unwrap().status.success()
    }

    /// Addresses that are leased now.
    pub(crate) fn leased(&self) -> Vec<IpAddr> {
        let daemon = self.daemon.as_ref().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let usage = runtime.block_on(daemon.fabric.usage());
        let leases = usage.into_iter().flat_map(|usage| usage.leases);
        leases.map(|lease| lease.address).collect()
    }

    /// Takes back the leases of a container, as the daemon does when Docker has forgotten
    /// it, and puts everything else right.
    pub(crate) fn take_back(&self, addresses: &[IpAddr]) {
        let daemon = self.daemon.as_ref().unwrap();
        netlink::netns::run_in(&self.host.netns_path(), || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                for address in addresses {
                    daemon.fabric.release("net", *address).await.unwrap();
                }
                daemon.plugin.settle().await.unwrap();
            });
        })
        .unwrap();
    }

    /// Addresses that the plugin has promised Docker's endpoints.
    pub(crate) fn promised(&self) -> usize {
        self.daemon.as_ref().unwrap().plugin.addresses().len()
    }

    /// Names of links on the host that are ours.
    pub(crate) fn links(&self) -> Vec<String> {
        let output = self
            .host
            .command("ip")
            .args(["-br", "link"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let names = text
            .lines()
            .filter_map(|line| line.split(['@', ' ']).next());
        names
            .filter(|name| name.starts_with("sealane"))
            .map(ToOwned::to_owned)
            .collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Containers end while their driver still answers.
        if let Ok(all) = self.docker.docker(&["ps", "-aq"]) {
            for id in all.lines() {
                drop(self.docker.docker(&["rm", "-f", id]));
            }
        }
        self.stop();
    }
}

async fn open(directory: &Path, driver: &str) -> (Fabric, Plugin) {
    let ports = HostPorts::new(HostPortsOptions::default());
    let fabric = Fabric::new(FabricOptions {
        run: directory.join("fabric"),
        host_ports: ports.clone(),
        ..FabricOptions::default()
    })
    .unwrap();
    let net = network(
        "net",
        [("9.9.0.0/16", 24), ("fd09:9::/48", 64)],
        ["9.9.1.0/24", "fd09:9:0:1::/64"],
    );
    let second = network(
        "second",
        [("10.9.0.0/16", 24), ("fd10:9::/48", 64)],
        ["10.9.7.0/24", "fd10:9:0:7::/64"],
    );
    fabric.configure(vec![net, second]).await.unwrap();
    // Docker drops what is forwarded, unless it is told otherwise.
    networks::ensure_forwarding().await.unwrap();
    let plugin = Plugin::open(Options {
        name: driver.to_owned(),
        state: directory.join("state"),
        run: directory.join("run"),
        fabric: fabric.clone(),
        ports,
    })
    .unwrap();
    plugin.settle().await.unwrap();
    (fabric, plugin)
}

fn network(name: &str, nets: [(&str, u8); 2], block: [&str; 2]) -> FabricNetwork {
    let subnets = nets.map(|(net, block)| Subnet {
        net: net.parse().unwrap(),
        block,
    });
    FabricNetwork {
        network: Network {
            name: name.to_owned(),
            subnets: subnets.to_vec(),
            mtu: None,
            masquerade: true,
            created: std::time::SystemTime::now().into(),
        },
        block: block.map(|net| net.parse().unwrap()).to_vec(),
        elsewhere: Vec::new(),
    }
}
