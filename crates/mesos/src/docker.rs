//! `ContainerInfo.DockerInfo` and its parts.

use serde::{Deserialize, Serialize};

use crate::json::{known_literal_or_default, null_as_default};

/// `DockerInfo.Network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DockerNetwork {
    /// 1: the host's network; the default.
    #[default]
    Host,
    /// 2: Docker's default bridge.
    Bridge,
    /// 3: loopback only.
    None,
    /// 4: the Docker network named by `network_infos[0].name`.
    User,
}

/// `DockerInfo.PortMapping`; not the same message as [`crate::PortMapping`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DockerPortMapping {
    /// Port on the host.
    pub host_port: u32,
    /// Port inside the container.
    pub container_port: u32,
    /// `tcp` or `udp`; absent means tcp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
}

/// `Parameter`: an option of `docker run`, without the leading dashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Parameter {
    /// Name of the option.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// `ContainerInfo.DockerInfo`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct DockerInfo {
    /// Image reference.
    pub image: String,
    /// Network mode; absent means HOST.
    #[serde(default, deserialize_with = "known_literal_or_default")]
    pub network: DockerNetwork,
    /// Published ports, for BRIDGE and USER.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub port_mappings: Vec<DockerPortMapping>,
    /// Extended privileges for the container.
    #[serde(default, deserialize_with = "null_as_default")]
    pub privileged: bool,
    /// More options of `docker run`.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub parameters: Vec<Parameter>,
    /// Pull the image even if it is present.
    #[serde(default, deserialize_with = "null_as_default")]
    pub force_pull_image: bool,
}
