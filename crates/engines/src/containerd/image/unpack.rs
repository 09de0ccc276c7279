//! Snapshots: an image's layers unpacked, and a writable one for each container.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use containerd_client::services::v1::snapshots::{
    CommitSnapshotRequest, ListSnapshotsRequest, PrepareSnapshotRequest, RemoveSnapshotRequest,
    StatSnapshotRequest,
};
use containerd_client::services::v1::{self, ApplyRequest, UpdateRequest};
use containerd_client::tonic::Response;
use containerd_client::types::{Descriptor, Mount};
use futures::FutureExt;
use prost_types::FieldMask;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::super::blocking;
use super::super::client::{Absent, Client, exists_already};
use super::super::lease::{Lease, unique};
use super::super::time;
use super::{Base, Image, Layers};
use crate::EngineError;
use crate::hex::hex;

/// A snapshotter of containerd.
#[derive(Debug, Clone)]
pub(in crate::containerd) struct Snapshots {
    client: Client,
    name: String,
    /// Two tasks of one image that start together must not unpack it twice.
    unpacking: Arc<Mutex<()>>,
}

impl Snapshots {
    pub(in crate::containerd) fn new(client: Client, name: String) -> Self {
        Self {
            client,
            name,
            unpacking: Arc::default(),
        }
    }

    /// The snapshotter's name.
    pub(in crate::containerd) fn name(&self) -> &str {
        &self.name
    }

    /// Makes the writable snapshot `key` over the image, unpacking what of it is
    /// not unpacked yet. Returns what has to be mounted to see it.
    pub(in crate::containerd) async fn make(
        &self,
        key: &str,
        image: &Image,
    ) -> Result<Vec<Mount>, EngineError> {
        let top = match &image.base {
            Base::Layers(layers) => {
                let chain = chain(&layers.diff_ids);
                let top = chain.last().cloned().unwrap_or_default();
                if !top.is_empty() && !self.exists(&top).await? {
                    self.unpack(image, layers, &chain).await?;
                }
                top
            }
            Base::Rendered(name) => name.clone(),
        };
        // Without this label containerd's garbage collection could take the snapshot
        // before the container that refers to it is recorded.
        let labels = kept();
        match self
            .prepare(&self.client, key, &top, labels.clone())
            .await?
        {
            Some(mounts) => Ok(mounts),
            None => {
                self.remove(key).await?;
                let mounts = self.prepare(&self.client, key, &top, labels).await?;
                mounts.ok_or_else(|| self.odd(key, "it keeps existing"))
            }
        }
    }

    /// Removes the snapshot `key`; an absent one is fine.
    pub(in crate::containerd) async fn remove(&self, key: &str) -> Result<(), EngineError> {
        let request = RemoveSnapshotRequest {
            snapshotter: self.name.clone(),
            key: key.to_owned(),
        };
        let mut snapshots = self.client.snapshots().await?;
        let action = format!("remove snapshot {key}");
        self.client
            .ask(&action, snapshots.remove(request))
            .await
            .absent()
            .map(drop)
    }

    /// The snapshots whose names begin with `prefix`: what follows it, and when each was
    /// made.
    pub(super) async fn named(
        &self,
        prefix: &str,
    ) -> Result<Vec<(String, SystemTime)>, EngineError> {
        let request = ListSnapshotsRequest {
            snapshotter: self.name.clone(),
            filters: vec![format!("name~=\"^{prefix}\"")],
        };
        let mut snapshots = self.client.snapshots().await?;
        let action = "list snapshots";
        let mut parts = self.client.ask(action, snapshots.list(request)).await?;
        let mut found = Vec::new();
        loop {
            let part = parts.message().map(|part| part.map(Response::new));
            let Some(part) = self.client.ask(action, part).await? else {
                return Ok(found);
            };
            for info in part.info {
                if let Some(rest) = info.name.strip_prefix(prefix) {
                    let seconds = info.created_at.map_or(0, |time| time.seconds);
                    let seconds = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
                    found.push((rest.to_owned(), SystemTime::UNIX_EPOCH + seconds));
                }
            }
        }
    }

