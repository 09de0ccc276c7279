//! Pulling images from registries into containerd's store.
//!
//! containerd 1.6 has no service for that, its clients pull themselves. Documents and
//! blobs go where `ctr` and others would put them, so that either finds what the other
//! pulled: one copy of each for all of the node.

mod blob;
mod document;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use containerd_client::services::v1::{CreateImageRequest, Image as Record, UpdateImageRequest};
use containerd_client::types::Descriptor as Target;
use futures::stream::{StreamExt, TryStreamExt};
use mesos::Image as Wish;
use prost_types::FieldMask;
use tokio::sync::Semaphore;

use super::super::client::{Client, exists_already};
use super::super::lease::Lease;
use super::{Image, content, reference};
use crate::EngineError;
use crate::fetch::Fetcher;
use crate::images::ImageOptions;
use crate::progress::Progress;
use crate::registry::{Document, RegistryError, RegistryName, Repository};
use crate::turns::Turns;
use document::Found;

/// Parts of one image that are fetched side by side.
const AT_ONCE: usize = 3;
/// Parts of all images that are fetched side by side.
const AT_ONCE_IN_ALL: usize = 6;
/// How often something is tried.
const ATTEMPTS: u32 = 4;
/// The wait before the second attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Why an image was not pulled.
#[derive(Debug, thiserror::Error)]
pub(super) enum PullError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// containerd.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What was fetched has another digest than it should, namely this one.
    #[error("it has the digest {0}")]
    Digest(String),
    /// Somebody else fetches the same.
    #[error("somebody else is fetching the same part and does not end")]
    Busy,
}

impl PullError {
    fn is_passing(&self) -> bool {
        match self {
            Self::Registry(error) => error.is_passing(),
            Self::Busy => true,
            Self::Engine(_) | Self::Digest(_) => false,
        }
    }
}

impl From<crate::fetch::FetchError> for PullError {
    fn from(error: crate::fetch::FetchError) -> Self {
        Self::Registry(error.into())
    }
}

/// Finds Docker images in containerd's store, and pulls those that are not there.
#[derive(Debug, Clone)]
pub(in crate::containerd) struct Puller {
    client: Client,
    options: Arc<ImageOptions>,
    slots: Arc<Semaphore>,
    turns: Turns,
    /// Leases of pulls that have not ended well, by the images' names: what came so far
    /// stays under them for the next attempt.
    unfinished: Arc<Mutex<HashMap<String, Lease>>>,
}

impl Puller {
    pub(in crate::containerd) fn new(client: Client, options: &ImageOptions) -> Self {
        Self {
            client,
            options: Arc::new(options.clone()),
            slots: Arc::new(Semaphore::new(AT_ONCE_IN_ALL)),
            turns: Turns::default(),
            unfinished: Arc::default(),
        }
    }

    /// The image that a task asks for. A copy that is whole serves unless the task wants
    /// none; whatever a pull begins, the next one goes on with.
    ///
    /// # Errors
    /// [`EngineError::Image`] says why it could not be pulled.
    pub(in crate::containerd) async fn obtain(
        &self,
        wish: &Wish,
        progress: &Progress,
    ) -> Result<Image, EngineError> {
        if wish.cached
            && let Ok(Some(image)) = Image::find(&self.client, &wish.name).await
        {
            return Ok(image);
        }
        let full = reference::full(&wish.name);
        let _turn = self.turns.take(&full).await;
        let known = Image::find(&self.client, &wish.name).await;
        let broken = match known {
            Ok(Some(image)) if wish.cached => return Ok(image),
            Err(error @ EngineError::Unavailable { .. }) => return Err(error),
            Ok(_) => None,
            Err(error) => Some(error),
        };
        let failed = |detail: String| EngineError::Image {
            image: wish.name.clone(),
            detail,
        };
        if let Err(error) = self.pull(&full, progress).await {
            return Err(match (error, broken) {
                (PullError::Engine(error), _) => error,
                (error, None) => failed(crate::error::chain(&error)),
                (error, Some(broken)) => failed(format!("{error}, and the copy here: {broken}")),
            });
        }
        progress.doing(format!("unpacking image {}", wish.name));
        let pulled = Image::find(&self.client, &full).await?;
        pulled.ok_or_else(|| failed("it was removed while it was pulled".to_owned()))
    }

