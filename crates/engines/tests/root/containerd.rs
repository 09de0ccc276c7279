//! containerd: the suite, and what only containerd does.

mod appc;
mod busybox;
mod host;
mod image;
mod network;
mod recovery;
mod registry;

use std::fs;
use std::path::PathBuf;

use engines::{ContainerdEngine, ContainerdOptions, Engine, ImageOptions};
use mesos::{ContainerInfo, Image, MesosInfo, NetworkInfo, PortMapping};
use networks::Networks;
use testlab::{Containerd, Host};

use crate::suite::{self, Body, Fixture, Place, Wish};

const IMAGE: &str = "busybox:test";

/// containerd on a host of its own, with a CNI network `web` (10.98.0.0/24).
pub(crate) struct Native {
    // In the order in which they must go.
    daemon: Containerd,
    host: Host,
}

impl Native {
    fn new() -> Self {
        let host = Host::new("engine").unwrap();
        let daemon = host.containerd().unwrap();
        daemon
            .import_busybox("docker.io/library/busybox:test")
            .unwrap();
        daemon
            .import_busybox_with(image::SPEAKING, image::SPEAKING_RUN)
            .unwrap();
        let native = Self { daemon, host };
        let configs = native.dir("net.d");
        for (name, bridge, subnet) in [
            ("web", "web0", "10.98.0.0/24"),
            ("back", "back0", "10.97.0.0/24"),
        ] {
            let leases = native.dir("leases").display().to_string();
            let config = serde_json::json!({"cniVersion": "1.0.0", "name": name, "plugins": [
                {"type": "bridge", "bridge": bridge, "isGateway": true, "ipMasq": true, "hairpinMode": true,
                    "ipam": {"type": "host-local", "dataDir": leases, "ranges": [[{"subnet": subnet}]],
                        "routes": [{"dst": "0.0.0.0/0"}]}},
                {"type": "portmap", "capabilities": {"portMappings": true}},
            ]});
            fs::write(configs.join(format!("{name}.conflist")), config.to_string()).unwrap();
        }
        native
    }

    /// A directory that every user may look into.
    fn dir(&self, name: &str) -> PathBuf {
        let dir = self.host.directory().join(name);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn networks(&self) -> Networks {
        Networks::new(networks::Options {
            config_dirs: vec![self.dir("net.d")],
            plugin_dirs: vec!["/usr/lib/cni".into()],
            state: self.dir("networks"),
            run: self.dir("run"),
            ..networks::Options::default()
        })
        .unwrap()
    }

    fn native_engine(&self, owner: &str) -> ContainerdEngine {
        ContainerdEngine::new(ContainerdOptions {
            socket: self.daemon.socket(),
            namespace: self.daemon.namespace().to_owned(),
            snapshotter: "overlayfs".to_owned(),
            networks: self.networks(),
            common: suite::options(&self.host, &self.dir("engine"), owner),
        })
        .unwrap()
        .with_images(&ImageOptions {
            credentials: None,
            appc_directories: vec![self.dir(appc::DIRECTORY)],
            appc_prefixes: Vec::new(),
            ..ImageOptions::default()
        })
    }
}

impl Fixture for Native {
    fn host(&self) -> &Host {
        &self.host
    }

    fn engine(&self, owner: &str) -> Box<dyn Engine> {
        Box::new(self.native_engine(owner))
    }

    fn container(&self, wish: &Wish) -> ContainerInfo {
        let name = wish
            .missing_image
            .clone()
            .unwrap_or_else(|| IMAGE.to_owned());
        let named = |name: &str, ports: &[(u16, u16)]| {
            let mapping = |&(host_port, container_port): &(u16, u16)| PortMapping {
                host_port: host_port.into(),
                container_port: container_port.into(),
                protocol: None,
            };
            vec![NetworkInfo {
                port_mappings: ports.iter().map(mapping).collect(),
                ..NetworkInfo::named(name)
            }]
        };
        ContainerInfo {
            mesos: Some(image(&name)),
            network_infos: match &wish.place {
                Place::Host => Vec::new(),
                Place::Bridge(ports) => named("mesos-bridge", ports),
                Place::Network(ports) => named(self.network(), ports),
                Place::Nowhere(name) => named(name, &[]),
            },
            ..ContainerInfo::native()
        }
    }

    fn network(&self) -> &str {
        "web"
    }
}

/// A container's image.
fn image(name: &str) -> MesosInfo {
    MesosInfo {
        image: Some(Image::docker(name)),
    }
}

/// Runs cases where a daemon of ours would run: in the host's network namespace.
///
/// The engine's CNI plugins are children of the thread that polls it, and a network
/// namespace belongs to a thread. So the thread enters the host's namespace first
/// and then runs a runtime of its own; what that starts inherits the namespace.
fn on_the_host<T: Send>(native: &Native, work: impl AsyncFnOnce(&Native) -> T + Send) -> T {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(work(native))
    };
    native.host.inside(run).unwrap()
}

fn run(cases: &[(&str, Body)]) {
    on_the_host(&Native::new(), async |native| {
        suite::run(native, cases).await
    });
}

#[test]
fn containerd_does_what_every_engine_must() {
    run(suite::CASES);
}

#[test]
fn containerd_does_what_only_containerd_does() {
    run(&[host::CASES, image::CASES, network::CASES, appc::CASES].concat());
}
