//! `NetworkInfo` and its parts (mesos.proto, message `NetworkInfo`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::json::{known_literal, null_as_default};

/// Address family of an address (`NetworkInfo.Protocol`).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub enum IpProtocol {
    /// `IPv4` = 1; what Mesos assumes when nothing is said.
    #[default]
    IPv4,
    /// `IPv6` = 2.
    IPv6,
}

/// `NetworkInfo.IPAddress`: in a request an address that is wanted, in a status
/// one that was assigned.
///
/// A request with a `protocol` alone asks for any address of that family.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct IpAddress {
    /// Family; absent means IPv4.
    #[serde(
        default,
        deserialize_with = "known_literal",
        skip_serializing_if = "Option::is_none"
    )]
    pub protocol: Option<IpProtocol>,
    /// The address as text, without a prefix length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
}

/// `Label`: a key and an optional value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Label {
    /// The key; may repeat within one list.
    pub key: String,
    /// The value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// `Labels`: written in JSON as `{"labels": [{"key": .., "value": ..}]}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Labels {
    /// The labels, in the order given.
    #[serde(default, deserialize_with = "null_as_default")]
    pub labels: Vec<Label>,
}

impl Labels {
    /// True when there is no label.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

impl From<&BTreeMap<String, String>> for Labels {
    fn from(map: &BTreeMap<String, String>) -> Self {
        let labels = map
            .iter()
            .map(|(key, value)| Label {
                key: key.clone(),
                value: Some(value.clone()),
            })
            .collect();
        Self { labels }
    }
}

/// `NetworkInfo.PortMapping`: a host port that leads to a container port.
///
/// Not the same message as [`crate::DockerPortMapping`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PortMapping {
    /// Port on the host.
    pub host_port: u32,
    /// Port inside the container.
    pub container_port: u32,
    /// `tcp` or `udp`, free text in Mesos; absent means tcp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
}

/// `NetworkInfo`: one network that a container joins or has joined.
///
/// In a request (`ContainerInfo.network_infos`) `ip_addresses` are wishes; in a
/// status they are what was assigned, everything else being a copy of the request.
///
/// Mesos 0.25 had one `protocol` and one `ip_address` on the message itself; they
/// are read as one entry of `ip_addresses` when that is empty, and never written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "NetworkInfoForm")]
pub struct NetworkInfo {
    /// Wanted or assigned addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ip_addresses: Vec<IpAddress>,
    /// Network to join: a CNI network's or a Docker network's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Interfaces may talk when they share a group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// For the network's provider.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Host ports for this interface.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub port_mappings: Vec<PortMapping>,
}

impl NetworkInfo {
    /// A request to join the network `name`.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    /// The assigned addresses that parse, in order.
    pub fn addresses(&self) -> impl Iterator<Item = std::net::IpAddr> + '_ {
        self.ip_addresses
            .iter()
            .filter_map(|ip| ip.ip_address.as_deref()?.parse().ok())
    }

    /// The request with its wishes replaced by what was assigned.
    #[must_use]
    pub fn assigned(&self, addresses: &[std::net::IpAddr]) -> Self {
        let ip_addresses = addresses
            .iter()
            .map(|ip| IpAddress {
                protocol: Some(if ip.is_ipv4() {
                    IpProtocol::IPv4
                } else {
                    IpProtocol::IPv6
                }),
                ip_address: Some(ip.to_string()),
            })
            .collect();
        Self {
            ip_addresses,
            ..self.clone()
        }
    }
}

/// What is accepted as a `NetworkInfo`.
#[derive(Deserialize)]
struct NetworkInfoForm {
    #[serde(default, deserialize_with = "null_as_default")]
    ip_addresses: Vec<IpAddress>,
    name: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    groups: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    labels: Labels,
    #[serde(default, deserialize_with = "null_as_default")]
    port_mappings: Vec<PortMapping>,
    #[serde(flatten)]
    legacy: IpAddress,
}

impl From<NetworkInfoForm> for NetworkInfo {
    fn from(form: NetworkInfoForm) -> Self {
        Self {
            ip_addresses: with_legacy(form.ip_addresses, form.legacy),
            name: form.name,
            groups: form.groups,
            labels: form.labels,
            port_mappings: form.port_mappings,
        }
    }
}

/// The addresses, or else the one that Mesos 0.25 had on `NetworkInfo` itself.
pub(crate) fn with_legacy(ip_addresses: Vec<IpAddress>, legacy: IpAddress) -> Vec<IpAddress> {
    if ip_addresses.is_empty() && legacy != IpAddress::default() {
        return vec![legacy];
    }
    ip_addresses
}

#[cfg(test)]
mod tests;
