//! From an app to the record of one task, with every number settled.

use std::collections::BTreeMap;

use marathon::{App, Container, EngineType, NetworkMode, PortMapping, PortProtocol};
use mesos::{
    ContainerInfo, ContainerType, DockerInfo, DockerNetwork, DockerPortMapping, Image, MesosInfo,
    NetworkInfo, Parameter, Volume, VolumeMode,
};
use model::{
    Command, Goal, HealthCheck, HealthProbe, HealthTarget, Node, Resources, Task, TaskId, TaskPort,
    Timestamp,
};
use rand::{Rng, RngCore};

use crate::view::config_version;
use crate::{Config, environment};

/// One declared port, of either kind.
struct Declared<'a> {
    /// Container port, outside host mode.
    container_port: Option<u16>,
    /// `Some(0)` any, `Some(n)` just that, `None` none.
    host_port: Option<u16>,
    service_port: u16,
    protocol: PortProtocol,
    name: &'a Option<String>,
    labels: &'a BTreeMap<String, String>,
    network_names: &'a [String],
}

/// Whether the app is in host mode.
fn on_host(app: &App) -> bool {
    app.networks
        .iter()
        .all(|network| network.mode == NetworkMode::Host)
}

fn declared(app: &App) -> Vec<Declared<'_>> {
    if on_host(app) {
        let definitions = app.port_definitions.iter().flatten();
        return definitions
            .map(|port| Declared {
                container_port: None,
                host_port: Some(if app.require_ports { port.port } else { 0 }),
                service_port: port.port,
                protocol: port.protocol,
                name: &port.name,
                labels: &port.labels,
                network_names: &[],
            })
            .collect();
    }
    let mappings = app
        .container
        .iter()
        .flat_map(|container| container.port_mappings.iter());
    mappings.flatten().map(declared_mapping).collect()
}

fn declared_mapping(mapping: &PortMapping) -> Declared<'_> {
    Declared {
        container_port: Some(mapping.container_port),
        host_port: mapping.host_port,
        service_port: mapping.service_port,
        protocol: mapping.protocol,
        name: &mapping.name,
        labels: &mapping.labels,
        network_names: &mapping.network_names,
    }
}

/// The host port that each declared port asks for.
pub(crate) fn host_port_wishes(app: &App) -> Vec<Option<u16>> {
    declared(app).iter().map(|port| port.host_port).collect()
}

/// Makes the record of one instance of `app` on `node`.
pub(crate) fn build(
    config: &Config,
    app: &App,
    node: &Node,
    host_ports: &[Option<u16>],
    rng: &mut dyn RngCore,
    now: Timestamp,
) -> Task {
    let mut unique = [0; 16];
    rng.fill_bytes(&mut unique);
    let unique = uuid::Builder::from_random_bytes(unique).into_uuid();
    let id = TaskId::for_instance(&app.id, &unique.to_string());
    let ports = ports(app, host_ports, rng);
    Task {
        app: app.id.clone(),
        framework: config.framework.clone(),
        version: config_version(app),
        node: node.id.clone(),
        goal: Goal::Run,
        command: Command {
            shell: app.cmd.clone(),
            args: app.args.clone(),
            user: app.user.clone(),
        },
        env: environment::build(config, app, node, &id, &ports),
        labels: app.labels.clone(),
        resources: Resources {
            cpus: app.cpus,
            mem: app.mem,
            disk: app.disk,
            gpus: app.gpus,
        },
        container: container(config, app, &ports),
        ports,
        health_checks: health_checks(app),
        kill_grace_ms: app
            .task_kill_grace_period_seconds
            .map_or(config.kill_grace_ms, |seconds| {
                seconds.saturating_mul(1_000)
            }),
        created: now,
        id,
    }
}

