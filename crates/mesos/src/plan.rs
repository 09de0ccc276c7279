//! Which networks a container joins, under the rules of Mesos' containerizers.
//!
//! Both engines take their networks from [`networks_of`], so that a message means
//! the same everywhere. Error texts are the ones that users of Mesos know.

use std::collections::BTreeSet;

use crate::container::{ContainerInfo, ContainerType};
use crate::docker::{DockerInfo, DockerNetwork};
use crate::network::NetworkInfo;

/// The networks of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkPlan<'a> {
    /// The node's own network.
    Host,
    /// A network namespace with loopback alone (Docker only).
    None,
    /// Docker's default bridge.
    Bridge,
    /// The Docker network with this entry's name, which is present and not empty.
    DockerNetwork(&'a NetworkInfo),
    /// The CNI networks with these entries' names, at least one, in the order of the
    /// interfaces eth0, eth1 and so on; every name is present, not empty and unique.
    Cni(Vec<&'a NetworkInfo>),
}

/// A `ContainerInfo` whose networks contradict each other or its engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The same CNI network twice.
    #[error("Attempted to join CNI network '{0}' multiple times")]
    JoinedTwice(String),
    /// An entry for a native container whose name is there and empty.
    #[error("Unknown CNI network ''")]
    EmptyName,
    /// `type` is DOCKER, and `docker` is missing.
    #[error("DockerInfo 'docker' is not set for DOCKER typed ContainerInfo")]
    NoDockerInfo,
    /// USER without an entry.
    #[error("No network info found in container info")]
    NoNetworkInfo,
    /// USER with several entries; Docker can create a container on one network only.
    #[error("Only a single network can be defined in Docker run")]
    SeveralNetworks,
    /// USER with an entry that has no name.
    #[error("No network name found in network info")]
    NoNetworkName,
    /// Port mappings in HOST or NONE mode.
    #[error("Port mappings are only supported for bridge and user-defined networks")]
    PortMappings,
}

/// Reads a container's networks.
///
/// A native container joins every entry that has a name and skips the others; with
/// none named it is on the host's network. A Docker container's mode decides; USER
/// takes the name of the one entry that it must have, the other modes ignore the
/// entries. Sources: `isolators/network/cni/cni.cpp` (prepare) and
/// `src/docker/docker.cpp` (run options) of Mesos.
///
/// ```
/// use mesos::{ContainerInfo, NetworkInfo, NetworkPlan, networks_of};
/// let mut info = ContainerInfo::native();
/// assert_eq!(networks_of(&info), Ok(NetworkPlan::Host));
/// info.network_infos = vec![NetworkInfo::named("dcos")];
/// assert_eq!(networks_of(&info), Ok(NetworkPlan::Cni(vec![&info.network_infos[0]])));
/// ```
///
/// # Errors
/// When Mesos would have refused to start the container; see [`RuleError`].
pub fn networks_of(info: &ContainerInfo) -> Result<NetworkPlan<'_>, RuleError> {
    match info.kind {
        ContainerType::Mesos => native(info),
        ContainerType::Docker => {
            let docker = info.docker.as_ref().ok_or(RuleError::NoDockerInfo)?;
            in_docker(docker, &info.network_infos)
        }
    }
}

fn native(info: &ContainerInfo) -> Result<NetworkPlan<'_>, RuleError> {
    let mut seen = BTreeSet::new();
    let mut joined = Vec::new();
    for network in &info.network_infos {
        let Some(name) = network.name.as_deref() else {
            continue;
        };
        if name.is_empty() {
            return Err(RuleError::EmptyName);
        }
        if !seen.insert(name) {
            return Err(RuleError::JoinedTwice(name.to_owned()));
        }
        joined.push(network);
    }
    Ok(if joined.is_empty() {
        NetworkPlan::Host
    } else {
        NetworkPlan::Cni(joined)
    })
}

fn in_docker<'a>(
    docker: &DockerInfo,
    networks: &'a [NetworkInfo],
) -> Result<NetworkPlan<'a>, RuleError> {
    let plan = match docker.network {
        DockerNetwork::Host => NetworkPlan::Host,
        DockerNetwork::None => NetworkPlan::None,
        DockerNetwork::Bridge => NetworkPlan::Bridge,
        DockerNetwork::User => match networks {
            [] => return Err(RuleError::NoNetworkInfo),
            [network] if network.name.as_deref().is_none_or(str::is_empty) => {
                return Err(RuleError::NoNetworkName);
            }
            [network] => NetworkPlan::DockerNetwork(network),
            _ => return Err(RuleError::SeveralNetworks),
        },
    };
    let mappable = matches!(plan, NetworkPlan::Bridge | NetworkPlan::DockerNetwork(_));
    if !docker.port_mappings.is_empty() && !mappable {
        return Err(RuleError::PortMappings);
    }
    Ok(plan)
}

#[cfg(test)]
mod tests;
