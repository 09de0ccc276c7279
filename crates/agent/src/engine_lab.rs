//! Real engines for tests: a daemon on a host of the test lab, and the engine that talks to
//! it.

use std::sync::Arc;

use engines::{
    ContainerdEngine, ContainerdOptions, DockerEngine, DockerOptions, Engine, EngineOptions,
};
use mesos::{ContainerInfo, ContainerType, DockerInfo, DockerNetwork};
use model::{NodeId, Resources};
use networks::Networks;
use testlab::{Containerd, Dockerd, Host};

use crate::node::NodeOptions;
use crate::options::Engines;

const IMAGE: &str = "busybox:test";

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Docker,
    Native,
}

#[derive(Debug)]
pub(crate) enum Daemon {
    Docker(Dockerd),
    Native(Containerd),
}

impl Daemon {
    pub(crate) fn start(host: &Host, kind: Kind) -> Self {
        match kind {
            Kind::Docker => {
                let docker = host.dockerd().unwrap();
                docker.import_busybox(IMAGE).unwrap();
                Self::Docker(docker)
            }
            Kind::Native => Self::Native(host.containerd().unwrap()),
        }
    }

    /// The engines of a node that has this one alone.
    pub(crate) fn engines(&self, engine: &Arc<dyn Engine>) -> Engines {
        let engine = Some(Arc::clone(engine));
        match self {
            Self::Docker(_) => Engines {
                docker: engine,
                native: None,
            },
            Self::Native(_) => Engines {
                docker: None,
                native: engine,
            },
        }
    }

    /// A container on the host's network, with busybox in it.
    pub(crate) fn on_host_network(&self) -> ContainerInfo {
        match self {
            Self::Docker(_) => ContainerInfo {
                kind: ContainerType::Docker,
                docker: Some(DockerInfo {
                    image: IMAGE.to_owned(),
                    network: DockerNetwork::Host,
                    ..DockerInfo::default()
                }),
                ..ContainerInfo::native()
            },
            Self::Native(_) => ContainerInfo::native(),
        }
    }

    pub(crate) fn engine(&self, host: &Host) -> Arc<dyn Engine> {
        let directory = |name: &str| host.directory().join(name);
        let common = EngineOptions {
            owner: "site".to_owned(),
            cgroup_parent: Some(host.cgroup_parent()),
            dns_server: [198, 51, 100, 1].into(),
            node_addresses: vec![host.address().into()],
            logs: directory("logs"),
            state: directory("engine"),
        };
        match self {
            Self::Docker(docker) => Arc::new(DockerEngine::new(DockerOptions {
                socket: docker.socket(),
                common,
            })),
            Self::Native(containerd) => {
                let networks = Networks::new(networks::Options {
                    config_dirs: vec![directory("net.d")],
                    state: directory("networks"),
                    run: directory("run"),
                    ..networks::Options::default()
                });
                let engine = ContainerdEngine::new(ContainerdOptions {
                    socket: containerd.socket(),
                    namespace: containerd.namespace().to_owned(),
                    snapshotter: "overlayfs".to_owned(),
                    networks: networks.unwrap(),
                    common,
                });
                Arc::new(engine.unwrap())
            }
        }
    }
}

pub(crate) fn node() -> NodeOptions {
    NodeOptions {
        id: NodeId("n1".into()),
        addresses: Vec::new(),
        resources: Resources::default(),
        ports: Vec::new(),
        zone: None,
        version: "1".into(),
    }
}