    pub(super) async fn exists(&self, key: &str) -> Result<bool, EngineError> {
        let request = StatSnapshotRequest {
            snapshotter: self.name.clone(),
            key: key.to_owned(),
        };
        let mut snapshots = self.client.snapshots().await?;
        let action = format!("look for snapshot {key}");
        Ok(self
            .client
            .ask(&action, snapshots.stat(request))
            .await
            .absent()?
            .is_some())
    }

    /// `None` when there is a snapshot with this key already.
    async fn prepare(
        &self,
        client: &Client,
        key: &str,
        parent: &str,
        labels: HashMap<String, String>,
    ) -> Result<Option<Vec<Mount>>, EngineError> {
        let request = PrepareSnapshotRequest {
            snapshotter: self.name.clone(),
            key: key.to_owned(),
            parent: parent.to_owned(),
            labels,
        };
        let answer = client
            .ask(
                &format!("prepare snapshot {key}"),
                client.snapshots().await?.prepare(request),
            )
            .await;
        if exists_already(&answer) {
            return Ok(None);
        }
        Ok(Some(answer?.mounts))
    }

    async fn unpack(
        &self,
        image: &Image,
        layers: &Layers,
        chain: &[String],
    ) -> Result<(), EngineError> {
        let _alone = self.unpacking.lock().await;
        let lease = Lease::take(&self.client, "unpack").await?;
        let result = self
            .unpack_layers(lease.client(), image, layers, chain)
            .await;
        let released = lease.release().await;
        result.and(released)
    }

    async fn unpack_layers(
        &self,
        client: &Client,
        image: &Image,
        layers: &Layers,
        chain: &[String],
    ) -> Result<(), EngineError> {
        let mut parent = "";
        let stacked = layers.layers.iter().zip(&layers.diff_ids).zip(chain);
        for ((layer, diff_id), name) in stacked {
            if !self.exists(name).await? {
                let layer = Descriptor {
                    media_type: layer.media_type.clone(),
                    digest: layer.digest.clone(),
                    size: layer.size,
                    annotations: HashMap::new(),
                };
                let key = format!("unpack-{}-{name}", unique());
                let unpacked = self.unpack_layer(client, layer, parent, &key).await;
                let kept = match unpacked.map(|found| found == *diff_id) {
                    Ok(true) => self.commit_layer(client, &key, name).await,
                    Ok(false) => Err(EngineError::BadImage {
                        image: image.name.clone(),
                        detail: format!("one of its layers does not unpack to {diff_id}"),
                    }),
                    Err(error) => Err(error),
                };
                if kept.is_err() {
                    self.remove(&key).await?;
                }
                kept?;
            }
            parent = name;
        }
        // The image's configuration refers to its unpacked layers, so that they stay
        // as long as the image does.
        let label = format!("containerd.io/gc.ref.snapshot.{}", self.name);
        let info = v1::Info {
            digest: layers.config_digest.clone(),
            labels: HashMap::from([(label.clone(), parent.to_owned())]),
            ..v1::Info::default()
        };
        let mask = FieldMask {
            paths: vec![format!("labels.{label}")],
        };
        let request = UpdateRequest {
            info: Some(info),
            update_mask: Some(mask),
        };
        let action = format!("keep the layers of {}", image.name);
        client
            .ask(&action, client.content().await?.update(request))
            .await?;
        Ok(())
    }

    /// Unpacks a layer into the snapshot `key` and tells the digest of what came out of it.
    async fn unpack_layer(
        &self,
        client: &Client,
        layer: Descriptor,
        parent: &str,
        key: &str,
    ) -> Result<String, EngineError> {
        let action = format!("unpack layer {}", layer.digest);
        let Some(mounts) = self.prepare(client, key, parent, HashMap::new()).await? else {
            return Err(self.odd(key, "its key is taken"));
        };
        let request = ApplyRequest {
            diff: Some(layer),
            mounts,
            ..ApplyRequest::default()
        };
        let applied = client
            .ask(&action, client.diff().await?.apply(request))
            .await?;
        Ok(applied.applied.unwrap_or_default().digest)
    }

