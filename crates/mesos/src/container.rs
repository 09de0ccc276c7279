//! `ContainerInfo`: which engine runs a task, from what, on which networks.

use serde::{Deserialize, Serialize};

use crate::docker::DockerInfo;
use crate::image::Image;
use crate::json::null_as_default;
use crate::network::NetworkInfo;

/// `ContainerInfo.Type`: the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ContainerType {
    /// 1: dockerd.
    Docker,
    /// 2: the native engine, containerd here.
    Mesos,
}

/// `Volume.Mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VolumeMode {
    /// 1: read and write.
    Rw,
    /// 2: read only.
    Ro,
}

/// `Volume`: a host path seen inside the container.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Volume {
    /// Access.
    pub mode: VolumeMode,
    /// Absolute path inside the container.
    pub container_path: String,
    /// Path on the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_path: Option<String>,
}

/// `ContainerInfo.MesosInfo`: image of a native container.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct MesosInfo {
    /// Absent: the command runs on the host's file system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
}

/// `ContainerInfo`: engine, image and networks of a task.
///
/// Mesos' rules for `network_infos` (docs/cni.md and the isolator): an entry
/// without a name is skipped, so a native container with none named is on the
/// host's network; a name may appear once; interfaces are eth0, eth1 … in the
/// order of the named entries. Docker reads the first entry's name, for USER only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContainerInfo {
    /// The engine.
    #[serde(rename = "type")]
    pub kind: ContainerType,
    /// Host paths.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub volumes: Vec<Volume>,
    /// Host name inside the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// For [`ContainerType::Docker`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker: Option<DockerInfo>,
    /// For [`ContainerType::Mesos`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesos: Option<MesosInfo>,
    /// Networks to join.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub network_infos: Vec<NetworkInfo>,
}

impl ContainerInfo {
    /// A native container on the host's network and file system.
    #[must_use]
    pub fn native() -> Self {
        Self {
            kind: ContainerType::Mesos,
            volumes: Vec::new(),
            hostname: None,
            docker: None,
            mesos: None,
            network_infos: Vec::new(),
        }
    }

    /// The networks that have a name, in order: what a native container joins.
    pub fn named_networks(&self) -> impl Iterator<Item = &NetworkInfo> {
        self.network_infos
            .iter()
            .filter(|network| network.name.is_some())
    }
}
