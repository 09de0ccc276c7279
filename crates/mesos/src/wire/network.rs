//! `NetworkInfo` with its parts, `Labels`, `Label`.

use super::{Missing, each};
use crate::network as shape;

/// `NetworkInfo.Protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum IpProtocol {
    /// `IPv4`.
    IPv4 = 1,
    /// `IPv6`.
    IPv6 = 2,
}

/// `NetworkInfo.IPAddress`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct IpAddress {
    /// Family.
    #[prost(enumeration = "IpProtocol", optional, tag = "1")]
    pub protocol: Option<i32>,
    /// Address as text.
    #[prost(string, optional, tag = "2")]
    pub ip_address: Option<String>,
}

/// `Label`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Label {
    /// Required.
    #[prost(string, optional, tag = "1")]
    pub key: Option<String>,
    /// The value.
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}

/// `Labels`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Labels {
    /// The labels.
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
}

/// `NetworkInfo.PortMapping`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PortMapping {
    /// Required.
    #[prost(uint32, optional, tag = "1")]
    pub host_port: Option<u32>,
    /// Required.
    #[prost(uint32, optional, tag = "2")]
    pub container_port: Option<u32>,
    /// `tcp` or `udp`.
    #[prost(string, optional, tag = "3")]
    pub protocol: Option<String>,
}

/// `NetworkInfo`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NetworkInfo {
    /// Mesos 0.25 only; read, never written.
    #[prost(enumeration = "IpProtocol", optional, tag = "1")]
    pub legacy_protocol: Option<i32>,
    /// Mesos 0.25 only; read, never written.
    #[prost(string, optional, tag = "2")]
    pub legacy_ip_address: Option<String>,
    /// Groups.
    #[prost(string, repeated, tag = "3")]
    pub groups: Vec<String>,
    /// Labels.
    #[prost(message, optional, tag = "4")]
    pub labels: Option<Labels>,
    /// Addresses; new in Mesos 0.26.
    #[prost(message, repeated, tag = "5")]
    pub ip_addresses: Vec<IpAddress>,
    /// The network's name; new in Mesos 1.0.
    #[prost(string, optional, tag = "6")]
    pub name: Option<String>,
    /// Port mappings; new in Mesos 1.1.
    #[prost(message, repeated, tag = "7")]
    pub port_mappings: Vec<PortMapping>,
}

impl From<shape::IpProtocol> for IpProtocol {
    fn from(protocol: shape::IpProtocol) -> Self {
        match protocol {
            shape::IpProtocol::IPv4 => Self::IPv4,
            shape::IpProtocol::IPv6 => Self::IPv6,
        }
    }
}

impl From<IpProtocol> for shape::IpProtocol {
    fn from(protocol: IpProtocol) -> Self {
        match protocol {
            IpProtocol::IPv4 => Self::IPv4,
            IpProtocol::IPv6 => Self::IPv6,
        }
    }
}

impl From<&shape::IpAddress> for IpAddress {
    fn from(address: &shape::IpAddress) -> Self {
        Self {
            protocol: address.protocol.map(|it| IpProtocol::from(it).into()),
            ip_address: address.ip_address.clone(),
        }
    }
}

impl From<IpAddress> for shape::IpAddress {
    fn from(address: IpAddress) -> Self {
        let known = address
            .protocol
            .and_then(|number| IpProtocol::try_from(number).ok());
        Self {
            protocol: known.map(Into::into),
            ip_address: address.ip_address,
        }
    }
}

impl From<&shape::Labels> for Labels {
    fn from(labels: &shape::Labels) -> Self {
        let label = |it: &shape::Label| Label {
            key: Some(it.key.clone()),
            value: it.value.clone(),
        };
        Self {
            labels: labels.labels.iter().map(label).collect(),
        }
    }
}

impl TryFrom<Label> for shape::Label {
    type Error = Missing;

    fn try_from(label: Label) -> Result<Self, Missing> {
        Ok(Self {
            key: label.key.ok_or_else(Missing::of("Label", "key"))?,
            value: label.value,
        })
    }
}

impl TryFrom<Labels> for shape::Labels {
    type Error = Missing;

    fn try_from(labels: Labels) -> Result<Self, Missing> {
        Ok(Self {
            labels: each(labels.labels)?,
        })
    }
}

impl From<&shape::PortMapping> for PortMapping {
    fn from(mapping: &shape::PortMapping) -> Self {
        Self {
            host_port: Some(mapping.host_port),
            container_port: Some(mapping.container_port),
            protocol: mapping.protocol.clone(),
        }
    }
}

impl TryFrom<PortMapping> for shape::PortMapping {
    type Error = Missing;

    fn try_from(mapping: PortMapping) -> Result<Self, Missing> {
        let missing = |field| Missing::of("NetworkInfo.PortMapping", field);
        Ok(Self {
            host_port: mapping.host_port.ok_or_else(missing("host_port"))?,
            container_port: mapping
                .container_port
                .ok_or_else(missing("container_port"))?,
            protocol: mapping.protocol,
        })
    }
}

impl From<&shape::NetworkInfo> for NetworkInfo {
    fn from(network: &shape::NetworkInfo) -> Self {
        Self {
            legacy_protocol: None,
            legacy_ip_address: None,
            groups: network.groups.clone(),
            labels: (!network.labels.is_empty()).then(|| (&network.labels).into()),
            ip_addresses: network.ip_addresses.iter().map(Into::into).collect(),
            name: network.name.clone(),
            port_mappings: network.port_mappings.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<NetworkInfo> for shape::NetworkInfo {
    type Error = Missing;

    fn try_from(network: NetworkInfo) -> Result<Self, Missing> {
        let legacy = IpAddress {
            protocol: network.legacy_protocol,
            ip_address: network.legacy_ip_address,
        };
        let addresses = network.ip_addresses.into_iter().map(Into::into).collect();
        Ok(Self {
            ip_addresses: shape::with_legacy(addresses, legacy.into()),
            name: network.name,
            groups: network.groups,
            labels: network
                .labels
                .map(TryInto::try_into)
                .transpose()?
                .unwrap_or_default(),
            port_mappings: each(network.port_mappings)?,
        })
    }
}
