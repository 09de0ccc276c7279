//! From what an engine sees of a container to its record.

use std::collections::BTreeMap;

use engines::{Attached, Condition, Sighting};
use mesos::{ContainerType, NetworkInfo};
use model::{External, ExternalPort, ExternalState, Protocol};

use super::labels::{Wish, Wishes};
use super::ports::{choose, published};
use crate::node::NodeOptions;

/// The container's record; `None` when its labels are none of our business.
///
/// `ending` says that it was told to end.
#[must_use]
pub fn record(sighting: &Sighting, ending: bool, node: &NodeOptions) -> Option<External> {
    let wishes = Wishes::read(&sighting.labels)?;
    let mut problems = wishes.problems;
    let ports = ports(
        &wishes.vips,
        &wishes.settings,
        sighting,
        node,
        &mut problems,
    );
    problems.extend(unreachable(sighting));
    Some(External {
        node: node.id.clone(),
        container: sighting.id.clone(),
        name: sighting.name.clone(),
        kind: ContainerType::Docker,
        state: state(sighting.condition, ending),
        host_network: sighting.attached == Attached::Host,
        network_infos: match &sighting.attached {
            Attached::Host => vec![NetworkInfo::default().assigned(&node.addresses)],
            Attached::Networks(networks) => networks.clone(),
            Attached::Orphaned => Vec::new(),
        },
        ports,
        problems: problems.iter().map(|it| printable(it)).collect(),
    })
}

/// What others write on their containers may not steer the terminals that show it.
fn printable(problem: &str) -> String {
    let mut shown = String::with_capacity(problem.len());
    for letter in problem.chars() {
        if letter.is_control() {
            shown.extend(letter.escape_debug());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// One that was healthy and is not any more keeps its connections, and so does one
/// that is paused, since it may go on.
fn state(condition: Condition, ending: bool) -> ExternalState {
    match condition {
        Condition::Starting => ExternalState::Starting,
        Condition::Ready if !ending => ExternalState::Ready,
        Condition::Ready | Condition::Unhealthy | Condition::Paused => ExternalState::Draining,
    }
}

/// The ports that VIPs are in front of, each once for each protocol.
fn ports(
    vips: &[Wish],
    settings: &BTreeMap<String, String>,
    sighting: &Sighting,
    node: &NodeOptions,
    problems: &mut Vec<String>,
) -> Vec<ExternalPort> {
    let mut ports: BTreeMap<(u16, Protocol), ExternalPort> = BTreeMap::new();
    for wish in vips {
        let (number, protocols) = match choose(wish, &sighting.ports) {
            Ok(chosen) => chosen,
            Err(flaw) => {
                let label = format!("VIP label '{}' has value '{}'", wish.key, wish.value);
                problems.push(format!("{label}: {flaw}"));
                continue;
            }
        };
        for protocol in protocols {
            let port = ports
                .entry((number, protocol))
                .or_insert_with(|| ExternalPort {
                    protocol,
                    container_port: Some(number),
                    host_port: host_port(sighting, number, protocol, node),
                    network_names: Vec::new(),
                    labels: settings.clone(),
                });
            port.labels.insert(wish.key.clone(), wish.value.clone());
        }
    }
    ports.into_values().collect()
}

fn host_port(
    sighting: &Sighting,
    number: u16,
    protocol: Protocol,
    node: &NodeOptions,
) -> Option<u16> {
    if sighting.attached == Attached::Host {
        return Some(number);
    }
    published(&sighting.ports, number, protocol, *node.addresses.first()?)
}

/// Why nobody can reach the container, if that is so.
fn unreachable(sighting: &Sighting) -> Option<String> {
    match &sighting.attached {
        Attached::Networks(networks) if networks.is_empty() => Some(
            "the container is on no network, so nobody can reach it; start it on one, for \
             example with --network bridge"
                .to_owned(),
        ),
        Attached::Orphaned => {
            let of = sighting.shares.as_deref().unwrap_or_default();
            let short = of.get(..12).unwrap_or(of);
            Some(format!(
                "the container uses the network of container {short}, which does not run any \
                 more; start that one again, and then this one"
            ))
        }
        Attached::Host | Attached::Networks(_) => None,
    }
}

#[cfg(test)]
mod tests;
