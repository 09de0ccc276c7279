//! `networks`.

use std::collections::HashSet;

use crate::definition::Definition;
use crate::rejection::Problems;
use crate::{Config, EngineType, Network, NetworkMode};

pub(super) fn check(definition: &Definition, config: &Config, problems: &mut Problems) {
    let networks = definition.networks();
    let of = |mode: NetworkMode| networks.iter().filter(move |network| network.mode == mode);
    let mut refuse = |is_wrong: bool, error: &str| {
        if is_wrong {
            problems.add("/networks", error);
        }
    };
    refuse(
        of(NetworkMode::Host).any(|it| it.name.is_some() || !it.labels.is_empty()),
        "Host networks may not have names or labels",
    );
    refuse(
        of(NetworkMode::Bridge).any(|it| it.name.is_some()),
        "Bridge networks may not have names",
    );
    refuse(
        has_duplicates(networks),
        "Duplicate networks are not allowed",
    );
    let (hosts, bridges, containers) = (
        of(NetworkMode::Host).count(),
        of(NetworkMode::Bridge).count(),
        of(NetworkMode::Container).count(),
    );
    let is_one_kind = match containers {
        0 => hosts + bridges <= 1,
        _ => hosts + bridges == 0,
    };
    refuse(
        !is_one_kind,
        "May specify a single host network, single bridge network, or else 1-to-n container networks",
    );
    refuse(
        config.default_network_name.is_none()
            && of(NetworkMode::Container).any(|it| it.name.is_none()),
        "Network name must be specified when container network is selected.",
    );
    for (index, network) in networks.iter().enumerate() {
        if let Err(flaw) = vip::groups_of(&network.labels) {
            let place = format!("/networks({index})/labels/{}", vip::GROUPS);
            problems.add(place, flaw.to_string());
        }
    }
    let is_docker = definition
        .canonical_container()
        .is_some_and(|it| it.kind == EngineType::Docker);
    if is_docker && containers > 1 {
        problems.add(
            "/",
            "may only specify a single container network when using the Docker container engine",
        );
    }
}

/// Two unnamed container networks would both become the default one.
fn has_duplicates(networks: &[Network]) -> bool {
    let is_unnamed = |it: &&Network| it.mode == NetworkMode::Container && it.name.is_none();
    let mut seen = HashSet::new();
    let repeats = networks
        .iter()
        .filter_map(|it| it.name.as_ref())
        .any(|name| !seen.insert(name));
    repeats || networks.iter().filter(is_unnamed).count() > 1
}
