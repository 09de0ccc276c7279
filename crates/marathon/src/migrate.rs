//! The old forms (Marathon 1.4 and earlier) rewritten as the new one.
//!
//! Nothing is defaulted here, so that an update can be rewritten before it is
//! merged over the stored app. The steps and their texts are those of Marathon's
//! `AppNormalization`; where Marathon throws (and answers 500), this is 422.

use serde_json::{Value, json};

use crate::PortProtocol;
use crate::definition::{ContainerDefinition, Definition, DiscoveryPort, IpAddress, OldNetwork};
use crate::rejection::Rejection;
use crate::{Config, Container, EngineType, Network, NetworkMode, PortDefinition, PortMapping};

/// Rewrites every old field of `definition`; afterwards there is none left.
pub(crate) fn migrate(definition: &mut Definition, config: &Config) -> Result<(), Rejection> {
    migrate_uris(definition)?;
    migrate_networks(definition, config)?;
    migrate_ports(definition);
    migrate_container(definition)?;
    definition.ip_address = None;
    Ok(())
}

fn migrate_uris(definition: &mut Definition) -> Result<(), Rejection> {
    let Some(uris) = definition.uris.take().filter(|uris| !uris.is_empty()) else {
        return Ok(());
    };
    if definition
        .fetch
        .as_ref()
        .is_some_and(|fetch| !fetch.is_empty())
    {
        return Err(Rejection::unprocessable(
            "cannot specify both uris and fetch fields",
        ));
    }
    definition.fetch = Some(uris.iter().map(|uri| artifact(uri)).collect());
    Ok(())
}

fn artifact(uri: &str) -> Value {
    json!({ "uri": uri, "extract": is_archive(uri), "executable": false, "cache": false })
}

/// Whether the path of `uri` ends as an archive does; its query does not count.
fn is_archive(uri: &str) -> bool {
    const SUFFIXES: [&str; 9] = [
        ".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".gz", ".tgz", ".tbz2", ".txz", ".zip",
    ];
    let path = uri.split(['?', '#']).next().unwrap_or(uri);
    SUFFIXES.iter().any(|suffix| path.ends_with(suffix))
}

/// `ipAddress` and `container.docker.network` become `networks`.
fn migrate_networks(definition: &mut Definition, config: &Config) -> Result<(), Rejection> {
    let old = definition
        .container
        .as_mut()
        .and_then(|it| it.old_docker.network.take());
    let address = definition.ip_address.as_ref();
    if old.is_none() && address.is_none() {
        return Ok(());
    }
    if !definition.networks().is_empty() {
        return Err(Rejection::unprocessable(
            "cannot mix deprecated and canonical network APIs",
        ));
    }
    definition.networks = Some(vec![translate_network(address, old, config)?]);
    Ok(())
}

fn translate_network(
    address: Option<&IpAddress>,
    old: Option<OldNetwork>,
    config: &Config,
) -> Result<Network, Rejection> {
    let mut labels = address.map(|it| it.labels.clone()).unwrap_or_default();
    let groups = address.map(|it| it.groups.as_slice()).unwrap_or_default();
    vip::groups::check_groups(groups)
        .map_err(|flaw| Rejection::invalid_object("/ipAddress/groups", &flaw.to_string()))?;
    if !groups.is_empty() {
        labels
            .entry(vip::GROUPS.to_owned())
            .or_insert_with(|| vip::groups::join(groups));
    }
    let name = address.and_then(|it| it.network_name.clone());
    let bridge = |labels| Network {
        mode: NetworkMode::Bridge,
        name: None,
        labels,
    };
    Ok(match old {
        Some(OldNetwork::Host) => host_network(),
        Some(OldNetwork::Bridge) => bridge(labels),
        None if name.as_ref() == Some(&config.mesos_bridge_name) => bridge(labels),
        Some(OldNetwork::User) | None => Network {
            mode: NetworkMode::Container,
            name,
            labels,
        },
        Some(OldNetwork::None) => {
            return Err(Rejection::unprocessable(
                "unsupported docker network type NONE",
            ));
        }
    })
}

/// The network of an app that names none.
pub(crate) fn host_network() -> Network {
    Network {
        mode: NetworkMode::Host,
        name: None,
        labels: Default::default(),
    }
}

fn migrate_ports(definition: &mut Definition) {
    let ports = definition.ports.take();
    if definition.port_definitions.is_none() {
        let nameless = |port| PortDefinition {
            port,
            protocol: PortProtocol::Tcp,
            name: None,
            labels: Default::default(),
        };
        definition.port_definitions = ports.map(|ports| ports.into_iter().map(nameless).collect());
    }
}

fn migrate_container(definition: &mut Definition) -> Result<(), Rejection> {
    if definition.container.is_none() && definition.ip_address.is_some() {
        definition.container = Some(ContainerDefinition::from(bare_container()));
    }
    let discovery = definition
        .ip_address
        .as_mut()
        .and_then(|address| address.discovery.take());
    if let Some(container) = &mut definition.container {
        migrate_docker_mappings(container)?;
        migrate_discovery(&mut container.canonical, discovery.unwrap_or_default())?;
        container.old_docker = Default::default();
    }
    Ok(())
}

/// A native container without an image.
pub(crate) fn bare_container() -> Container {
    Container {
        kind: EngineType::Mesos,
        docker: None,
        appc: None,
        volumes: Vec::new(),
        port_mappings: None,
        rest: Default::default(),
    }
}

fn migrate_docker_mappings(container: &mut ContainerDefinition) -> Result<(), Rejection> {
    let Some(old) = container.old_docker.port_mappings.take() else {
        return Ok(());
    };
    match &container.canonical.port_mappings {
        None => container.canonical.port_mappings = Some(old),
        Some(_) if old.is_empty() => {}
        Some(_) => {
            return Err(Rejection::unprocessable(
                "cannot specify both portMappings and docker.portMappings",
            ));
        }
    }
    Ok(())
}

fn migrate_discovery(
    container: &mut Container,
    ports: Vec<DiscoveryPort>,
) -> Result<(), Rejection> {
    if ports.is_empty() {
        return Ok(());
    }
    if container.kind == EngineType::Docker {
        return Err(Rejection::unprocessable(
            "ipAddress.discovery.ports do not apply for container type DOCKER",
        ));
    }
    if container.port_mappings.is_some() {
        return Err(Rejection::unprocessable(
            "container.portMappings and ipAddress.discovery.ports must not both be set",
        ));
    }
    // The old form had no way to ask for a host port.
    let mapping = |port: DiscoveryPort| PortMapping {
        container_port: port.number,
        host_port: None,
        service_port: 0,
        protocol: port.protocol,
        name: Some(port.name),
        labels: port.labels,
        network_names: Vec::new(),
    };
    container.port_mappings = Some(ports.into_iter().map(mapping).collect());
    Ok(())
}
