//! What a definition means where it says nothing.
//!
//! [`fill_ports`] runs before the canonical validation, [`finish`] after it, as
//! in Marathon: the validation wants to see ports, but the networks as given.

use serde_json::{Value, json};

use model::AppId;

use crate::definition::{ContainerDefinition, Definition};
use crate::migrate::{bare_container, host_network};
use crate::{
    App, Config, Container, HealthProtocol, Network, NetworkMode, PortDefinition, PortMapping,
    PortProtocol, UpgradeStrategy,
};

/// The name of the one port that an app gets when it declares none.
const DEFAULT_PORT_NAME: &str = "default";

/// Apps with this label set to `true` may have one instance only.
const SINGLE_INSTANCE_LABEL: &str = "MARATHON_SINGLE_INSTANCE_APP";

/// Drops the ports that do not fit the network mode and adds the default ones.
///
/// `definition` is free of old forms.
pub(crate) fn fill_ports(definition: &mut Definition) {
    let leaves_host = definition.leaves_host();
    let declared = definition.port_definitions.take();
    if let Some(container) = &mut definition.container {
        let mappings = &mut container.canonical.port_mappings;
        if leaves_host {
            let mappings = mappings.get_or_insert_with(|| vec![mapping(Some(DEFAULT_PORT_NAME))]);
            // A definition from before port mappings counted its ports at the top
            // level; what exceeds the mappings is not lost, only its name is.
            while mappings.len() < declared.as_ref().map_or(0, Vec::len) {
                mappings.push(mapping(None));
            }
        } else {
            *mappings = None;
        }
    } else if leaves_host {
        let port_mappings = Some(vec![mapping(Some(DEFAULT_PORT_NAME))]);
        let container = Container {
            port_mappings,
            ..bare_container()
        };
        definition.container = Some(ContainerDefinition::from(container));
    }
    fill_port_index(definition, declared.as_deref());
    if !leaves_host {
        definition.port_definitions = Some(declared.unwrap_or_else(|| vec![default_definition()]));
    }
}

/// Health checks without any port address the first one, if ports are declared.
fn fill_port_index(definition: &mut Definition, declared: Option<&[PortDefinition]>) {
    let mapped = definition
        .canonical_container()
        .is_some_and(|it| it.port_mappings.is_some());
    if !mapped && !declared.is_some_and(declares_ports) {
        return;
    }
    for check in definition.health_checks.iter_mut().flatten() {
        let has_port = check.port.is_some() || check.port_index.is_some();
        if !has_port && check.protocol != HealthProtocol::Command {
            check.port_index = Some(0);
        }
    }
}

/// Whether these are ports that somebody declared. The single default port is
/// not: Marathon adds no index when it injects that port, and an answer that is
/// sent back unchanged must not differ from what it was.
fn declares_ports(ports: &[PortDefinition]) -> bool {
    match ports {
        [] => false,
        [only] => {
            PortDefinition {
                port: 0,
                ..only.clone()
            } != default_definition()
        }
        _ => true,
    }
}

fn default_definition() -> PortDefinition {
    PortDefinition {
        port: 0,
        protocol: PortProtocol::Tcp,
        name: Some(DEFAULT_PORT_NAME.to_owned()),
        labels: Default::default(),
    }
}

fn mapping(name: Option<&str>) -> PortMapping {
    PortMapping {
        container_port: 0,
        host_port: None,
        service_port: 0,
        protocol: PortProtocol::Tcp,
        name: name.map(str::to_owned),
        labels: Default::default(),
        network_names: Vec::new(),
    }
}

/// Whether at most one instance may run at any time.
pub(crate) fn is_single_instance(definition: &Definition) -> bool {
    let label = definition
        .labels
        .as_ref()
        .and_then(|labels| labels.get(SINGLE_INSTANCE_LABEL));
    label.is_some_and(|value| value == "true")
}

/// The share of instances that stay, and that may be added, while replacing them.
pub(crate) fn upgrade_strategy(definition: &Definition) -> UpgradeStrategy {
    let share = if is_single_instance(definition) {
        0.0
    } else {
        1.0
    };
    definition.upgrade_strategy.unwrap_or(UpgradeStrategy {
        minimum_health_capacity: share,
        maximum_over_capacity: share,
    })
}

