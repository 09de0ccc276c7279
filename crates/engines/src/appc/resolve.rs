//! From a wish to everything that an image is put together from.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::StatusCode;
use nix::fcntl::OFlag;
use tokio::sync::{OnceCell, OwnedMutexGuard};

use super::assembled::{Assembled, Part};
use super::error::AppcError;
use super::limits::Limits;
use super::names::Wanted;
use super::store::{Kept, Store};
use crate::fetch::{FetchError, Fetcher, Url};
use crate::images::ImageOptions;
use crate::progress::Progress;
use crate::turns::Turns;

/// Finds, fetches and keeps AppC images.
#[derive(Debug, Clone)]
pub(crate) struct Appc {
    directories: Arc<[PathBuf]>,
    prefixes: Arc<[String]>,
    fetcher: Fetcher,
    /// Where archives are kept.
    place: PathBuf,
    limits: Limits,
    store: Arc<OnceCell<Store>>,
    turns: Turns,
}

/// Where images may come from.
#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    /// Those that were fetched before.
    Kept,
    /// Directories and addresses as well, and only these unless `cached`.
    Anywhere {
        cached: bool,
        progress: &'a Progress,
    },
}

/// What a resolution has come across so far.
#[derive(Debug, Default)]
struct Trail {
    /// Ids from the image to where we are, with names for people.
    above: Vec<(String, String)>,
    images: usize,
}

impl Appc {
    /// Keeps archives in `place`, a directory of its own.
    pub(crate) fn new(options: &ImageOptions, place: PathBuf, limits: Limits) -> Self {
        Self {
            directories: options.appc_directories.as_slice().into(),
            prefixes: options.appc_prefixes.as_slice().into(),
            fetcher: Fetcher {
                certificates: options.certificates.clone(),
            },
            place,
            limits,
            store: Arc::default(),
            turns: Turns::default(),
        }
    }

    /// Has the image and its dependencies on this node; with `cached`, those that are
    /// there already are not looked for elsewhere.
    ///
    /// # Errors
    /// Says which image could not be had and why.
    pub(crate) async fn obtain(
        &self,
        wanted: &Wanted,
        cached: bool,
        progress: &Progress,
    ) -> Result<Assembled, AppcError> {
        let source = Source::Anywhere { cached, progress };
        self.assemble(wanted, source).await
    }

    /// The image, if it and its dependencies are on this node. Nothing is fetched.
    pub(crate) async fn find(&self, wanted: &Wanted) -> Option<Assembled> {
        self.assemble(wanted, Source::Kept).await.ok()
    }

    async fn assemble(&self, wanted: &Wanted, source: Source<'_>) -> Result<Assembled, AppcError> {
        let store = self.store().await?.clone();
        let mut trail = Trail::default();
        let part = self.part(wanted, source, &mut trail).await?;
        Ok(Assembled::new(part, store))
    }

