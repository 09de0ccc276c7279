//! Images: finding one in containerd's store or elsewhere, and making it a root file
//! system.

mod appc;
mod content;
mod manifest;
mod pull;
mod reference;
mod unpack;

use containerd_client::services::v1::{GetImageRequest, ReadContentRequest};
use serde::de::DeserializeOwned;

use super::client::{Absent, Client};
use crate::EngineError;
use manifest::{Config, Descriptor, Document, Manifest, is_digest};

pub(super) use manifest::RunConfig;
#[cfg(test)]
pub(super) use manifest::document;
pub(super) use pull::Puller;
#[cfg(test)]
pub(super) use reference::candidates;
pub(super) use unpack::Snapshots;

/// Indexes may lead to indexes; real ones do so once.
const DEPTH: usize = 4;
/// Documents of an image are some kilobytes; what is longer is none.
const DOCUMENT_LIMIT: i64 = 8 * 1024 * 1024;

/// An image that is on this node.
#[derive(Debug, Clone)]
pub(super) struct Image {
    /// Its name in containerd.
    pub(super) name: String,
    /// How it wants to be run.
    pub(super) run: RunConfig,
    base: Base,
}

/// What an image's files come from.
#[derive(Debug, Clone)]
enum Base {
    /// Layers that containerd has and unpacks.
    Layers(Layers),
    /// A snapshot that was written here.
    Rendered(String),
}

/// The layers of an image, the lowest first.
#[derive(Debug, Clone)]
struct Layers {
    config_digest: String,
    diff_ids: Vec<String>,
    layers: Vec<Descriptor>,
}

impl Image {
    /// Finds an image by the reference a task gives; `None` when containerd has none.
    ///
    /// # Errors
    /// [`EngineError::Image`] when it is broken.
    async fn find(client: &Client, reference: &str) -> Result<Option<Self>, EngineError> {
        let broken = |detail: String| EngineError::Image {
            image: reference.to_owned(),
            detail,
        };
        let Some((name, target)) = look_up(client, reference).await? else {
            return Ok(None);
        };
        let manifest = manifest(client, target, &broken).await?;
        let config: Config = parsed(client, &manifest.config.digest, &broken).await?;
        if config.rootfs.diff_ids.len() != manifest.layers.len() {
            return Err(broken(format!(
                "its manifest has {} layers and its configuration {}",
                manifest.layers.len(),
                config.rootfs.diff_ids.len()
            )));
        }
        // They name snapshots, and not all snapshots are layers.
        let odd = config.rootfs.diff_ids.iter().find(|id| !is_digest(id));
        if let Some(odd) = odd {
            let shown: String = odd.escape_debug().take(100).collect();
            return Err(broken(format!(
                "its configuration names a layer '{shown}', which is no sha256 digest"
            )));
        }
        Ok(Some(Self {
            name,
            run: config.config,
            base: Base::Layers(Layers {
                config_digest: manifest.config.digest,
                diff_ids: config.rootfs.diff_ids,
                layers: manifest.layers,
            }),
        }))
    }
}

/// The image's full name and the digest of its index or manifest.
async fn look_up(
    client: &Client,
    reference: &str,
) -> Result<Option<(String, String)>, EngineError> {
    for name in reference::candidates(reference) {
        let action = format!("look for image {name}");
        let request = GetImageRequest { name };
        let answer = client
            .ask(&action, client.images().await?.get(request))
            .await
            .absent()?;
        if let Some(image) = answer.and_then(|answer| answer.image)
            && let Some(target) = image.target
        {
            return Ok(Some((image.name, target.digest)));
        }
    }
    Ok(None)
}

async fn manifest(
    client: &Client,
    mut digest: String,
    broken: &impl Fn(String) -> EngineError,
) -> Result<Manifest, EngineError> {
    for _ in 0..DEPTH {
        let bytes = read(client, &digest, broken).await?;
        match manifest::document(&bytes)
            .map_err(|problem| broken(format!("{digest}: {problem}")))?
        {
            Document::Manifest(manifest) => return Ok(manifest),
            Document::Index(descriptor) => digest = descriptor.digest,
        }
    }
    Err(broken(format!(
        "its indexes are nested more than {DEPTH} deep"
    )))
}

async fn parsed<T: DeserializeOwned>(
    client: &Client,
    digest: &str,
    broken: &impl Fn(String) -> EngineError,
) -> Result<T, EngineError> {
    let bytes = read(client, digest, broken).await?;
    serde_json::from_slice(&bytes).map_err(|error| broken(format!("{digest}: {error}")))
}

async fn read(
    client: &Client,
    digest: &str,
    broken: &impl Fn(String) -> EngineError,
) -> Result<Vec<u8>, EngineError> {
    let action = format!("read {digest}");
    let missing = || {
        broken(format!(
            "its part {digest} is missing; import the image again, with all platforms"
        ))
    };
    let request = ReadContentRequest {
        digest: digest.to_owned(),
        offset: 0,
        size: 0,
    };
    let mut content = client.content().await?;
    let Some(mut parts) = client.ask(&action, content.read(request)).await.absent()? else {
        return Err(missing());
    };
    let mut bytes = Vec::new();
    loop {
        match parts.message().await {
            Ok(Some(part)) => bytes.extend_from_slice(&part.data),
            Ok(None) => return Ok(bytes),
            // containerd opens the content only after it has accepted the request.
            Err(status) => {
                let refused = Err::<(), _>(client.refused(&action, &status));
                return Err(refused.absent().err().unwrap_or_else(missing));
            }
        }
        if bytes.len() as i64 > DOCUMENT_LIMIT {
            return Err(broken(format!(
                "its part {digest} is longer than {DOCUMENT_LIMIT} bytes"
            )));
        }
    }
}
