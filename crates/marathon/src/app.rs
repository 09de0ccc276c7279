//! The canonical app definition: what is stored and what the API answers with.
//!
//! Field names, defaults and which fields are omitted when empty follow
//! Marathon 1.5 and newer (`docs/rest-api/public/api/v2/types/app.raml`).

use std::collections::{BTreeMap, BTreeSet};

use model::{AppId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An app in its one canonical form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct App {
    /// Absolute id.
    pub id: AppId,
    /// Shell command; excludes `args`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<String>,
    /// Command line without a shell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// User to run as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Environment: a text, or `{"secret": name}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Value>,
    /// Wanted instances.
    pub instances: u32,
    /// Cores per instance.
    pub cpus: f64,
    /// Memory per instance in MiB.
    pub mem: f64,
    /// Disk per instance in MiB.
    pub disk: f64,
    /// GPUs per instance.
    pub gpus: u32,
    /// Mesos executor; kept, without effect.
    pub executor: String,
    /// Placement constraints, `[field, OPERATOR, value?]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Vec<String>>,
    /// Artifacts to fetch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fetch: Vec<Value>,
    /// Ports in host mode, also when empty; absent in the other modes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_definitions: Option<Vec<PortDefinition>>,
    /// Host mode only: the numbers of `portDefinitions` are the host ports.
    pub require_ports: bool,
    /// First delay after a failed launch, in seconds.
    pub backoff_seconds: u64,
    /// Factor from one delay to the next.
    pub backoff_factor: f64,
    /// Longest delay, in seconds.
    pub max_launch_delay_seconds: u64,
    /// Engine, image, volumes and port mappings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// Networks to join; at least one.
    pub networks: Vec<Network>,
    /// Health checks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_checks: Vec<HealthCheck>,
    /// Readiness checks; kept, without effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readiness_checks: Vec<Value>,
    /// Apps or groups that must be there first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<AppId>,
    /// How instances are replaced.
    pub upgrade_strategy: UpgradeStrategy,
    /// Labels of the app.
    pub labels: BTreeMap<String, String>,
    /// Mesos resource roles; kept, without effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted_resource_roles: Vec<String>,
    /// Which instances go first when scaling down.
    pub kill_selection: KillSelection,
    /// From SIGTERM to SIGKILL, in seconds; absent means 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_kill_grace_period_seconds: Option<u64>,
    /// `"disabled"` or `{inactiveAfterSeconds, expungeAfterSeconds}`.
    pub unreachable_strategy: Value,
    /// Mesos role; kept, without effect.
    pub role: String,
    /// When this definition was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Timestamp>,
    /// When it last scaled and last changed otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_info: Option<VersionInfo>,
    /// Accepted and given back, without effect: `check`, `executorResources`,
    /// `linuxInfo`, `residency`, `resourceLimits`, `secrets`, `tty`.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl App {
    /// The labels of every declared port, of port definitions and port mappings alike.
    pub fn port_labels(&self) -> impl Iterator<Item = &BTreeMap<String, String>> {
        let definitions = self
            .port_definitions
            .iter()
            .flatten()
            .map(|port| &port.labels);
        let container = self.container.as_ref();
        let mappings = container.and_then(|container| container.port_mappings.as_ref());
        definitions.chain(
            mappings
                .into_iter()
                .flatten()
                .map(|mapping| &mapping.labels),
        )
    }
}

/// `versionInfo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionInfo {
    /// Version of the last change of `instances` alone.
    pub last_scaling_at: Timestamp,
    /// Version of the last other change; tasks of an older one are replaced.
    pub last_config_change_at: Timestamp,
}

/// A port in host mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortDefinition {
    /// Service port, and host port too under `requirePorts`; 0 is assigned.
    pub port: u16,
    /// Protocol or protocols.
    pub protocol: PortProtocol,
    /// Unique within the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Labels, `VIP_0` among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// `tcp`, `udp`, or both, which Marathon spells `udp,tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum PortProtocol {
    /// TCP.
    #[default]
    #[serde(rename = "tcp")]
    Tcp,
    /// UDP.
    #[serde(rename = "udp")]
    Udp,
    /// Both on the same number.
    #[serde(rename = "udp,tcp")]
    UdpTcp,
}

impl PortProtocol {
    /// The single protocols, UDP first as in Marathon's spelling.
    #[must_use]
    pub fn each(self) -> &'static [model::Protocol] {
        use model::Protocol::{Tcp, Udp};
        match self {
            Self::Tcp => &[Tcp],
            Self::Udp => &[Udp],
            Self::UdpTcp => &[Udp, Tcp],
        }
    }
}

