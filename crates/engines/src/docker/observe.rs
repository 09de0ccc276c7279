//! From Docker's inspection to a [`Container`].

use std::collections::HashMap;
use std::net::IpAddr;

use bollard::models::{
    ContainerInspectResponse, ContainerState, ContainerStateStatusEnum as Status, EndpointSettings,
};
use mesos::NetworkInfo;
use model::{TaskId, Timestamp};

use super::labels;
use crate::{Container, EngineOptions, Phase};

/// The container as the agent sees it; `None` when it is not this owner's.
pub(super) fn container(
    seen: &ContainerInspectResponse,
    options: &EngineOptions,
) -> Option<Container> {
    let labels = seen.config.as_ref()?.labels.as_ref()?;
    if labels.get(labels::OWNER) != Some(&options.owner) {
        return None;
    }
    let task: TaskId = labels.get(labels::TASK)?.parse().ok()?;
    let state = seen.state.clone().unwrap_or_default();
    let (network_infos, networks) = networks(seen, labels, &options.node_addresses);
    let started = time(state.started_at.as_deref());
    // Docker stamps the start when it hears of it, which for a short process is after
    // its end.
    let ended = time(state.finished_at.as_deref()).max(started);
    let phase = phase(&state, memory(seen));
    Some(Container {
        task,
        id: seen.id.clone()?,
        pid: state
            .pid
            .and_then(|pid| u32::try_from(pid).ok())
            .filter(|pid| *pid > 0),
        network_infos,
        networks,
        started,
        ended: ended.filter(|_| matches!(phase, Phase::Exited { .. })),
        phase,
    })
}

/// The network that should have given an address, if the container is on one.
pub(super) fn addressed_network(seen: &ContainerInspectResponse) -> Option<&str> {
    let mode = mode(seen);
    (mode != "host" && mode != "none").then_some(mode)
}

/// Docker's network mode: `host`, `none`, `container:<id>`, or a network.
pub(super) fn mode(seen: &ContainerInspectResponse) -> &str {
    let mode = seen
        .host_config
        .as_ref()
        .and_then(|host| host.network_mode.as_deref());
    match mode {
        // What Docker calls the network of containers that named none.
        None | Some("" | "default") => "bridge",
        Some(mode) => mode,
    }
}

/// Mesos' rule (`src/docker/docker.cpp`): the addresses are those of the network
/// that the network mode names.
fn networks(
    seen: &ContainerInspectResponse,
    labels: &HashMap<String, String>,
    node_addresses: &[IpAddr],
) -> (Vec<NetworkInfo>, Vec<String>) {
    let mode = mode(seen);
    if mode == "host" {
        return (
            vec![NetworkInfo::default().assigned(node_addresses)],
            Vec::new(),
        );
    }
    if mode == "none" {
        return (Vec::new(), Vec::new());
    }
    let attached = seen
        .network_settings
        .as_ref()
        .and_then(|settings| settings.networks.as_ref());
    let Some(attached) = attached else {
        return (Vec::new(), Vec::new());
    };
    // The mode may be a network's id, or a part of it, where the map has names.
    let own = attached
        .get(mode)
        .or_else(|| attached.values().next().filter(|_| attached.len() == 1));
    let info = labels::network(labels).assigned(&own.map(addresses).unwrap_or_default());
    let mut names: Vec<_> = attached.keys().cloned().collect();
    names.sort_by_key(|name| (name != mode, name.clone()));
    (vec![info], names)
}

pub(super) fn addresses(endpoint: &EndpointSettings) -> Vec<IpAddr> {
    let texts = [&endpoint.ip_address, &endpoint.global_ipv6_address];
    texts
        .into_iter()
        .filter_map(|text| text.as_deref()?.parse().ok())
        .collect()
}

fn memory(seen: &ContainerInspectResponse) -> i64 {
    seen.host_config
        .as_ref()
        .and_then(|host| host.memory)
        .unwrap_or_default()
}

fn phase(state: &ContainerState, memory: i64) -> Phase {
    match state.status {
        Some(Status::EXITED | Status::DEAD | Status::REMOVING) => Phase::Exited {
            code: state
                .exit_code
                .and_then(|code| i32::try_from(code).ok())
                .unwrap_or(-1),
            reason: reason(state, memory),
        },
        Some(Status::CREATED) => Phase::Created,
        _ => Phase::Running,
    }
}

fn reason(state: &ContainerState, memory: i64) -> Option<String> {
    if state.oom_killed == Some(true) {
        let limit = memory / (1024 * 1024);
        return Some(format!("out of memory: its limit is {limit} MiB"));
    }
    state.error.clone().filter(|error| !error.is_empty())
}

/// Docker writes the year 1 for "never".
fn time(text: Option<&str>) -> Option<Timestamp> {
    let time: Timestamp = text?.parse().ok()?;
    (time.as_millis() > 0).then_some(time)
}

#[cfg(test)]
mod tests;
