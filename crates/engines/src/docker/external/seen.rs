//! From Docker's inspection to a [`Sighting`].

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bollard::models::{
    ContainerInspectResponse, ContainerState, ContainerStateStatusEnum as Status,
    HealthStatusEnum as Health, PortBinding, PortMap,
};
use mesos::NetworkInfo;
use model::Protocol;

use super::signal;
use crate::docker::{labels, observe};
use crate::{Attached, Condition, ExposedPort, Sighting};

/// What Docker sends when nobody chose another signal (SIGTERM).
const STOP_SIGNAL: i32 = 15;

/// Whose network namespace a container uses.
pub(super) enum Namespace {
    /// Its own, or the node's.
    Own,
    /// That of this container, which runs.
    Of(Box<ContainerInspectResponse>),
    /// That of a container with this id, which does not run.
    Gone(String),
}

/// The container as others see it; `None` when it does not run or is a Sealane's.
pub(super) fn sighting(seen: &ContainerInspectResponse, namespace: &Namespace) -> Option<Sighting> {
    let config = seen.config.as_ref()?;
    if labels::claimed(config.labels.as_ref()) {
        return None;
    }
    let state = seen.state.as_ref()?;
    let (attached, publisher, shares) = match namespace {
        Namespace::Own => (attached(seen), Some(seen), None),
        Namespace::Of(other) => (attached(other), Some(&**other), other.id.clone()),
        Namespace::Gone(of) => (Attached::Orphaned, None, Some(of.clone())),
    };
    Some(Sighting {
        id: seen.id.clone()?,
        name: name(seen),
        labels: config.labels.iter().flatten().map(owned).collect(),
        pid: state
            .pid
            .and_then(|pid| u32::try_from(pid).ok())
            .filter(|pid| *pid > 0),
        condition: condition(state)?,
        stop_signal: config
            .stop_signal
            .as_deref()
            .and_then(signal::number)
            .unwrap_or(STOP_SIGNAL),
        attached,
        shares,
        ports: ports(seen, publisher),
    })
}

/// Whether its process is there, paused or not.
pub(super) fn runs(seen: &ContainerInspectResponse) -> bool {
    seen.state
        .as_ref()
        .is_some_and(|state| condition(state).is_some())
}

/// `None` when it does not run.
fn condition(state: &ContainerState) -> Option<Condition> {
    let health = state.health.as_ref().and_then(|health| health.status);
    match (state.status?, health) {
        (Status::PAUSED, _) => Some(Condition::Paused),
        (Status::RUNNING, Some(Health::STARTING)) => Some(Condition::Starting),
        (Status::RUNNING, Some(Health::UNHEALTHY)) => Some(Condition::Unhealthy),
        (Status::RUNNING, _) => Some(Condition::Ready),
        _ => None,
    }
}

/// Docker writes a slash before it.
fn name(seen: &ContainerInspectResponse) -> String {
    let name = seen.name.as_deref().unwrap_or_default();
    name.trim_start_matches('/').to_owned()
}

fn attached(seen: &ContainerInspectResponse) -> Attached {
    let mode = observe::mode(seen);
    match mode {
        "host" => return Attached::Host,
        "none" => return Attached::Networks(Vec::new()),
        _ => {}
    }
    let endpoints = seen
        .network_settings
        .as_ref()
        .and_then(|settings| settings.networks.as_ref());
    let mut networks = Vec::new();
    for (name, endpoint) in endpoints.into_iter().flatten() {
        // The mode may be a network's id, or a part of it.
        let id = endpoint.network_id.as_deref();
        let own = name == mode || id.is_some_and(|id| id.starts_with(mode));
        let network = NetworkInfo::named(name.as_str());
        networks.push((!own, network.assigned(&observe::addresses(endpoint))));
    }
    networks.sort_by_cached_key(|(other, network)| (*other, network.name.clone()));
    Attached::Networks(networks.into_iter().map(|(_, network)| network).collect())
}

/// What the container exposes, with where its namespace's owner publishes it.
fn ports(
    seen: &ContainerInspectResponse,
    publisher: Option<&ContainerInspectResponse>,
) -> Vec<ExposedPort> {
    let config = seen.config.as_ref();
    let exposed = config.and_then(|config| config.exposed_ports.as_ref());
    let host_config = seen.host_config.as_ref();
    let bound = host_config.and_then(|host| host.port_bindings.as_ref());
    let keys: HashSet<&String> = exposed
        .into_iter()
        .flatten()
        .chain(bound.into_iter().flat_map(PortMap::keys))
        .chain(in_force(seen).into_iter().flat_map(PortMap::keys))
        .collect();
    let mut ports: BTreeMap<(u16, Protocol), Vec<SocketAddr>> = keys
        .into_iter()
        .filter_map(|key| Some((port(key)?, Vec::new())))
        .collect();
    for (key, bindings) in publisher.and_then(in_force).into_iter().flatten() {
        let known = port(key).and_then(|port| ports.get_mut(&port));
        let published = bindings.iter().flatten().filter_map(binding);
        if let Some(known) = known {
            known.extend(published);
            known.sort_unstable();
        }
    }
    ports
        .into_iter()
        .map(|((port, protocol), published)| ExposedPort {
            port,
            protocol,
            published,
        })
        .collect()
}

/// Docker's map of ports with the bindings that are in force.
fn in_force(seen: &ContainerInspectResponse) -> Option<&PortMap> {
    seen.network_settings.as_ref()?.ports.as_ref()
}

/// Reads `80/tcp`; nothing for other protocols.
fn port(key: &str) -> Option<(u16, Protocol)> {
    let (number, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    let number = number.parse().ok().filter(|number| *number > 0)?;
    Some((number, protocol))
}

fn binding(binding: &PortBinding) -> Option<SocketAddr> {
    let port = binding.host_port.as_deref()?.parse().ok()?;
    let address = match binding.host_ip.as_deref() {
        None | Some("") => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Some(text) => text.parse().ok()?,
    };
    Some(SocketAddr::new(address, port)).filter(|published| published.port() > 0)
}

fn owned((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}