/// `container`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// The engine.
    #[serde(rename = "type")]
    pub kind: EngineType,
    /// Docker image; required for [`EngineType::Docker`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker: Option<DockerContainer>,
    /// AppC image, for [`EngineType::Mesos`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appc: Option<AppcContainer>,
    /// Volumes, as given.
    #[serde(default)]
    pub volumes: Vec<Value>,
    /// Ports outside host mode, also when empty; absent in host mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_mappings: Option<Vec<PortMapping>>,
    /// Accepted and given back, without effect: `linuxInfo`.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// `container.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EngineType {
    /// dockerd; the default when a container is given.
    #[default]
    Docker,
    /// The native engine.
    Mesos,
}

/// `container.docker` in its new form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DockerContainer {
    /// Image reference.
    pub image: String,
    /// Pull even if present.
    pub force_pull_image: bool,
    /// DOCKER only: `docker run` options.
    pub parameters: Vec<DockerParameter>,
    /// DOCKER only.
    pub privileged: bool,
    /// MESOS only: `{secret}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_config: Option<Value>,
}

/// `container.appc`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppcContainer {
    /// The image's name.
    pub image: String,
    /// `sha512-` and the hash of the unpacked archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `version`, `os`, `arch` and others.
    pub labels: BTreeMap<String, String>,
    /// Fetch even if present.
    pub force_pull_image: bool,
}

/// An option of `docker run`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DockerParameter {
    /// Name without dashes.
    pub key: String,
    /// Value.
    pub value: String,
}

/// A port in bridge or container mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortMapping {
    /// Port inside; 0 means the host port's number, or a random one without it.
    pub container_port: u16,
    /// Port on the host; 0 is chosen, absent is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_port: Option<u16>,
    /// 0 is assigned.
    pub service_port: u16,
    /// Protocol or protocols.
    pub protocol: PortProtocol,
    /// Unique within the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Labels, `VIP_0` among them; always written.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Container networks the mapping is for; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network_names: Vec<String>,
}

/// One network to join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Mode.
    pub mode: NetworkMode,
    /// Name, for [`NetworkMode::Container`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For the network's provider.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Network {
    /// The groups that its label names ([`vip::GROUPS`]); none without one. A label that
    /// makes no sense was refused with its app.
    #[must_use]
    pub fn groups(&self) -> BTreeSet<String> {
        vip::groups_of(&self.labels).unwrap_or_default()
    }
}

/// `networks[].mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum NetworkMode {
    /// A named network (USER in the old form); the default of a given network.
    #[default]
    #[serde(rename = "container")]
    Container,
    /// The engine's own bridge (BRIDGE in the old form).
    #[serde(rename = "container/bridge")]
    Bridge,
    /// The node's network (HOST in the old form).
    #[serde(rename = "host")]
    Host,
}

/// `upgradeStrategy`; both are shares of `instances` from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeStrategy {
    /// Share that stays healthy while instances are replaced.
    pub minimum_health_capacity: f64,
    /// Share that may run on top.
    pub maximum_over_capacity: f64,
}

/// `killSelection`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KillSelection {
    /// Youngest first; the default.
    #[default]
    YoungestFirst,
    /// Oldest first.
    OldestFirst,
}

/// One of `healthChecks`; times in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// Kind.
    pub protocol: HealthProtocol,
    /// For the HTTP kinds; absent means `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A fixed port; wins over `portIndex`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Index into the app's ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_index: Option<usize>,
    /// For COMMAND.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandCheck>,
    /// Failures do not count for this long after the start.
    pub grace_period_seconds: u64,
    /// From one check to the next.
    pub interval_seconds: u64,
    /// An answer later than this is a failure.
    pub timeout_seconds: u64,
    /// Failures in a row that kill the task.
    pub max_consecutive_failures: u32,
    /// Wait before the first check (MESOS_ kinds and COMMAND).
    pub delay_seconds: u64,
    /// HTTP kinds: informational answers are no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_http1xx: Option<bool>,
    /// MESOS_ kinds: `IPv4` or `IPv6`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_protocol: Option<String>,
}

/// `healthChecks[].command`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CommandCheck {
    /// Text for `/bin/sh -c`.
    pub value: String,
}

/// `healthChecks[].protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HealthProtocol {
    /// Asked by the node; the default.
    #[default]
    Http,
    /// Asked by the node.
    Https,
    /// Asked by the node.
    Tcp,
    /// Inside the container.
    Command,
    /// Asked from the container's network namespace.
    MesosHttp,
    /// Asked from the container's network namespace.
    MesosHttps,
    /// Asked from the container's network namespace.
    MesosTcp,
}
