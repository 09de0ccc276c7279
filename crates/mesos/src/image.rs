//! `Image`: what a native container's file system is made from.

use serde::{Deserialize, Serialize};

use crate::json::null_as_default;
use crate::network::Labels;

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
/// Mesos keeps what names an image in a message of the kind, so its JSON is
/// `{"type": "DOCKER", "docker": {"name": ".."}, "cached": true}` or
/// `{"type": "APPC", "appc": {"name": "..", "id": "sha512-..", "labels": {..}}}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "ImageForm", into = "ImageForm")]
pub struct Image {
    /// Kind of image.
    pub kind: ImageKind,
    /// Its reference.
    pub name: String,
    /// Hash of an AppC image, `sha512-..`; absent for every other kind.
    pub id: Option<String>,
    /// What else tells an AppC image from others of its name, such as `version`; empty
    /// for every other kind.
    pub labels: Labels,
    /// Whether a copy on the node may be used.
    pub cached: bool,
}

impl Image {
    /// A Docker image, of which a copy on the node may be used.
    #[must_use]
    pub fn docker(name: impl Into<String>) -> Self {
        Self {
            kind: ImageKind::Docker,
            name: name.into(),
            id: None,
            labels: Labels::default(),
            cached: true,
        }
    }

    /// An AppC image, of which a copy on the node may be used.
    #[must_use]
    pub fn appc(name: impl Into<String>) -> Self {
        Self {
            kind: ImageKind::Appc,
            ..Self::docker(name)
        }
    }
}

/// `Image` as Mesos writes it.
#[derive(Serialize, Deserialize)]
struct ImageForm {
    #[serde(rename = "type")]
    kind: ImageKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    appc: Option<AppcForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    docker: Option<DockerForm>,
    /// Unset means true.
    #[serde(default)]
    cached: Option<bool>,
}

#[derive(Serialize, Deserialize)]
struct AppcForm {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Labels::is_empty"
    )]
    labels: Labels,
}

#[derive(Serialize, Deserialize)]
struct DockerForm {
    name: String,
}

impl From<Image> for ImageForm {
    fn from(image: Image) -> Self {
        let name = image.name;
        let (appc, docker) = match image.kind {
            ImageKind::Appc => {
                let (id, labels) = (image.id, image.labels);
                (Some(AppcForm { name, id, labels }), None)
            }
            ImageKind::Docker => (None, Some(DockerForm { name })),
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
        let cached = form.cached.unwrap_or(true);
        match form.kind {
            ImageKind::Appc => {
                let appc = form
                    .appc
                    .ok_or("an image of type APPC needs 'appc' with a name")?;
                Ok(Self {
                    id: appc.id,
                    labels: appc.labels,
                    cached,
                    ..Self::appc(appc.name)
                })
            }
            ImageKind::Docker => {
                let docker = form
                    .docker
                    .ok_or("an image of type DOCKER needs 'docker' with a name")?;
                Ok(Self {
                    cached,
                    ..Self::docker(docker.name)
                })
            }
        }
    }
}