fn ports(app: &App, host_ports: &[Option<u16>], rng: &mut dyn RngCore) -> Vec<TaskPort> {
    let declared = declared(app);
    let mut taken: Vec<u16> = host_ports.iter().flatten().copied().collect();
    taken.extend(declared.iter().filter_map(|port| port.container_port));
    let mut ports = Vec::new();
    for (index, port) in declared.iter().enumerate() {
        let host_port = host_ports.get(index).copied().flatten();
        let container_port = match (port.container_port, host_port) {
            (Some(0), Some(host)) => Some(host),
            (Some(0), None) => Some(random_port(&mut taken, rng)),
            (given, _) => given,
        };
        ports.extend(port.protocol.each().iter().map(|protocol| TaskPort {
            index,
            name: port.name.clone(),
            protocol: *protocol,
            container_port,
            host_port,
            service_port: port.service_port,
            network_names: port.network_names.to_vec(),
            labels: port.labels.clone(),
        }));
    }
    ports
}

/// A container port that none of the task's ports has; Marathon begins at 1025.
fn random_port(taken: &mut Vec<u16>, rng: &mut dyn RngCore) -> u16 {
    loop {
        let port = rng.random_range(1_025..=u16::MAX);
        if !taken.contains(&port) {
            taken.push(port);
            return port;
        }
    }
}

fn container(config: &Config, app: &App, ports: &[TaskPort]) -> ContainerInfo {
    let Some(container) = &app.container else {
        return ContainerInfo::native();
    };
    let mut info = ContainerInfo {
        volumes: volumes(container),
        ..ContainerInfo::native()
    };
    match container.kind {
        EngineType::Docker => {
            info.kind = ContainerType::Docker;
            info.network_infos = networks(config, app, &[]);
            info.docker = Some(docker(app, container, ports));
        }
        EngineType::Mesos => {
            info.network_infos = networks(config, app, ports);
            info.mesos = image(container).map(|image| MesosInfo { image: Some(image) });
        }
    }
    info
}

/// The image of a native container; one that has none runs on the host's file system.
fn image(container: &Container) -> Option<Image> {
    if let Some(docker) = &container.docker {
        return Some(Image {
            cached: !docker.force_pull_image,
            ..Image::docker(docker.image.clone())
        });
    }
    let appc = container.appc.as_ref()?;
    Some(Image {
        id: appc.id.clone(),
        labels: (&appc.labels).into(),
        cached: !appc.force_pull_image,
        ..Image::appc(appc.image.clone())
    })
}

fn docker(app: &App, container: &Container, ports: &[TaskPort]) -> DockerInfo {
    let Some(docker) = &container.docker else {
        return DockerInfo::default();
    };
    let network = match app.networks.first().map(|network| network.mode) {
        Some(NetworkMode::Bridge) => DockerNetwork::Bridge,
        Some(NetworkMode::Container) => DockerNetwork::User,
        Some(NetworkMode::Host) | None => DockerNetwork::Host,
    };
    let port_mappings = mapped(ports)
        .filter(|_| network != DockerNetwork::Host)
        .map(|(port, host_port, container_port)| DockerPortMapping {
            host_port,
            container_port,
            protocol: Some(port.protocol.to_string()),
        })
        .collect();
    DockerInfo {
        image: docker.image.clone(),
        network,
        port_mappings,
        privileged: docker.privileged,
        parameters: docker
            .parameters
            .iter()
            .map(|given| Parameter {
                key: given.key.clone(),
                value: given.value.clone(),
            })
            .collect(),
        force_pull_image: docker.force_pull_image,
    }
}

/// The ports that have both a host and a container port.
fn mapped(ports: &[TaskPort]) -> impl Iterator<Item = (&TaskPort, u32, u32)> {
    ports.iter().filter_map(|port| {
        Some((
            port,
            u32::from(port.host_port?),
            u32::from(port.container_port?),
        ))
    })
}

