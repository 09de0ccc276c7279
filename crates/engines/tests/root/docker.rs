//! Docker: the suite, and what only Docker does.

mod external;
mod parameters;
mod place;

use engines::{DockerEngine, DockerOptions, Engine, EngineError, Phase};
use futures::StreamExt;
use mesos::{
    ContainerInfo, ContainerType, DockerInfo, DockerNetwork, DockerPortMapping, NetworkInfo,
};
use tempfile::TempDir;
use testlab::{Dockerd, Host};

use crate::suite::{self, Fixture, Place, Wish};

const IMAGE: &str = "busybox:test";

/// An image whose entry point prints `from-image` before its arguments.
const SPEAKING: &str = "speaking:test";

/// Docker on a host of its own, with a network `web` (10.98.0.0/24, fd98::/64).
pub(crate) struct Docker {
    // In the order in which they must go.
    daemon: Dockerd,
    host: Host,
    dir: TempDir,
}

impl Docker {
    fn new() -> Self {
        let host = Host::new("engine").unwrap();
        let daemon = host.dockerd().unwrap();
        daemon.import_busybox(IMAGE).unwrap();
        let entry = r#"ENTRYPOINT ["/bin/echo", "from-image"]"#;
        daemon.import_busybox_with(SPEAKING, &[entry]).unwrap();
        let create = [
            "network",
            "create",
            "--subnet=10.98.0.0/24",
            "--ipv6",
            "--subnet=fd98::/64",
        ];
        daemon.docker(&[&create[..], &["web"]].concat()).unwrap();
        Self {
            daemon,
            host,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn docker_engine(&self, owner: &str) -> DockerEngine {
        DockerEngine::new(DockerOptions {
            socket: self.daemon.socket(),
            common: suite::options(&self.host, self.dir.path(), owner),
        })
    }
}

impl Fixture for Docker {
    fn host(&self) -> &Host {
        &self.host
    }

    fn engine(&self, owner: &str) -> Box<dyn Engine> {
        Box::new(self.docker_engine(owner))
    }

    fn container(&self, wish: &Wish) -> ContainerInfo {
        let user = |name: &str| (DockerNetwork::User, vec![NetworkInfo::named(name)]);
        let ((network, network_infos), ports) = match &wish.place {
            Place::Host => ((DockerNetwork::Host, Vec::new()), &[][..]),
            Place::Bridge(ports) => ((DockerNetwork::Bridge, Vec::new()), &ports[..]),
            Place::Network(ports) => (user(self.network()), &ports[..]),
            Place::Nowhere(name) => (user(name), &[][..]),
        };
        let mapping = |&(host_port, container_port): &(u16, u16)| DockerPortMapping {
            host_port: host_port.into(),
            container_port: container_port.into(),
            protocol: None,
        };
        ContainerInfo {
            kind: ContainerType::Docker,
            docker: Some(DockerInfo {
                image: wish
                    .missing_image
                    .clone()
                    .unwrap_or_else(|| IMAGE.to_owned()),
                network,
                port_mappings: ports.iter().map(mapping).collect(),
                ..DockerInfo::default()
            }),
            network_infos,
            ..ContainerInfo::native()
        }
    }

    fn network(&self) -> &str {
        "web"
    }
}

#[tokio::test]
async fn docker_does_what_every_engine_must() {
    suite::run(&Docker::new(), suite::CASES).await;
}

#[tokio::test]
async fn a_docker_that_comes_back_is_used_again() {
    let mut docker = Docker::new();
    let engine = docker.docker_engine(suite::OWNER);
    let task = {
        let case = suite::Case {
            fixture: &docker,
            engine: Box::new(docker.docker_engine("suite")),
        };
        case.plain("sleep 1000")
    };
    let mut events = engine.events().await.unwrap();
    engine.start(&task).await.unwrap();
    events.next().await.unwrap();
    docker.daemon.crash().unwrap();
    while events.next().await.is_some() {}
    let error = engine.list().await.unwrap_err();
    assert!(
        matches!(error, EngineError::Unavailable { .. }),
        "{error:?}"
    );
    docker.daemon.restart(&docker.host).unwrap();
    engine.probe().await.unwrap();
    let found = engine.inspect(&task.id).await.unwrap().unwrap();
    assert!(
        matches!(found.phase, Phase::Exited { .. }),
        "without --live-restore: {found:?}"
    );
    engine.remove(&task.id).await.unwrap();
}

#[tokio::test]
async fn docker_does_what_only_docker_does() {
    let docker = Docker::new();
    suite::run(&docker, &[place::CASES, parameters::CASES].concat()).await;
}
