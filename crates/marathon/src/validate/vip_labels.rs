//! Labels that ask for a virtual IP or set how it works, checked when an app is
//! deployed.
//!
//! Marathon keeps labels without looking at them, and a mistyped one shows only
//! as a name that never resolves, or as a service that behaves unlike what is
//! written. Keys that are not meant for VIPs stay free.

use std::collections::BTreeMap;

use vip::PortLabels;

use crate::NetworkMode;
use crate::definition::Definition;
use crate::rejection::Problems;

/// `definition` has the ports of its network mode and no others.
pub(super) fn check(definition: &Definition, problems: &mut Problems) {
    let (places, ports): (Vec<String>, Vec<PortLabels<'_>>) = ports(definition).unzip();
    let none = BTreeMap::new();
    let labels = definition.labels.as_ref().unwrap_or(&none);
    for bad in vip::check_labels(&ports, labels) {
        let place = bad.port.and_then(|port| places.get(port));
        let place = place.map(String::as_str).unwrap_or_default();
        problems.add(format!("{place}/labels/{}", bad.key), bad.error.to_string());
    }
}

/// Every port with its place.
fn ports(definition: &Definition) -> impl Iterator<Item = (String, PortLabels<'_>)> {
    let networks = definition.networks().iter();
    // On the bridge a mapping that names no host port is given one afterwards.
    let bridged = networks
        .map(|it| it.mode)
        .any(|mode| mode == NetworkMode::Bridge);
    let definitions = definition.port_definitions.iter().flatten();
    let definitions = definitions.map(|port| (&port.labels, true));
    let container = definition.canonical_container();
    let mappings = container.and_then(|it| it.port_mappings.as_deref());
    let mappings = mappings.unwrap_or_default().iter();
    let mappings = mappings.map(move |it| (&it.labels, bridged || it.host_port.is_some()));
    place("/portDefinitions", definitions).chain(place("/container/portMappings", mappings))
}

fn place<'a>(
    list: &'static str,
    ports: impl Iterator<Item = (&'a BTreeMap<String, String>, bool)>,
) -> impl Iterator<Item = (String, PortLabels<'a>)> {
    ports
        .enumerate()
        .map(move |(index, (labels, has_host_port))| {
            let port = PortLabels {
                labels,
                has_host_port,
            };
            (format!("{list}({index})"), port)
        })
}
