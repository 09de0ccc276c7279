//! A definition as a client may write it: old and new fields, all optional.
//!
//! Everything here is well typed but not yet sensible. Absent and empty are
//! kept apart, since absent ports mean one default port and empty ones none.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    App, Container, HealthCheck, KillSelection, Network, PortDefinition, PortMapping, PortProtocol,
    UpgradeStrategy,
};

/// Every field of an app or of an update of one.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Definition {
    pub(crate) id: Option<String>,
    pub(crate) cmd: Option<String>,
    pub(crate) args: Option<Vec<String>>,
    pub(crate) user: Option<String>,
    pub(crate) env: Option<BTreeMap<String, Value>>,
    pub(crate) instances: Option<u32>,
    pub(crate) cpus: Option<f64>,
    pub(crate) mem: Option<f64>,
    pub(crate) disk: Option<f64>,
    pub(crate) gpus: Option<u32>,
    pub(crate) executor: Option<String>,
    pub(crate) constraints: Option<Vec<Vec<String>>>,
    pub(crate) fetch: Option<Vec<Value>>,
    pub(crate) port_definitions: Option<Vec<PortDefinition>>,
    pub(crate) require_ports: Option<bool>,
    pub(crate) backoff_seconds: Option<u64>,
    pub(crate) backoff_factor: Option<f64>,
    pub(crate) max_launch_delay_seconds: Option<u64>,
    pub(crate) container: Option<ContainerDefinition>,
    pub(crate) networks: Option<Vec<Network>>,
    pub(crate) health_checks: Option<Vec<HealthCheck>>,
    pub(crate) readiness_checks: Option<Vec<Value>>,
    pub(crate) dependencies: Option<Vec<String>>,
    pub(crate) upgrade_strategy: Option<UpgradeStrategy>,
    pub(crate) labels: Option<BTreeMap<String, String>>,
    pub(crate) accepted_resource_roles: Option<Vec<String>>,
    pub(crate) kill_selection: Option<KillSelection>,
    pub(crate) task_kill_grace_period_seconds: Option<u64>,
    pub(crate) unreachable_strategy: Option<Value>,
    pub(crate) role: Option<String>,
    /// Fields that are kept without effect.
    pub(crate) rest: Map<String, Value>,
    /// Old: host ports as bare numbers.
    pub(crate) ports: Option<Vec<u16>>,
    /// Old: an address for each task.
    pub(crate) ip_address: Option<IpAddress>,
    /// Old: artifacts as bare URIs.
    pub(crate) uris: Option<Vec<String>>,
    /// Only updates look at it: the version to return to.
    pub(crate) version: Option<String>,
    /// Whether `versionInfo` is there, which only answers of a server carry.
    pub(crate) has_version_info: bool,
}

/// `container` with the old fields of `container.docker` apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ContainerDefinition {
    pub(crate) canonical: Container,
    pub(crate) old_docker: OldDocker,
}

/// What `container.docker` held up to Marathon 1.4.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct OldDocker {
    pub(crate) network: Option<OldNetwork>,
    pub(crate) port_mappings: Option<Vec<PortMapping>>,
    pub(crate) has_credential: bool,
}

/// `container.docker.network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OldNetwork {
    Bridge,
    Host,
    None,
    User,
}

/// `ipAddress`; its `groups` become a label of the network, since the new form has no such
/// field.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct IpAddress {
    pub(crate) network_name: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) groups: Vec<String>,
    /// The ports of `discovery`, when that object is there.
    pub(crate) discovery: Option<Vec<DiscoveryPort>>,
}

