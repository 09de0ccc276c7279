//! `portDefinitions` and `container.portMappings`.

use std::collections::HashSet;

use crate::definition::Definition;
use crate::rejection::Problems;
use crate::{Config, NetworkMode, PortMapping};

pub(super) fn check(definition: &Definition, config: &Config, problems: &mut Problems) {
    check_definitions(definition, problems);
    let container = definition.canonical_container();
    let mappings = container
        .and_then(|it| it.port_mappings.as_deref())
        .unwrap_or_default();
    let names = mappings.iter().map(|mapping| mapping.name.as_deref());
    check_names(names, "/container/portMappings", problems);
    let networks = container_networks(definition, config);
    for (index, mapping) in mappings.iter().enumerate() {
        let place = format!("/container/portMappings({index})");
        check_network_names(mapping, &networks, &place, problems);
    }
}

fn check_definitions(definition: &Definition, problems: &mut Problems) {
    let definitions = definition.port_definitions.as_deref().unwrap_or_default();
    let names = definitions
        .iter()
        .map(|definition| definition.name.as_deref());
    check_names(names, "/portDefinitions", problems);
    let mut seen = HashSet::new();
    let mut numbers = definitions.iter().map(|definition| definition.port);
    // Zeros are to be assigned and may repeat.
    if numbers.any(|port| port != 0 && !seen.insert(port)) {
        problems.add("/portDefinitions", "Ports must be unique.");
    }
}

/// Names are optional; the ones given differ.
pub(super) fn check_names<'a>(
    names: impl Iterator<Item = Option<&'a str>>,
    place: &str,
    problems: &mut Problems,
) {
    let mut seen = HashSet::new();
    if names.flatten().any(|name| !seen.insert(name)) {
        problems.add(place, "Port names must be unique.");
    }
}

/// Names of the container networks, the default for those without one.
fn container_networks<'a>(definition: &'a Definition, config: &'a Config) -> Vec<&'a str> {
    let networks = definition.networks().iter();
    networks
        .filter(|network| network.mode == NetworkMode::Container)
        .filter_map(|network| {
            network
                .name
                .as_ref()
                .or(config.default_network_name.as_ref())
        })
        .map(String::as_str)
        .collect()
}

fn check_network_names(
    mapping: &PortMapping,
    networks: &[&str],
    place: &str,
    problems: &mut Problems,
) {
    if mapping.host_port.is_some() && networks.len() > 1 && mapping.network_names.len() != 1 {
        problems.add(
            place,
            "networkNames must be a single item list when hostPort is specified and more than 1 container network is defined",
        );
    }
    for (index, name) in mapping.network_names.iter().enumerate() {
        if !networks.contains(&name.as_str()) {
            let known = networks.join(",");
            problems.add(
                format!("{place}/networkNames({index})"),
                format!("is not one of ({known})"),
            );
        }
    }
}
