//! The parts of the API's answers that tables need.
//!
//! Only what is shown is named here and everything may be absent, so that a client
//! and a daemon of different versions still understand each other.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `GET /v2/apps`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Apps {
    pub(super) apps: Vec<App>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct App {
    pub(super) id: String,
    pub(super) cmd: Option<String>,
    pub(super) args: Vec<String>,
    pub(super) instances: u64,
    pub(super) cpus: f64,
    pub(super) mem: f64,
    pub(super) version: String,
    pub(super) container: Option<Container>,
    pub(super) networks: Vec<Network>,
    pub(super) port_definitions: Vec<Port>,
    pub(super) health_checks: Vec<serde_json::Value>,
    pub(super) tasks_staged: u64,
    pub(super) tasks_running: u64,
    pub(super) tasks_healthy: u64,
    pub(super) tasks_unhealthy: u64,
    pub(super) deployments: Vec<Reference>,
    pub(super) tasks: Vec<Task>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Container {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) docker: Option<Docker>,
    pub(super) port_mappings: Vec<Port>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Docker {
    pub(super) image: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Network {
    pub(super) mode: String,
    pub(super) name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Port {
    pub(super) labels: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reference {
    pub(super) id: String,
}

/// `GET /v2/tasks` and `GET /v2/apps/{id}/tasks`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tasks {
    pub(super) tasks: Vec<Task>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Task {
    pub(super) id: String,
    pub(super) app_id: String,
    pub(super) state: String,
    pub(super) host: String,
    pub(super) ports: Vec<u16>,
    pub(super) ip_addresses: Vec<TaskAddress>,
    pub(super) started_at: Option<String>,
    pub(super) health_check_results: Vec<Health>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TaskAddress {
    pub(super) ip_address: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Health {
    pub(super) alive: Option<bool>,
    pub(super) last_failure_cause: Option<String>,
}

/// `GET /v1/apps/{id}`: an app with what the leader knows of its launches.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Launching {
    pub(super) app: App,
    pub(super) waiting: u64,
    pub(super) since: Option<String>,
    pub(super) not_before: Option<String>,
    pub(super) reasons: Vec<String>,
    pub(super) last_failure: Option<LastFailure>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LastFailure {
    #[serde(rename = "taskId")]
    pub(super) task: String,
    pub(super) state: String,
    pub(super) message: String,
    #[serde(rename = "host")]
    pub(super) node: String,
    #[serde(rename = "timestamp")]
    pub(super) at: String,
}

/// `GET /v1/status`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) node: String,
    pub(super) version: String,
    pub(super) parts: Parts,
}

/// What the parts of the daemon say of themselves.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Parts {
    pub(super) node: Option<Node>,
    pub(super) apps: Option<u64>,
    pub(super) tasks: Option<u64>,
    pub(super) externals: Option<u64>,
    pub(super) vips: Option<u64>,
    pub(super) deployments: Option<u64>,
    pub(super) reconcilers: BTreeMap<String, Reconciler>,
    pub(super) problems: Vec<Problem>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Node {
    pub(super) addresses: Vec<String>,
    pub(super) engines: Vec<String>,
    pub(super) since: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reconciler {
    pub(super) at: String,
    pub(super) micros: u64,
    pub(super) runs: u64,
    pub(super) failures: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    pub(super) about: String,
    pub(super) message: String,
}
