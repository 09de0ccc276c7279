//! `Image`: what a native container's file system is made from.

use serde::{Deserialize, Serialize};

/// `Image.Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ImageKind {
    /// 1: an AppC image.
    Appc,
    /// 2: a Docker image.
    Docker,
}

/// `Image`, reduced to what Marathon sends.
///
/// Mesos keeps the name in a message of the kind, so its JSON is
/// `{"type": "DOCKER", "docker": {"name": ".."}, "cached": true}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "ImageForm", into = "ImageForm")]
pub struct Image {
    /// Kind of image.
    pub kind: ImageKind,
    /// Its reference.
    pub name: String,
    /// Whether a copy on the node may be used.
    pub cached: bool,
}

/// `Image` as Mesos writes it.
#[derive(Serialize, Deserialize)]
struct ImageForm {
    #[serde(rename = "type")]
    kind: ImageKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    appc: Option<Named>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    docker: Option<Named>,
    /// Unset means true.
    #[serde(default)]
    cached: Option<bool>,
}

#[derive(Serialize, Deserialize)]
struct Named {
    name: String,
}

impl From<Image> for ImageForm {
    fn from(image: Image) -> Self {
        let named = Some(Named { name: image.name });
        let (appc, docker) = match image.kind {
            ImageKind::Appc => (named, None),
            ImageKind::Docker => (None, named),
        };
        Self {
            kind: image.kind,
            appc,
            docker,
            cached: Some(image.cached),
        }
    }
}

impl TryFrom<ImageForm> for Image {
    type Error = &'static str;

    fn try_from(form: ImageForm) -> Result<Self, Self::Error> {
        let named = match form.kind {
            ImageKind::Appc => form
                .appc
                .ok_or("an image of type APPC needs 'appc' with a name")?,
            ImageKind::Docker => form
                .docker
                .ok_or("an image of type DOCKER needs 'docker' with a name")?,
        };
        Ok(Self {
            kind: form.kind,
            name: named.name,
            cached: form.cached.unwrap_or(true),
        })
    }
}