    /// Names an unpacked layer by what it is, once it is known to be that: whoever has
    /// the same layer makes containers of this snapshot.
    async fn commit_layer(
        &self,
        client: &Client,
        key: &str,
        name: &str,
    ) -> Result<(), EngineError> {
        let commit = CommitSnapshotRequest {
            snapshotter: self.name.clone(),
            name: name.to_owned(),
            key: key.to_owned(),
            labels: HashMap::new(),
        };
        let mut snapshots = client.snapshots().await?;
        let action = format!("keep layer {name}");
        let committed = client.ask(&action, snapshots.commit(commit)).await;
        // Somebody else, such as a `ctr images import`, may have been quicker.
        if exists_already(&committed) {
            return self.remove(key).await;
        }
        Ok(committed.map(drop)?)
    }

    /// Makes the snapshot `name` out of nothing but what `write` puts into its directory,
    /// unless it is there. Until it is whole it has another name, and goes after a crash
    /// with the lease.
    pub(in crate::containerd) async fn render<E: From<EngineError> + Send + 'static>(
        &self,
        name: &str,
        write: impl FnOnce(PathBuf) -> Result<(), E> + Send + 'static,
    ) -> Result<(), E> {
        if self.exists(name).await? {
            return Ok(());
        }
        let lease = Lease::take(&self.client, "render").await?;
        let key = format!("render-{}-{name}", unique());
        let result = self.render_as(lease.client(), &key, name, write).await;
        if result.is_err() {
            self.remove(&key).await?;
        }
        lease.release().await?;
        result
    }

    async fn render_as<E: From<EngineError> + Send + 'static>(
        &self,
        client: &Client,
        key: &str,
        name: &str,
        write: impl FnOnce(PathBuf) -> Result<(), E> + Send + 'static,
    ) -> Result<(), E> {
        let mounts = self.prepare(client, key, "", HashMap::new()).await?;
        let directory = match mounts.as_deref() {
            Some([mount]) if mount.r#type == "bind" => PathBuf::from(&mount.source),
            _ => {
                let text = "its snapshots are no directories; use overlayfs or native";
                return Err(self.odd(key, text).into());
            }
        };
        blocking(move || write(directory)).await??;
        let commit = CommitSnapshotRequest {
            snapshotter: self.name.clone(),
            name: name.to_owned(),
            key: key.to_owned(),
            labels: kept(),
        };
        let mut snapshots = client.snapshots().await?;
        let action = format!("keep snapshot {name}");
        let committed = client.ask(&action, snapshots.commit(commit)).await;
        if exists_already(&committed) {
            // Another daemon on this containerd was quicker.
            return Ok(self.remove(key).await?);
        }
        Ok(committed.map(drop).map_err(EngineError::from)?)
    }

    fn odd(&self, key: &str, detail: &str) -> EngineError {
        EngineError::Failed {
            engine: super::super::client::ENGINE,
            action: format!("prepare {key} with snapshotter {}", self.name),
            detail: detail.to_owned(),
        }
    }
}

/// A label that keeps a snapshot to which nothing else of containerd refers.
fn kept() -> HashMap<String, String> {
    HashMap::from([("containerd.io/gc.root".to_owned(), time::now().to_string())])
}

/// Names of the snapshots of a stack of layers (OCI image-spec, "Layer ChainID").
fn chain(diff_ids: &[String]) -> Vec<String> {
    let mut chain: Vec<String> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let id = match chain.last() {
            None => diff_id.clone(),
            Some(below) => format!(
                "sha256:{}",
                hex(&Sha256::digest(format!("{below} {diff_id}")))
            ),
        };
        chain.push(id);
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_hash_what_is_below() {
        let layer = |digit: &str| format!("sha256:{}", digit.repeat(64));
        let ids = chain(&[layer("a"), layer("b")]);
        assert_eq!(ids[0], layer("a"));
        // sha256sum of "sha256:aa… sha256:bb…"
        assert_eq!(
            ids[1],
            "sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c"
        );
        assert!(chain(&[]).is_empty());
    }
}