/// One entry for each network but the host's; bridge mode of native containers is
/// the network that the configuration names (Marathon's `mesos_bridge_name`).
fn networks(config: &Config, app: &App, ports: &[TaskPort]) -> Vec<NetworkInfo> {
    let docker = app
        .container
        .as_ref()
        .is_some_and(|c| c.kind == EngineType::Docker);
    let mut infos = Vec::new();
    for network in &app.networks {
        let name = match network.mode {
            NetworkMode::Host => continue,
            // Docker's own bridge has no name in Mesos' messages.
            NetworkMode::Bridge if docker => continue,
            NetworkMode::Bridge => Some(config.bridge_name.clone()),
            NetworkMode::Container => network.name.clone(),
        };
        let port_mappings = mapped(ports)
            .filter(|(port, ..)| {
                let names = &port.network_names;
                names.is_empty() || names.iter().any(|wanted| Some(wanted) == name.as_ref())
            })
            .map(|(port, host_port, container_port)| mesos::PortMapping {
                host_port,
                container_port,
                protocol: Some(port.protocol.to_string()),
            })
            .collect();
        let labels = (&network.labels).into();
        infos.push(NetworkInfo {
            name,
            groups: network.groups().into_iter().collect(),
            labels,
            port_mappings,
            ..NetworkInfo::default()
        });
    }
    infos
}

/// Host volumes; the other kinds are kept in the app and have no effect.
fn volumes(container: &Container) -> Vec<Volume> {
    let text = |volume: &serde_json::Value, key: &str| {
        volume
            .get(key)
            .and_then(serde_json::Value::as_str)
            .map(str::to_owned)
    };
    container
        .volumes
        .iter()
        .filter_map(|volume| {
            let mode = match text(volume, "mode").as_deref() {
                Some("RO") => VolumeMode::Ro,
                _ => VolumeMode::Rw,
            };
            let host_path = Some(text(volume, "hostPath")?);
            Some(Volume {
                mode,
                container_path: text(volume, "containerPath")?,
                host_path,
            })
        })
        .collect()
}

fn health_checks(app: &App) -> Vec<HealthCheck> {
    app.health_checks.iter().map(health_check).collect()
}

/// Marathon asks for `/health` where a definition says `health`.
fn absolute(path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    }
}

/// Which probe, asked from where: the MESOS_ kinds from inside the container.
fn health_check(check: &marathon::HealthCheck) -> HealthCheck {
    use marathon::HealthProtocol as Kind;
    let http = |tls| HealthProbe::Http {
        path: absolute(check.path.as_deref().unwrap_or_default()),
        tls,
        ignore_1xx: check.ignore_http1xx.unwrap_or_default(),
    };
    let (probe, inside) = match check.protocol {
        Kind::Http => (http(false), false),
        Kind::Https => (http(true), false),
        Kind::Tcp => (HealthProbe::Tcp, false),
        Kind::MesosHttp => (http(false), true),
        Kind::MesosHttps => (http(true), true),
        Kind::MesosTcp => (HealthProbe::Tcp, true),
        Kind::Command => {
            let shell = check.command.as_ref().map(|command| command.value.clone());
            (
                HealthProbe::Command {
                    shell: shell.unwrap_or_default(),
                },
                true,
            )
        }
    };
    let target = match (&probe, check.port) {
        (HealthProbe::Command { .. }, _) => HealthTarget::None,
        (_, Some(port)) => HealthTarget::Port(port),
        (_, None) => HealthTarget::PortIndex(check.port_index.unwrap_or_default()),
    };
    let ms = |seconds: u64| seconds.saturating_mul(1_000);
    HealthCheck {
        probe,
        target,
        inside,
        ipv6: check.ip_protocol.as_deref() == Some("IPv6"),
        grace_ms: ms(check.grace_period_seconds),
        interval_ms: ms(check.interval_seconds),
        timeout_ms: ms(check.timeout_seconds),
        // Only Mesos' own checks wait before the first one.
        delay_ms: if inside { ms(check.delay_seconds) } else { 0 },
        max_failures: check.max_consecutive_failures,
    }
}