/// One of `ipAddress.discovery.ports`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DiscoveryPort {
    pub(crate) number: u16,
    pub(crate) name: String,
    pub(crate) protocol: PortProtocol,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Definition {
    /// Whether any network is given that is not the host's.
    pub(crate) fn leaves_host(&self) -> bool {
        self.networks()
            .iter()
            .any(|network| network.mode != crate::NetworkMode::Host)
    }

    /// The networks; none means the host's.
    pub(crate) fn networks(&self) -> &[Network] {
        self.networks.as_deref().unwrap_or_default()
    }

    /// The container without its old fields.
    pub(crate) fn canonical_container(&self) -> Option<&Container> {
        self.container
            .as_ref()
            .map(|container| &container.canonical)
    }

    /// How many ports a health check may address.
    pub(crate) fn port_count(&self) -> usize {
        let mappings = self
            .canonical_container()
            .and_then(|it| it.port_mappings.as_ref());
        let definitions = || self.port_definitions.as_ref().map_or(0, Vec::len);
        mappings.map_or_else(definitions, Vec::len)
    }

    /// Fills every field that is absent here from `base`.
    pub(crate) fn over(self, base: Self) -> Self {
        let mut rest = base.rest;
        rest.extend(self.rest);
        Self {
            id: self.id.or(base.id),
            cmd: self.cmd.or(base.cmd),
            args: self.args.or(base.args),
            user: self.user.or(base.user),
            env: self.env.or(base.env),
            instances: self.instances.or(base.instances),
            cpus: self.cpus.or(base.cpus),
            mem: self.mem.or(base.mem),
            disk: self.disk.or(base.disk),
            gpus: self.gpus.or(base.gpus),
            executor: self.executor.or(base.executor),
            constraints: self.constraints.or(base.constraints),
            fetch: self.fetch.or(base.fetch),
            port_definitions: self.port_definitions.or(base.port_definitions),
            require_ports: self.require_ports.or(base.require_ports),
            backoff_seconds: self.backoff_seconds.or(base.backoff_seconds),
            backoff_factor: self.backoff_factor.or(base.backoff_factor),
            max_launch_delay_seconds: self
                .max_launch_delay_seconds
                .or(base.max_launch_delay_seconds),
            container: self.container.or(base.container),
            networks: self.networks.or(base.networks),
            health_checks: self.health_checks.or(base.health_checks),
            readiness_checks: self.readiness_checks.or(base.readiness_checks),
            dependencies: self.dependencies.or(base.dependencies),
            upgrade_strategy: self.upgrade_strategy.or(base.upgrade_strategy),
            labels: self.labels.or(base.labels),
            accepted_resource_roles: self
                .accepted_resource_roles
                .or(base.accepted_resource_roles),
            kill_selection: self.kill_selection.or(base.kill_selection),
            task_kill_grace_period_seconds: self
                .task_kill_grace_period_seconds
                .or(base.task_kill_grace_period_seconds),
            unreachable_strategy: self.unreachable_strategy.or(base.unreachable_strategy),
            role: self.role.or(base.role),
            rest,
            ports: self.ports.or(base.ports),
            ip_address: self.ip_address.or(base.ip_address),
            uris: self.uris.or(base.uris),
            version: self.version.or(base.version),
            has_version_info: self.has_version_info || base.has_version_info,
        }
    }
}

impl From<App> for Definition {
    fn from(app: App) -> Self {
        Self {
            id: Some(app.id.to_string()),
            cmd: app.cmd,
            args: Some(app.args),
            user: app.user,
            env: Some(app.env),
            instances: Some(app.instances),
            cpus: Some(app.cpus),
            mem: Some(app.mem),
            disk: Some(app.disk),
            gpus: Some(app.gpus),
            executor: Some(app.executor),
            constraints: Some(app.constraints),
            fetch: Some(app.fetch),
            port_definitions: app.port_definitions,
            require_ports: Some(app.require_ports),
            backoff_seconds: Some(app.backoff_seconds),
            backoff_factor: Some(app.backoff_factor),
            max_launch_delay_seconds: Some(app.max_launch_delay_seconds),
            container: app.container.map(ContainerDefinition::from),
            networks: Some(app.networks),
            health_checks: Some(app.health_checks),
            readiness_checks: Some(app.readiness_checks),
            dependencies: Some(app.dependencies.iter().map(ToString::to_string).collect()),
            upgrade_strategy: Some(app.upgrade_strategy),
            labels: Some(app.labels),
            accepted_resource_roles: Some(app.accepted_resource_roles),
            kill_selection: Some(app.kill_selection),
            task_kill_grace_period_seconds: app.task_kill_grace_period_seconds,
            unreachable_strategy: Some(app.unreachable_strategy),
            role: Some(app.role),
            rest: app.rest,
            ..Self::default()
        }
    }
}

impl From<Container> for ContainerDefinition {
    fn from(canonical: Container) -> Self {
        Self {
            canonical,
            old_docker: OldDocker::default(),
        }
    }
}