    async fn pull(&self, full: &str, progress: &Progress) -> Result<(), PullError> {
        let name = RegistryName::new(full, &self.options.insecure_registries)?;
        let fetcher = Fetcher {
            certificates: self.options.certificates.clone(),
        };
        let repository = Repository::new(name, fetcher, self.options.credentials.clone());
        progress.doing(format!(
            "asking {} for image {full}",
            repository.name().registry()
        ));
        // Whatever is made before the image refers to it would be garbage.
        let lease = self.lease(full).await?;
        let pulled = self.pull_leased(lease.client(), &repository, full, progress);
        match pulled.await {
            Ok(()) => {
                self.unfinished().remove(full);
                Ok(lease.release().await?)
            }
            // The lease itself may be gone. If not, it ends by itself.
            Err(error @ PullError::Engine(_)) => {
                self.unfinished().remove(full);
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The lease of the last attempt, if that did not end well and is not long ago.
    async fn lease(&self, full: &str) -> Result<Lease, EngineError> {
        let known = {
            let mut unfinished = self.unfinished();
            unfinished.retain(|_, lease| lease.is_young());
            unfinished.get(full).cloned()
        };
        if let Some(lease) = known {
            return Ok(lease);
        }
        let lease = Lease::take(&self.client, "pull").await?;
        self.unfinished().insert(full.to_owned(), lease.clone());
        Ok(lease)
    }

    fn unfinished(&self) -> MutexGuard<'_, HashMap<String, Lease>> {
        self.unfinished
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn pull_leased(
        &self,
        client: &Client,
        repository: &Repository,
        full: &str,
        progress: &Progress,
    ) -> Result<(), PullError> {
        let found = self.find(repository).await?;
        let blobs = found.blobs()?;
        progress.doing(format!("pulling image {full}"));
        progress.of(blobs.iter().map(|blob| blob.size).sum());
        // Made before they are polled, or else the compiler does not see that they are `Send`.
        let jobs = blobs
            .iter()
            .map(|blob| self.blob(client, repository, blob, progress));
        let jobs: Vec<_> = jobs.collect();
        futures::stream::iter(jobs)
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        self.keep(client, full, &found).await
    }

    async fn find(&self, repository: &Repository) -> Result<Found, PullError> {
        let mut patience = Patience::new();
        loop {
            match document::find(repository).await {
                Err(error) if patience.again(&error).await => {}
                ended => return ended,
            }
        }
    }

    async fn blob(
        &self,
        client: &Client,
        repository: &Repository,
        blob: &blob::Blob,
        progress: &Progress,
    ) -> Result<(), PullError> {
        // containerd lets one write it. Whoever waits for another image's layer takes no
        // slot, and finds it there in the end.
        let _turn = self.turns.take(&blob.digest).await;
        let _slot = self.slots.acquire().await;
        let mut patience = Patience::new();
        let mut counted = 0;
        loop {
            let done = |done: u64| {
                let news = done.saturating_sub(counted);
                counted += news;
                progress.add(news);
            };
            match blob.fetch(client, repository, done).await {
                Err(error) if patience.again(&error).await => {}
                ended => return ended,
            }
        }
    }

    /// Stores the documents, the manifest before the index that leads to it, and gives
    /// the image its name.
    async fn keep(&self, client: &Client, full: &str, found: &Found) -> Result<(), PullError> {
        for (document, labels) in found.documents() {
            let _turn = self.turns.take(&document.digest).await;
            let mut patience = Patience::new();
            loop {
                match keep_document(client, document, labels.clone()).await {
                    Err(error) if patience.again(&error).await => {}
                    ended => break ended?,
                }
            }
        }
        let top = found.top();
        let record = Record {
            name: full.to_owned(),
            target: Some(Target {
                media_type: top.media_type.clone(),
                digest: top.digest.clone(),
                size: i64::try_from(top.bytes.len()).unwrap_or(i64::MAX),
                ..Target::default()
            }),
            ..Record::default()
        };
        self.name_image(client, record).await
    }

    async fn name_image(&self, client: &Client, record: Record) -> Result<(), PullError> {
        let action = format!("keep image {}", record.name);
        let mut images = client.images().await?;
        let create = CreateImageRequest {
            image: Some(record.clone()),
            ..CreateImageRequest::default()
        };
        let created = client.ask(&action, images.create(create)).await;
        if !exists_already(&created) {
            return Ok(created.map(drop).map_err(EngineError::from)?);
        }
        let update = UpdateImageRequest {
            image: Some(record),
            update_mask: Some(FieldMask {
                paths: vec!["target".to_owned()],
            }),
            ..UpdateImageRequest::default()
        };
        let updated = client.ask(&action, images.update(update)).await;
        Ok(updated.map(drop).map_err(EngineError::from)?)
    }
}

async fn keep_document(
    client: &Client,
    document: &Document,
    labels: HashMap<String, String>,
) -> Result<(), PullError> {
    let size = document.bytes.len() as u64;
    let Some(mut writer) = content::Writer::open(client, &document.digest, size).await? else {
        return Ok(content::label(client, &document.digest, labels).await?);
    };
    let from = usize::try_from(writer.offset).unwrap_or(usize::MAX);
    let rest = document.bytes.get(from..).unwrap_or_default();
    if !rest.is_empty() {
        writer.write(rest.to_vec().into()).await?;
    }
    writer.commit(labels).await
}

/// How often something is still tried.
struct Patience {
    left: u32,
    pause: Duration,
}

impl Patience {
    fn new() -> Self {
        Self {
            left: ATTEMPTS - 1,
            pause: FIRST_PAUSE,
        }
    }

    /// Waits for the next attempt, each time longer; false when there is none, or when
    /// the failure would not pass.
    async fn again(&mut self, error: &PullError) -> bool {
        if self.left == 0 || !error.is_passing() {
            return false;
        }
        tracing::debug!(%error, "trying again");
        tokio::time::sleep(self.pause).await;
        self.left -= 1;
        self.pause *= 2;
        true
    }
}
