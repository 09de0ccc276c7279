//! `ContainerInfo.DockerInfo` with its parts, `Parameter`.

use super::{Missing, each};
use crate::docker as shape;

/// `DockerInfo.Network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum DockerNetwork {
    /// `HOST`, the default.
    Host = 1,
    /// `BRIDGE`.
    Bridge = 2,
    /// `NONE`.
    None = 3,
    /// `USER`.
    User = 4,
}

/// `DockerInfo.PortMapping`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DockerPortMapping {
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

/// `Parameter`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Parameter {
    /// Required.
    #[prost(string, optional, tag = "1")]
    pub key: Option<String>,
    /// Required.
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}

/// `ContainerInfo.DockerInfo`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DockerInfo {
    /// Required.
    #[prost(string, optional, tag = "1")]
    pub image: Option<String>,
    /// Network mode.
    #[prost(enumeration = "DockerNetwork", optional, tag = "2")]
    pub network: Option<i32>,
    /// Published ports.
    #[prost(message, repeated, tag = "3")]
    pub port_mappings: Vec<DockerPortMapping>,
    /// Extended privileges.
    #[prost(bool, optional, tag = "4")]
    pub privileged: Option<bool>,
    /// Options of `docker run`.
    #[prost(message, repeated, tag = "5")]
    pub parameters: Vec<Parameter>,
    /// Pull even if present.
    #[prost(bool, optional, tag = "6")]
    pub force_pull_image: Option<bool>,
}

impl From<shape::DockerNetwork> for DockerNetwork {
    fn from(network: shape::DockerNetwork) -> Self {
        match network {
            shape::DockerNetwork::Host => Self::Host,
            shape::DockerNetwork::Bridge => Self::Bridge,
            shape::DockerNetwork::None => Self::None,
            shape::DockerNetwork::User => Self::User,
        }
    }
}

impl From<DockerNetwork> for shape::DockerNetwork {
    fn from(network: DockerNetwork) -> Self {
        match network {
            DockerNetwork::Host => Self::Host,
            DockerNetwork::Bridge => Self::Bridge,
            DockerNetwork::None => Self::None,
            DockerNetwork::User => Self::User,
        }
    }
}

impl From<&shape::DockerPortMapping> for DockerPortMapping {
    fn from(mapping: &shape::DockerPortMapping) -> Self {
        Self {
            host_port: Some(mapping.host_port),
            container_port: Some(mapping.container_port),
            protocol: mapping.protocol.clone(),
        }
    }
}

impl TryFrom<DockerPortMapping> for shape::DockerPortMapping {
    type Error = Missing;

    fn try_from(mapping: DockerPortMapping) -> Result<Self, Missing> {
        let missing = |field| Missing::of("DockerInfo.PortMapping", field);
        Ok(Self {
            host_port: mapping.host_port.ok_or_else(missing("host_port"))?,
            container_port: mapping
                .container_port
                .ok_or_else(missing("container_port"))?,
            protocol: mapping.protocol,
        })
    }
}

impl From<&shape::Parameter> for Parameter {
    fn from(parameter: &shape::Parameter) -> Self {
        Self {
            key: Some(parameter.key.clone()),
            value: Some(parameter.value.clone()),
        }
    }
}

impl TryFrom<Parameter> for shape::Parameter {
    type Error = Missing;

    fn try_from(parameter: Parameter) -> Result<Self, Missing> {
        let missing = |field| Missing::of("Parameter", field);
        Ok(Self {
            key: parameter.key.ok_or_else(missing("key"))?,
            value: parameter.value.ok_or_else(missing("value"))?,
        })
    }
}

impl From<&shape::DockerInfo> for DockerInfo {
    fn from(docker: &shape::DockerInfo) -> Self {
        Self {
            image: Some(docker.image.clone()),
            network: Some(DockerNetwork::from(docker.network).into()),
            port_mappings: docker.port_mappings.iter().map(Into::into).collect(),
            privileged: Some(docker.privileged),
            parameters: docker.parameters.iter().map(Into::into).collect(),
            force_pull_image: Some(docker.force_pull_image),
        }
    }
}

impl TryFrom<DockerInfo> for shape::DockerInfo {
    type Error = Missing;

    fn try_from(docker: DockerInfo) -> Result<Self, Missing> {
        let network = docker
            .network
            .and_then(|number| DockerNetwork::try_from(number).ok());
        Ok(Self {
            image: docker
                .image
                .ok_or_else(Missing::of("DockerInfo", "image"))?,
            network: network.map(Into::into).unwrap_or_default(),
            port_mappings: each(docker.port_mappings)?,
            privileged: docker.privileged.unwrap_or_default(),
            parameters: each(docker.parameters)?,
            force_pull_image: docker.force_pull_image.unwrap_or_default(),
        })
    }
}