/// Makes the app of a validated definition.
pub(crate) fn finish(
    definition: Definition,
    id: AppId,
    dependencies: Vec<AppId>,
    config: &Config,
) -> App {
    let networks = named_networks(definition.networks(), config);
    let on_host = networks
        .iter()
        .all(|network| network.mode == NetworkMode::Host);
    let persistent = has_persistent_volumes(definition.canonical_container());
    let upgrade_strategy = upgrade_strategy(&definition);
    let mut rest = definition.rest;
    if persistent {
        rest.entry("residency").or_insert_with(|| {
            json!({
                "relaunchEscalationTimeoutSeconds": 3600,
                "taskLostBehavior": "WAIT_FOREVER",
            })
        });
    }
    App {
        id,
        cmd: definition.cmd,
        args: definition.args.unwrap_or_default(),
        user: definition.user,
        env: definition.env.unwrap_or_default(),
        instances: definition.instances.unwrap_or(1),
        cpus: definition.cpus.unwrap_or(1.0),
        mem: definition.mem.unwrap_or(128.0),
        disk: definition.disk.unwrap_or(0.0),
        gpus: definition.gpus.unwrap_or(0),
        executor: definition.executor.unwrap_or_default(),
        constraints: definition.constraints.unwrap_or_default(),
        fetch: definition.fetch.unwrap_or_default(),
        port_definitions: definition.port_definitions,
        require_ports: on_host && definition.require_ports.unwrap_or(false),
        backoff_seconds: definition.backoff_seconds.unwrap_or(1),
        backoff_factor: definition.backoff_factor.unwrap_or(1.15),
        max_launch_delay_seconds: definition.max_launch_delay_seconds.unwrap_or(300),
        container: definition
            .container
            .map(|it| finish_container(it.canonical, &networks)),
        networks,
        health_checks: definition.health_checks.unwrap_or_default(),
        readiness_checks: definition.readiness_checks.unwrap_or_default(),
        dependencies,
        upgrade_strategy,
        labels: definition.labels.unwrap_or_default(),
        accepted_resource_roles: definition.accepted_resource_roles.unwrap_or_default(),
        kill_selection: definition.kill_selection.unwrap_or_default(),
        task_kill_grace_period_seconds: definition.task_kill_grace_period_seconds,
        unreachable_strategy: definition
            .unreachable_strategy
            .unwrap_or_else(|| unreachable_strategy(persistent)),
        role: definition.role.unwrap_or_else(|| "*".to_owned()),
        version: None,
        version_info: None,
        rest,
    }
}

fn named_networks(given: &[Network], config: &Config) -> Vec<Network> {
    if given.is_empty() {
        return vec![host_network()];
    }
    let mut networks = given.to_vec();
    for network in &mut networks {
        if network.mode == NetworkMode::Container && network.name.is_none() {
            network.name.clone_from(&config.default_network_name);
        }
    }
    networks
}

/// On the bridge a mapping without a host port gets a dynamic one; on container
/// networks it has none at all.
fn finish_container(mut container: Container, networks: &[Network]) -> Container {
    if networks
        .iter()
        .any(|network| network.mode == NetworkMode::Bridge)
    {
        for mapping in container.port_mappings.iter_mut().flatten() {
            mapping.host_port.get_or_insert(0);
        }
    }
    container
}

fn has_persistent_volumes(container: Option<&Container>) -> bool {
    let volumes = container
        .map(|it| it.volumes.as_slice())
        .unwrap_or_default();
    volumes
        .iter()
        .any(|volume| volume.get("persistent").is_some())
}

/// Instances with persistent volumes wait for their node, whatever happens.
fn unreachable_strategy(persistent: bool) -> Value {
    if persistent {
        json!("disabled")
    } else {
        json!({ "inactiveAfterSeconds": 0, "expungeAfterSeconds": 0 })
    }
}

#[cfg(test)]
mod tests;