    /// Deletes archives that nobody has used for long, and tells of which of the root file
    /// systems the same holds, given their keys and when they were made;
    /// [`Appc::forget`] those that are gone then.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) async fn tidy(
        &self,
        rendered: Vec<(String, SystemTime)>,
    ) -> Result<Vec<String>, AppcError> {
        let store = self.store().await?.clone();
        blocking(move || store.tidy(&rendered)).await
    }

    /// A root file system is gone.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub(crate) async fn forget(&self, key: &str) -> Result<(), AppcError> {
        self.store().await?.forget(key);
        Ok(())
    }

    /// Waits until nobody else renders the same files.
    pub(crate) async fn rendering(&self, image: &Assembled) -> OwnedMutexGuard<()> {
        self.turns.take(&image.key).await
    }

    async fn store(&self) -> Result<&Store, AppcError> {
        let open = || async {
            let (place, limits) = (self.place.clone(), self.limits);
            blocking(move || Store::open(place, limits)).await
        };
        self.store.get_or_try_init(open).await
    }

    fn part<'a>(
        &'a self,
        wanted: &'a Wanted,
        source: Source<'a>,
        trail: &'a mut Trail,
    ) -> BoxFuture<'a, Result<Part, AppcError>> {
        async move {
            trail.images += 1;
            if trail.images > self.limits.images || trail.above.len() > self.limits.depth {
                return Err(AppcError::Dependencies(format!(
                    "they lead to more than {} images, or more than {} deep: {}",
                    self.limits.images,
                    self.limits.depth,
                    trail.shown(&wanted.name)
                )));
            }
            let kept = self.kept(wanted, source).await?;
            if trail.above.iter().any(|(id, _)| *id == kept.id) {
                let shown = trail.shown(&wanted.name);
                return Err(AppcError::Dependencies(format!(
                    "they go in a circle: {shown}"
                )));
            }
            trail.above.push((kept.id.clone(), wanted.name.clone()));
            let mut below = Vec::new();
            for dependency in &kept.manifest.dependencies {
                let part = self.part(dependency, source, trail).await;
                below.push(part.map_err(|error| within(&dependency.name, error))?);
            }
            trail.above.pop();
            Ok(Part { kept, below })
        }
        .boxed()
    }

    async fn kept(&self, wanted: &Wanted, source: Source<'_>) -> Result<Kept, AppcError> {
        let store = self.store().await?;
        let cached = !matches!(source, Source::Anywhere { cached: false, .. });
        if cached && let Some(kept) = look(store, wanted).await? {
            return Ok(kept);
        }
        let Source::Anywhere { progress, .. } = source else {
            return Err(AppcError::NotFound("what is kept on this node".to_owned()));
        };
        let path = wanted.path()?;
        let _turn = self.turns.take(&path).await;
        if cached && let Some(kept) = look(store, wanted).await? {
            return Ok(kept);
        }
        progress.doing(format!("fetching AppC image {}", wanted.name));
        self.fetch(store, wanted, &path, progress).await
    }

    /// Looks into each directory, then at each address; what has no such image is not a
    /// failure while there is another place. Any other failure ends it: whoever disturbs
    /// the first address does not choose the second.
    async fn fetch(
        &self,
        store: &Store,
        wanted: &Wanted,
        path: &str,
        progress: &Progress,
    ) -> Result<Kept, AppcError> {
        let mut tried = Vec::new();
        for directory in self.directories.iter() {
            let file = directory.join(path);
            let (store, wanted, opening) = (store.clone(), wanted.clone(), file.clone());
            let admit = move || match open(&opening)? {
                Some(archive) => store.admit(archive, &wanted).map(Some),
                None => Ok(None),
            };
            if let Some(kept) = blocking(admit).await? {
                return Ok(kept);
            }
            tried.push(format!("{} (missing)", file.display()));
        }
        for prefix in self.prefixes.iter() {
            let separator = if prefix.ends_with('/') { "" } else { "/" };
            let url: Url = format!("{prefix}{separator}{path}").parse()?;
            match self.download(store, &url, progress).await {
                Ok(archive) => {
                    let (store, wanted) = (store.clone(), wanted.clone());
                    return blocking(move || store.admit(archive, &wanted)).await;
                }
                Err(AppcError::Fetch(error)) => {
                    tried.push(format!("{url} ({error})"));
                    if !is_missing(&error) {
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        if tried.is_empty() {
            tried.push("nothing: [images] names neither appc-directories nor appc-prefixes".into());
        }
        Err(AppcError::NotFound(tried.join(", ")))
    }

    /// The file has no name any more and goes with its handle.
    async fn download(
        &self,
        store: &Store,
        url: &Url,
        progress: &Progress,
    ) -> Result<File, AppcError> {
        let mut answer = self.fetcher.get(url, &[]).await?.successful().await?;
        let limit = store.limits().fetched;
        if let Some(length) = answer.header(&hyper::header::CONTENT_LENGTH)
            && let Ok(length) = length.parse()
        {
            progress.of(length);
        }
        let mut file = store.temporary()?;
        let mut length = 0;
        while let Some(part) = answer.part().await? {
            length += part.len() as u64;
            if length > limit {
                let url = url.to_string();
                return Err(FetchError::TooLong { url, limit }.into());
            }
            progress.add(part.len() as u64);
            let file = file.as_file_mut();
            super::space::require(file, part.len() as u64, 1)?;
            // Into the page cache: short parts, none of which waits for a disk.
            file.write_all(&part)
                .map_err(AppcError::io("write an archive"))?;
        }
        file.reopen().map_err(AppcError::io("read an archive"))
    }
}

impl Trail {
    fn shown(&self, last: &str) -> String {
        let above = self.above.iter().map(|(_, name)| name.as_str());
        above.chain([last]).collect::<Vec<_>>().join(" → ")
    }
}

/// Whether a server says that it has no such file; storages say 403 for that.
fn is_missing(error: &FetchError) -> bool {
    let FetchError::Status { status, .. } = error else {
        return false;
    };
    matches!(
        *status,
        StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN
    )
}

async fn look(store: &Store, wanted: &Wanted) -> Result<Option<Kept>, AppcError> {
    let (store, wanted) = (store.clone(), wanted.clone());
    blocking(move || store.find(&wanted)).await
}

/// Opens a file that may be missing; a pipe there would be waited for.
fn open(path: &Path) -> Result<Option<File>, AppcError> {
    let opening = || AppcError::io(format!("open {}", path.display()));
    let flags = OFlag::O_NONBLOCK.bits();
    let opened = File::options().read(true).custom_flags(flags).open(path);
    match opened {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(opening()(error)),
        Ok(file) if file.metadata().is_ok_and(|metadata| metadata.is_file()) => Ok(Some(file)),
        Ok(_) => Err(AppcError::Archive(format!("{} is no file", path.display()))),
    }
}

/// A dependency's error with its name.
fn within(name: &str, error: AppcError) -> AppcError {
    match error {
        AppcError::Dependencies(_) => error,
        other => AppcError::Dependencies(format!("{name}: {other}")),
    }
}

/// Runs work on files where waiting for a disk harms nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AppcError> + Send + 'static,
) -> Result<T, AppcError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(AppcError::Node(format!("work with files failed: {error}"))),
    }
}
