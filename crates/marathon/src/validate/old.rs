//! The old fields among themselves and against the new ones.

use std::collections::HashSet;

use crate::EngineType;
use crate::definition::{ContainerDefinition, Definition};
use crate::rejection::Problems;

use super::ports::check_names;
use super::process::is_uri;

pub(super) fn check(definition: &Definition, problems: &mut Problems) {
    let ports = definition.ports.as_deref();
    let definitions = definition.port_definitions.as_deref();
    let address = definition.ip_address.as_ref();
    let container = definition.container.as_ref();
    let has_networks = !definition.networks().is_empty();

    if has_networks && container.is_some_and(|it| it.old_docker.network.is_some()) {
        problems.add(
            "/",
            "must not specify both container.docker.network and networks",
        );
    }
    if has_networks && address.is_some() {
        problems.add("/", "must not specify both networks and ipAddress");
    }
    if ports.is_some_and(|ports| !are_distinct(ports)) {
        problems.add("/", "ports must be unique");
    }
    let has_ports = ports.is_some_and(|it| !it.is_empty());
    let has_definitions = definitions.is_some_and(|it| !it.is_empty());
    if address.is_some() && (has_ports || has_definitions) {
        problems.add("/", "cannot specify both an IP address and port");
    }
    if let (Some(ports), Some(definitions)) = (ports, definitions)
        && !definitions
            .iter()
            .map(|definition| definition.port)
            .eq(ports.iter().copied())
    {
        problems.add("/", "cannot specify both ports and port definitions");
    }
    let is_docker = container.is_some_and(|it| it.canonical.kind == EngineType::Docker);
    if is_docker && address.is_some_and(|it| it.discovery.is_some()) {
        problems.add(
            "/ipAddress",
            "ipAddress/discovery is not allowed for Docker containers",
        );
    }
    check_uris(definition, problems);
    if let Some(container) = container {
        check_container(container, problems);
    }
}

/// Zeros are to be assigned and may repeat.
fn are_distinct(ports: &[u16]) -> bool {
    let mut seen = HashSet::new();
    ports.iter().all(|port| *port == 0 || seen.insert(*port))
}

fn check_uris(definition: &Definition, problems: &mut Problems) {
    let uris = definition.uris.as_deref().unwrap_or_default();
    for (index, uri) in uris.iter().enumerate() {
        if !is_uri(uri) {
            problems.add(format!("/uris({index})"), "URI has invalid syntax.");
        }
    }
    if !uris.is_empty()
        && definition
            .fetch
            .as_ref()
            .is_some_and(|fetch| !fetch.is_empty())
    {
        problems.add("/uris", "may not be set in conjunction with fetch");
    }
}

fn check_container(container: &ContainerDefinition, problems: &mut Problems) {
    let (Some(docker), None) = (&container.canonical.docker, &container.canonical.appc) else {
        return;
    };
    let old = &container.old_docker;
    let mut refuse = |field: &str, is_given: bool| {
        if is_given {
            problems.add(format!("/container/docker/{field}"), "must be empty");
        }
    };
    refuse("credential", old.has_credential);
    if container.canonical.kind == EngineType::Mesos {
        refuse("network", old.network.is_some());
        refuse("parameters", !docker.parameters.is_empty());
        refuse("portMappings", old.port_mappings.is_some());
    }
    let names = old
        .port_mappings
        .iter()
        .flatten()
        .map(|mapping| mapping.name.as_deref());
    check_names(names, "/container/docker/portMappings", problems);
}
