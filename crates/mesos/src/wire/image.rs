//! `Image`.

use super::Missing;
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

/// `Image.Appc` and `Image.Docker`, which have their first field in common.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NamedImage {
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
    pub appc: Option<NamedImage>,
    /// For `DOCKER`.
    #[prost(message, optional, tag = "3")]
    pub docker: Option<NamedImage>,
    /// Unset means true.
    #[prost(bool, optional, tag = "4")]
    pub cached: Option<bool>,
}

impl From<&shape::Image> for Image {
    fn from(image: &shape::Image) -> Self {
        let named = Some(NamedImage {
            name: Some(image.name.clone()),
        });
        let (kind, appc, docker) = match image.kind {
            shape::ImageKind::Appc => (ImageKind::Appc, named, None),
            shape::ImageKind::Docker => (ImageKind::Docker, None, named),
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
        let (kind, named, field) = match kind.ok_or_else(Missing::of("Image", "type"))? {
            ImageKind::Appc => (shape::ImageKind::Appc, image.appc, "appc"),
            ImageKind::Docker => (shape::ImageKind::Docker, image.docker, "docker"),
        };
        let name = named
            .and_then(|it| it.name)
            .ok_or_else(Missing::of("Image", field))?;
        Ok(Self {
            kind,
            name,
            cached: image.cached.unwrap_or(true),
        })
    }
}
