//! Tasks.

use mesos::IpProtocol;
use model::{AppId, Goal, NodeId, Task, TaskId, TaskState, TaskStatus, Timestamp};
use serde::Serialize;
use serde_json::Value;
use store::State;

/// Whether a task shows its service ports; only `GET /v2/tasks` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServicePorts {
    Shown,
    Left,
}

/// A task as Marathon shows it (`types/task.raml`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskShape<'a> {
    app_id: &'a AppId,
    id: &'a TaskId,
    /// The node's address, by which clients reach its host ports.
    host: String,
    state: &'static str,
    ports: Vec<u16>,
    service_ports: Vec<u16>,
    ip_addresses: Vec<IpAddressShape<'a>>,
    slave_id: &'a NodeId,
    staged_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    version: Timestamp,
    local_volumes: [Value; 0],
    health_check_results: Vec<HealthShape<'a>>,
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct IpAddressShape<'a> {
    ip_address: &'a str,
    protocol: IpProtocol,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HealthShape<'a> {
    alive: bool,
    consecutive_failures: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_success: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_success: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure_cause: Option<&'a str>,
    instance_id: &'a str,
}

/// A task's state as clients should see it: what its node says, and until then
/// what was asked of the node.
pub(crate) fn shown_state(task: &Task, status: Option<&TaskStatus>) -> TaskState {
    match (status.map(|status| status.state), &task.goal) {
        (Some(state), Goal::Run) => state,
        (Some(state), Goal::Stop { .. }) if state.is_terminal() => state,
        (_, Goal::Stop { .. }) => TaskState::Killing,
        (None, Goal::Run) => TaskState::Staging,
    }
}

/// The shape of a task.
pub(crate) fn task<'a>(state: &'a State, task: &'a Task, ports: ServicePorts) -> TaskShape<'a> {
    let status = state.statuses.get(&task.id).map(|held| &*held.record);
    let node = state.nodes.get(&task.node);
    let address = node.and_then(|node| node.address());
    TaskShape {
        app_id: &task.app,
        id: &task.id,
        host: address.map_or_else(|| task.node.to_string(), |address| address.to_string()),
        state: shown_state(task, status).as_str(),
        ports: task.host_ports(),
        service_ports: match ports {
            ServicePorts::Shown => service_ports(task),
            ServicePorts::Left => Vec::new(),
        },
        ip_addresses: status.map(addresses).unwrap_or_default(),
        slave_id: &task.node,
        staged_at: status.map_or(task.created, |status| status.staged),
        started_at: status.and_then(|status| status.started),
        version: task.version,
        local_volumes: [],
        health_check_results: status.map(health).unwrap_or_default(),
        role: "*",
        zone: node.and_then(|node| node.zone.as_deref()),
    }
}

/// One number for each declared port, in the order of the declarations.
fn service_ports(task: &Task) -> Vec<u16> {
    let mut ports: Vec<(usize, u16)> = task
        .ports
        .iter()
        .map(|port| (port.index, port.service_port))
        .collect();
    ports.dedup();
    ports.into_iter().map(|(_, port)| port).collect()
}

fn addresses(status: &TaskStatus) -> Vec<IpAddressShape<'_>> {
    let all = status
        .network_infos
        .iter()
        .flat_map(|network| &network.ip_addresses);
    let known = all.filter_map(|ip| {
        let ip_address = ip.ip_address.as_deref()?;
        Some(IpAddressShape {
            ip_address,
            protocol: ip.protocol.unwrap_or_default(),
        })
    });
    known.collect()
}

/// Results of checks that have one.
fn health(status: &TaskStatus) -> Vec<HealthShape<'_>> {
    status
        .health
        .iter()
        .filter_map(|health| {
            Some(HealthShape {
                alive: health.alive?,
                consecutive_failures: health.consecutive_failures,
                first_success: health.first_success,
                last_success: health.last_success,
                last_failure: health.last_failure,
                last_failure_cause: health.last_failure_cause.as_deref(),
                instance_id: status.task.instance(),
            })
        })
        .collect()
}
