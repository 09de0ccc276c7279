//! `Image`.

use super::{Labels, Missing};
use crate::image as shape;

/// `Image.Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ImageKind {
    /// `APPC`.
    Appc = 1,
    /// `DOCKER`.
    Docker = 2,
}

/// `Image.Appc`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AppcImage {
    /// Required.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// Hash of the unpacked archive.
    #[prost(string, optional, tag = "2")]
    pub id: Option<String>,
    /// Version, system and the like.
    #[prost(message, optional, tag = "3")]
    pub labels: Option<Labels>,
}

/// `Image.Docker`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DockerImage {
    /// Required.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
}

/// `Image`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Image {
    /// Required: the field `type`.
    #[prost(enumeration = "ImageKind", optional, tag = "1")]
    pub kind: Option<i32>,
    /// For `APPC`.
    #[prost(message, optional, tag = "2")]
    pub appc: Option<AppcImage>,
    /// For `DOCKER`.
    #[prost(message, optional, tag = "3")]
    pub docker: Option<DockerImage>,
    /// Unset means true.
    #[prost(bool, optional, tag = "4")]
    pub cached: Option<bool>,
}

impl From<&shape::Image> for Image {
    fn from(image: &shape::Image) -> Self {
        let name = Some(image.name.clone());
        let (kind, appc, docker) = match image.kind {
            shape::ImageKind::Appc => {
                let labels = &image.labels;
                let appc = AppcImage {
                    name,
                    id: image.id.clone(),
                    labels: (!labels.is_empty()).then(|| labels.into()),
                };
                (ImageKind::Appc, Some(appc), None)
            }
            shape::ImageKind::Docker => (ImageKind::Docker, None, Some(DockerImage { name })),
        };
        Self {
            kind: Some(kind.into()),
            appc,
            docker,
            cached: Some(image.cached),
        }
    }
}

impl TryFrom<Image> for shape::Image {
    type Error = Missing;

    fn try_from(image: Image) -> Result<Self, Missing> {
        let kind = image
            .kind
            .and_then(|number| ImageKind::try_from(number).ok());
        let missing = |field| Missing::of("Image", field);
        let cached = image.cached.unwrap_or(true);
        match kind.ok_or_else(missing("type"))? {
            ImageKind::Appc => {
                let appc = image.appc.unwrap_or_default();
                Ok(Self {
                    id: appc.id,
                    labels: appc.labels.unwrap_or_default().try_into()?,
                    cached,
                    ..Self::appc(appc.name.ok_or_else(missing("appc"))?)
                })
            }
            ImageKind::Docker => {
                let docker = image.docker.unwrap_or_default();
                Ok(Self {
                    cached,
                    ..Self::docker(docker.name.ok_or_else(missing("docker"))?)
                })
            }
        }
    }
}
