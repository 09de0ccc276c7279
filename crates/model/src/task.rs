//! Tasks: what the leader wants to run, one record an instance.

use std::collections::BTreeMap;

use mesos::ContainerInfo;
use serde::{Deserialize, Serialize};

use crate::{AppId, NodeId, Protocol, TaskId, Timestamp};

/// What is wanted of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// It should run.
    Run,
    /// It should end, within its grace period, for the reason given.
    Stop {
        /// For people: why it ends.
        reason: String,
    },
}

/// What a task executes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Command {
    /// Text for `/bin/sh -c`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// Arguments without a shell: the command line of a native container, or what
    /// follows a Docker image's entry point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// User to run as; absent means the engine's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// An amount of resources, asked for or offered.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Resources {
    /// Shares of a processor; 1.0 is one whole core.
    pub cpus: f64,
    /// Memory in MiB.
    pub mem: f64,
    /// Disk in MiB.
    pub disk: f64,
    /// Whole GPUs.
    pub gpus: u32,
}

/// One declared port of a task for one protocol, with its numbers settled.
///
/// A declaration of `udp,tcp` yields two of these with the same `index`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskPort {
    /// Position among the app's port definitions or port mappings.
    pub index: usize,
    /// Name from the declaration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Protocol.
    pub protocol: Protocol,
    /// Port inside the container; absent in host mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_port: Option<u16>,
    /// Port on the host; absent for a mapping without a host port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_port: Option<u16>,
    /// Marathon's service port.
    pub service_port: u16,
    /// Container networks the port is for; empty means all of the task's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network_names: Vec<String>,
    /// Labels of the declaration, `VIP_0` among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// How a health check asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthProbe {
    /// A command inside the container; exit code 0 is healthy.
    Command {
        /// Text for `/bin/sh -c`.
        shell: String,
    },
    /// A TCP connect.
    Tcp,
    /// An HTTP GET; 200 to 399 is healthy.
    Http {
        /// Path, beginning with a slash.
        path: String,
        /// HTTPS, without verifying the certificate (as Mesos does).
        tls: bool,
        /// Treat informational answers (1xx) as no answer instead of a failure.
        ignore_1xx: bool,
    },
}

/// Where a health check asks from and at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthTarget {
    /// The effective address of the task port with this index.
    PortIndex(usize),
    /// This number on the task's effective IP.
    Port(u16),
    /// Nothing to address (commands).
    None,
}

/// One health check with Marathon's defaults filled in; all times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// How it asks.
    pub probe: HealthProbe,
    /// At which port.
    pub target: HealthTarget,
    /// Asked from inside the container's network namespace (the `MESOS_` kinds).
    pub inside: bool,
    /// Ask over IPv6.
    #[serde(default)]
    pub ipv6: bool,
    /// Failures this long after the start do not count until the first success.
    pub grace_ms: u64,
    /// From one check to the next.
    pub interval_ms: u64,
    /// An answer later than this is a failure.
    pub timeout_ms: u64,
    /// Wait before the first check.
    pub delay_ms: u64,
    /// Failures in a row after which the task is killed; 0 never kills for
    /// checks from outside and kills at the first failure for `inside` ones.
    pub max_failures: u32,
}

/// A task record (`tasks/<task id>`), written by the leader alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// The app it is an instance of.
    pub app: AppId,
    /// Framework name in VIP and DNS names; `marathon` for apps.
    pub framework: String,
    /// The app's configuration version it was made from.
    pub version: Timestamp,
    /// Where it runs.
    pub node: NodeId,
    /// What is wanted.
    pub goal: Goal,
    /// What to execute.
    pub command: Command,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Labels of the app.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What it may use.
    pub resources: Resources,
    /// Engine, image and networks.
    pub container: ContainerInfo,
    /// Its ports.
    #[serde(default)]
    pub ports: Vec<TaskPort>,
    /// Its health checks.
    #[serde(default)]
    pub health_checks: Vec<HealthCheck>,
    /// From the polite to the forced end, in milliseconds.
    pub kill_grace_ms: u64,
    /// When the leader made it.
    pub created: Timestamp,
}

impl Task {
    /// Whether the task is on its node's own network.
    #[must_use]
    pub fn on_host_network(&self) -> bool {
        match self.container.kind {
            mesos::ContainerType::Docker => self
                .container
                .docker
                .as_ref()
                .is_none_or(|docker| docker.network == mesos::DockerNetwork::Host),
            mesos::ContainerType::Mesos => self.container.named_networks().next().is_none(),
        }
    }

    /// The allocated host ports in declared order, each once.
    #[must_use]
    pub fn host_ports(&self) -> Vec<u16> {
        let mut seen = Vec::new();
        let mut last = None;
        for port in &self.ports {
            // Two protocols of one declaration share the number and the index.
            if let Some(number) = port.host_port
                && last != Some(port.index)
            {
                seen.push(number);
                last = Some(port.index);
            }
        }
        seen
    }
}
