//! Ports and networks, in the new and the old form.

use crate::definition::{DiscoveryPort, IpAddress};
use crate::names::{is_name, is_network_name};
use crate::{Network, NetworkMode, PortDefinition, PortMapping, PortProtocol};

use super::node::{Node, Object};

const PROTOCOLS: [(&str, PortProtocol); 3] = [
    ("tcp", PortProtocol::Tcp),
    ("udp", PortProtocol::Udp),
    ("udp,tcp", PortProtocol::UdpTcp),
];

const MODES: [(&str, NetworkMode); 3] = [
    ("container", NetworkMode::Container),
    ("container/bridge", NetworkMode::Bridge),
    ("host", NetworkMode::Host),
];

/// Longest name of a network.
const LONGEST_NETWORK_NAME: usize = 63;

pub(super) fn definition(node: Node<'_>) -> Option<PortDefinition> {
    let object = node.object()?;
    Some(PortDefinition {
        port: object.port("port").unwrap_or(0),
        protocol: protocol(&object),
        name: port_name(&object),
        labels: object.labels("labels").unwrap_or_default(),
    })
}

pub(super) fn mapping(node: Node<'_>) -> Option<PortMapping> {
    let object = node.object()?;
    let network_name = |node: Node<'_>| node.name(LONGEST_NETWORK_NAME, is_name);
    Some(PortMapping {
        container_port: object.port("containerPort").unwrap_or(0),
        host_port: object.port("hostPort"),
        service_port: object.port("servicePort").unwrap_or(0),
        protocol: protocol(&object),
        name: port_name(&object),
        labels: object.labels("labels").unwrap_or_default(),
        network_names: object
            .list("networkNames", network_name)
            .unwrap_or_default(),
    })
}

pub(super) fn network(node: Node<'_>, known: &[String]) -> Option<Network> {
    let object = node.object()?;
    let name = |node: Node<'_>| match node.value.as_str() {
        Some(text) if known.iter().any(|it| it == text) => Some(text.to_owned()),
        _ => node.name(LONGEST_NETWORK_NAME, is_network_name),
    };
    Some(Network {
        mode: object.choice("mode", &MODES).unwrap_or_default(),
        name: object.get("name").and_then(name),
        labels: object.labels("labels").unwrap_or_default(),
    })
}

pub(super) fn ip_address(node: Node<'_>) -> Option<IpAddress> {
    let object = node.object()?;
    Some(IpAddress {
        groups: object
            .list("groups", |group| group.text())
            .unwrap_or_default(),
        network_name: object
            .get("networkName")
            .and_then(|node| node.filled_text()),
        labels: object.labels("labels").unwrap_or_default(),
        discovery: object
            .get("discovery")
            .and_then(|node| node.object())
            .map(|discovery| discovery.list("ports", discovery_port).unwrap_or_default()),
    })
}

fn discovery_port(node: Node<'_>) -> Option<DiscoveryPort> {
    let object = node.object()?;
    Some(DiscoveryPort {
        number: object.port("number").unwrap_or(0),
        name: object
            .require("name")
            .and_then(|node| node.name(usize::MAX, is_name))?,
        protocol: protocol(&object),
        labels: object.labels("labels").unwrap_or_default(),
    })
}

fn protocol(object: &Object<'_>) -> PortProtocol {
    object.choice("protocol", &PROTOCOLS).unwrap_or_default()
}

/// Port names have no greatest length.
fn port_name(object: &Object<'_>) -> Option<String> {
    object.get("name")?.name(usize::MAX, is_name)
}
