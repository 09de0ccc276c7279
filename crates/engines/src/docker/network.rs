//! From Mesos' network fields to Docker's.
//!
//! [`mesos::networks_of`] knows the rules. One rule is stricter here: an address that
//! is asked for is given to Docker, which honours or refuses it, where Mesos ignored
//! it.

use std::collections::HashMap;
use std::net::IpAddr;

use bollard::models::{EndpointIpamConfig, EndpointSettings, PortBinding, PortMap};
use mesos::{
    ContainerInfo, ContainerType, DockerInfo, NetworkInfo, NetworkPlan, RuleError, networks_of,
};

use crate::EngineError;

/// How a container is attached.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Attachment {
    /// Docker's network mode: `host`, `bridge`, `none` or a network's name.
    pub(super) mode: String,
    /// The request's entry for it, to be reported with the addresses assigned.
    pub(super) info: NetworkInfo,
    /// Published ports.
    pub(super) ports: PortMap,
    /// Wishes for the endpoint; only for a named network.
    pub(super) endpoint: Option<EndpointSettings>,
}

/// Reads the network of a container.
///
/// # Errors
/// [`EngineError::Unsupported`] for combinations that Mesos refuses.
pub(super) fn attachment(container: &ContainerInfo) -> Result<Attachment, EngineError> {
    let (ContainerType::Docker, Some(docker)) = (container.kind, &container.docker) else {
        return refused("the Docker engine runs containers of type DOCKER with a 'docker' part");
    };
    let plan = networks_of(container).map_err(|rule| explained(&rule))?;
    let info = container.network_infos.first().cloned().unwrap_or_default();
    let (mode, endpoint) = match plan {
        NetworkPlan::Host => ("host", None),
        NetworkPlan::None => ("none", None),
        NetworkPlan::Bridge => ("bridge", None),
        NetworkPlan::DockerNetwork(wish) => (
            wish.name.as_deref().unwrap_or_default(),
            Some(endpoint(wish)),
        ),
        NetworkPlan::Cni(_) => return refused("CNI networks are for containers of type MESOS"),
    };
    Ok(Attachment {
        mode: mode.to_owned(),
        info,
        ports: bindings(docker)?,
        endpoint,
    })
}

/// Mesos' words, which users search for, and what to do.
fn explained(rule: &RuleError) -> EngineError {
    let help = match rule {
        RuleError::NoNetworkInfo | RuleError::NoNetworkName => {
            "name one Docker network in network_infos, or take BRIDGE or HOST"
        }
        RuleError::SeveralNetworks => "name one, or use a MESOS container for several",
        RuleError::PortMappings => "take network BRIDGE or USER, or remove the mappings",
        RuleError::JoinedTwice(_) | RuleError::EmptyName | RuleError::NoDockerInfo => {
            "correct the container's definition"
        }
    };
    EngineError::Unsupported(format!("{rule}; {help}"))
}

fn endpoint(info: &NetworkInfo) -> EndpointSettings {
    let wished = |v6: bool| {
        let wish = info.addresses().find(|ip: &IpAddr| ip.is_ipv6() == v6)?;
        Some(wish.to_string())
    };
    let (ipv4_address, ipv6_address) = (wished(false), wished(true));
    let ipam_config =
        (ipv4_address.is_some() || ipv6_address.is_some()).then(|| EndpointIpamConfig {
            ipv4_address,
            ipv6_address,
            ..EndpointIpamConfig::default()
        });
    EndpointSettings {
        ipam_config,
        ..EndpointSettings::default()
    }
}

fn bindings(docker: &DockerInfo) -> Result<PortMap, EngineError> {
    let mut ports: PortMap = HashMap::new();
    for mapping in &docker.port_mappings {
        let host = port("host_port", mapping.host_port)?;
        let container = port("container_port", mapping.container_port)?;
        let protocol = mapping
            .protocol
            .as_deref()
            .unwrap_or("tcp")
            .to_ascii_lowercase();
        if protocol != "tcp" && protocol != "udp" {
            return refused(&format!(
                "'{protocol}' is not a port mapping's protocol: tcp or udp"
            ));
        }
        let binding = PortBinding {
            host_ip: None,
            host_port: Some(host.to_string()),
        };
        let key = format!("{container}/{protocol}");
        ports
            .entry(key)
            .or_default()
            .get_or_insert_default()
            .push(binding);
    }
    Ok(ports)
}

fn port(what: &str, number: u32) -> Result<u16, EngineError> {
    match u16::try_from(number) {
        Ok(port) if port > 0 => Ok(port),
        _ => refused(&format!(
            "{what} {number} of a port mapping is not from 1 to 65535"
        )),
    }
}

fn refused<T>(why: &str) -> Result<T, EngineError> {
    Err(EngineError::Unsupported(why.to_owned()))
}

#[cfg(test)]
mod tests;
