//! `ContainerInfo` with its parts, `Volume`.

use super::docker::DockerInfo;
use super::image::Image;
use super::network::NetworkInfo;
use super::{Missing, each};
use crate::container as shape;

/// `ContainerInfo.Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ContainerType {
    /// `DOCKER`.
    Docker = 1,
    /// `MESOS`.
    Mesos = 2,
}

/// `Volume.Mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum VolumeMode {
    /// `RW`.
    Rw = 1,
    /// `RO`.
    Ro = 2,
}

/// `Volume`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Volume {
    /// Required.
    #[prost(string, optional, tag = "1")]
    pub container_path: Option<String>,
    /// Path on the host.
    #[prost(string, optional, tag = "2")]
    pub host_path: Option<String>,
    /// Required.
    #[prost(enumeration = "VolumeMode", optional, tag = "3")]
    pub mode: Option<i32>,
}

/// `ContainerInfo.MesosInfo`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MesosInfo {
    /// The image.
    #[prost(message, optional, tag = "1")]
    pub image: Option<Image>,
}

/// `ContainerInfo`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ContainerInfo {
    /// Required: the field `type`.
    #[prost(enumeration = "ContainerType", optional, tag = "1")]
    pub kind: Option<i32>,
    /// Volumes.
    #[prost(message, repeated, tag = "2")]
    pub volumes: Vec<Volume>,
    /// For `DOCKER`.
    #[prost(message, optional, tag = "3")]
    pub docker: Option<DockerInfo>,
    /// Host name.
    #[prost(string, optional, tag = "4")]
    pub hostname: Option<String>,
    /// For `MESOS`.
    #[prost(message, optional, tag = "5")]
    pub mesos: Option<MesosInfo>,
    /// Networks.
    #[prost(message, repeated, tag = "7")]
    pub network_infos: Vec<NetworkInfo>,
}

impl From<&shape::Volume> for Volume {
    fn from(volume: &shape::Volume) -> Self {
        let mode = match volume.mode {
            shape::VolumeMode::Rw => VolumeMode::Rw,
            shape::VolumeMode::Ro => VolumeMode::Ro,
        };
        Self {
            container_path: Some(volume.container_path.clone()),
            host_path: volume.host_path.clone(),
            mode: Some(mode.into()),
        }
    }
}

impl TryFrom<Volume> for shape::Volume {
    type Error = Missing;

    fn try_from(volume: Volume) -> Result<Self, Missing> {
        let missing = |field| Missing::of("Volume", field);
        let mode = volume
            .mode
            .and_then(|number| VolumeMode::try_from(number).ok());
        Ok(Self {
            mode: match mode.ok_or_else(missing("mode"))? {
                VolumeMode::Rw => shape::VolumeMode::Rw,
                VolumeMode::Ro => shape::VolumeMode::Ro,
            },
            container_path: volume
                .container_path
                .ok_or_else(missing("container_path"))?,
            host_path: volume.host_path,
        })
    }
}

impl From<&shape::MesosInfo> for MesosInfo {
    fn from(mesos: &shape::MesosInfo) -> Self {
        Self {
            image: mesos.image.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<MesosInfo> for shape::MesosInfo {
    type Error = Missing;

    fn try_from(mesos: MesosInfo) -> Result<Self, Missing> {
        Ok(Self {
            image: mesos.image.map(TryInto::try_into).transpose()?,
        })
    }
}

impl From<&shape::ContainerInfo> for ContainerInfo {
    fn from(info: &shape::ContainerInfo) -> Self {
        let kind = match info.kind {
            shape::ContainerType::Docker => ContainerType::Docker,
            shape::ContainerType::Mesos => ContainerType::Mesos,
        };
        Self {
            kind: Some(kind.into()),
            volumes: info.volumes.iter().map(Into::into).collect(),
            docker: info.docker.as_ref().map(Into::into),
            hostname: info.hostname.clone(),
            mesos: info.mesos.as_ref().map(Into::into),
            network_infos: info.network_infos.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<ContainerInfo> for shape::ContainerInfo {
    type Error = Missing;

    fn try_from(info: ContainerInfo) -> Result<Self, Missing> {
        let kind = info
            .kind
            .and_then(|number| ContainerType::try_from(number).ok());
        Ok(Self {
            kind: match kind.ok_or_else(Missing::of("ContainerInfo", "type"))? {
                ContainerType::Docker => shape::ContainerType::Docker,
                ContainerType::Mesos => shape::ContainerType::Mesos,
            },
            volumes: each(info.volumes)?,
            hostname: info.hostname,
            docker: info.docker.map(TryInto::try_into).transpose()?,
            mesos: info.mesos.map(TryInto::try_into).transpose()?,
            network_infos: each(info.network_infos)?,
        })
    }
}
