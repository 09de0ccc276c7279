//! Archives that are kept on this node, by their hashes.
//!
//! `<hash>.aci` is a plain archive, `<hash>.json` its manifest; the archive is renamed to
//! its name last, so whatever has both is whole. Files of any other name are what a crash
//! left behind, and are deleted when the store is opened: it belongs to one daemon.
//! An archive's own time is when it was kept, its manifest's when it was last used, and
//! `<key>.rendered` has the time at which a root file system was. What nobody has used
//! for a month goes. `<hash of a path>.latest` has the id of the archive that this path of
//! simple discovery led to: without a version, it is the path that says what is wanted.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256, Sha512};
use tempfile::NamedTempFile;

use super::error::AppcError;
use super::ingest;
use super::limits::Limits;
use super::listing;
use super::manifest::{self, Manifest};
use super::names::{Wanted, architecture};
use super::tree;
use crate::hex::hex;

/// How long what nobody uses is kept.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Extension of the notes on root file systems.
const RENDERED: &str = "rendered";
/// Extension of the notes on where paths without a version led.
const LATEST: &str = "latest";
/// Beginning of the names of files that are being written.
const TEMPORARY: &str = "tmp-";

/// An image whose archive is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Hash of its archive.
    pub(crate) id: String,
    /// What it says of itself.
    pub(crate) manifest: Manifest,
    archive: PathBuf,
}

/// The directory of archives.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    dir: PathBuf,
    limits: Limits,
}

impl Store {
    /// Opens a directory, which is made if it is missing, and deletes what crashes left.
    ///
    /// # Errors
    /// When it cannot be made or read.
    pub(crate) fn open(dir: PathBuf, limits: Limits) -> Result<Self, AppcError> {
        let doing = |what: &str| AppcError::io(format!("{what} {}", dir.display()));
        let mut make = fs::DirBuilder::new();
        make.recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(doing("make"))?;
        for entry in fs::read_dir(&dir).map_err(doing("read"))? {
            let path = entry.map_err(doing("read"))?.path();
            let is_note = key_of(&path, RENDERED).is_some() || key_of(&path, LATEST).is_some();
            if !is_whole(&path) && !is_note {
                tracing::info!(path = %path.display(), "deleting what an interrupted download left");
                fs::remove_file(&path).map_err(doing("clean"))?;
            }
        }
        Ok(Self { dir, limits })
    }

    /// A file that is deleted again unless somebody renames it.
    ///
    /// # Errors
    /// When none can be made.
    pub(crate) fn temporary(&self) -> Result<NamedTempFile, AppcError> {
        temporary(&self.dir)
    }

    /// How much one image may take.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A kept image that is what is wanted; of several, the one kept last. Without a
    /// version or an id, it is what was last found where such an image is looked for.
    ///
    /// # Errors
    /// When the directory cannot be read, or no such image can be looked for.
    pub(crate) fn find(&self, wanted: &Wanted) -> Result<Option<Kept>, AppcError> {
        let reading = || AppcError::io(format!("read {}", self.dir.display()));
        let latest = if wanted.id.is_some() || wanted.labels.contains_key("version") {
            None
        } else {
            let note = self.latest(wanted)?;
            let Ok(id) = fs::read_to_string(&note) else {
                return Ok(None);
            };
            touch(&note);
            Some(id)
        };
        let mut found = None;
        for entry in fs::read_dir(&self.dir).map_err(reading())? {
            let path = entry.map_err(reading())?.path();
            let (Some(id), true) = (id_of(&path, "json"), is_whole(&path)) else {
                continue;
            };
            if latest.as_ref().is_some_and(|latest| *latest != id) {
                continue;
            }
            let Some(manifest) = fs::read(&path).ok().and_then(|it| manifest::read(&it).ok())
            else {
                continue;
            };
            if !wanted.fits(&manifest.name, &id, &manifest.labels) || fits_here(&manifest).is_err()
            {
                continue;
            }
            let archive = path.with_extension("aci");
            let time = modified(&archive);
            if found.as_ref().is_none_or(|(newest, _)| time > *newest) {
                found = Some((
                    time,
                    Kept {
                        id,
                        manifest,
                        archive,
                    },
                ));
            }
        }
        let kept = found.map(|(_, kept)| kept);
        if let Some(kept) = &kept {
            touch(&kept.archive.with_extension("json"));
        }
        Ok(kept)
    }

    /// Notes that a root file system is used now.
    pub(crate) fn note_use(&self, key: &str) {
        touch(&self.note(key));
    }

    /// Forgets a root file system that is gone.
    pub(crate) fn forget(&self, key: &str) {
        let _ = fs::remove_file(self.note(key));
    }

    /// Deletes archives that nobody has used for long, and tells of which of the root file
    /// systems the same holds, given their keys and when they were made.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) fn tidy(&self, rendered: &[(String, SystemTime)]) -> Result<Vec<String>, AppcError> {
        let reading = || AppcError::io(format!("read {}", self.dir.display()));
        for entry in fs::read_dir(&self.dir).map_err(reading())? {
            let path = entry.map_err(reading())?.path();
            let whose = key_of(&path, RENDERED);
            if whose.is_some_and(|key| rendered.iter().any(|(known, _)| *known == key)) {
                continue;
            }
            // A note on what is gone already.
            if !is_whole(&path) && modified(&path).is_some_and(is_long_ago) {
                let _ = fs::remove_file(&path);
                continue;
            }
            if id_of(&path, "json").is_some() && modified(&path).is_some_and(is_long_ago) {
                tracing::info!(path = %path.display(), "deleting an image that nobody uses");
                // Whoever has it open reads on.
                let _ = fs::remove_file(path.with_extension("aci"));
                let _ = fs::remove_file(&path);
            }
        }
        let unused = rendered
            .iter()
            .filter(|(key, made)| is_long_ago(modified(&self.note(key)).unwrap_or(*made)));
        Ok(unused.map(|(key, _)| key.clone()).collect())
    }

    fn latest(&self, wanted: &Wanted) -> Result<PathBuf, AppcError> {
        let key = hex(&Sha256::digest(wanted.path()?));
        Ok(self.dir.join(key).with_extension(LATEST))
    }

    fn note(&self, key: &str) -> PathBuf {
        self.dir.join(key).with_extension(RENDERED)
    }

    /// Keeps an archive, once all of it has been looked at.
    ///
    /// # Errors
    /// Says why it is not what was wanted, or no image at all; nothing of it is left.
    pub(crate) fn admit(&self, archive: File, wanted: &Wanted) -> Result<Kept, AppcError> {
        let ingested = ingest::ingest(archive, &self.dir, &self.limits)?;
        let id = ingested.id;
        if let Some(expected) = wanted.id.as_ref().filter(|expected| **expected != id) {
            let wanted = expected.clone();
            return Err(AppcError::Id { wanted, found: id });
        }
        let listing = listing::list(ingested.file.as_file(), &self.limits)?;
        // Contradictions are found before anybody relies on the image.
        tree::layer(0, &listing, &self.limits)?;
        let manifest = manifest::read(&listing.manifest).map_err(AppcError::Manifest)?;
        fits_here(&manifest)?;
        if !wanted.fits(&manifest.name, &id, &manifest.labels) {
            let text = format!(
                "it is of '{}' with labels {:?}, not of '{}' with {:?}",
                manifest.name, manifest.labels, wanted.name, wanted.labels
            );
            return Err(AppcError::Archive(text));
        }
        let archive = self.dir.join(format!("{id}.aci"));
        let writing = || AppcError::io(format!("keep {}", archive.display()));
        let text = self.temporary()?;
        fs::write(text.path(), &listing.manifest).map_err(writing())?;
        text.as_file().sync_all().map_err(writing())?;
        let persisted = |error: tempfile::PersistError| error.error;
        text.persist(archive.with_extension("json"))
            .map_err(persisted)
            .map_err(writing())?;
        ingested
            .file
            .persist(&archive)
            .map_err(persisted)
            .map_err(writing())?;
        if !wanted.labels.contains_key("version") {
            let text = self.temporary()?;
            fs::write(text.path(), &id).map_err(writing())?;
            text.persist(self.latest(wanted)?)
                .map_err(persisted)
                .map_err(writing())?;
        }
        Ok(Kept {
            id,
            manifest,
            archive,
        })
    }

    /// Opens a kept archive, having made sure that it is still what it was.
    ///
    /// # Errors
    /// When it changed; it is deleted then, so that the next attempt fetches it again.
    pub(crate) fn open_archive(&self, kept: &Kept) -> Result<File, AppcError> {
        let reading = || AppcError::io(format!("read {}", kept.archive.display()));
        let mut file = File::open(&kept.archive).map_err(reading())?;
        let mut hash = Sha512::new();
        io::copy(&mut file.by_ref(), &mut hash).map_err(reading())?;
        let found = hex(&hash.finalize());
        if found == kept.id {
            return Ok(file);
        }
        for path in [&kept.archive, &kept.archive.with_extension("json")] {
            let _ = fs::remove_file(path);
        }
        let wanted = kept.id.clone();
        Err(AppcError::Id { wanted, found })
    }
}

/// A file of its own in `dir`.
pub(super) fn temporary(dir: &Path) -> Result<NamedTempFile, AppcError> {
    tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempfile_in(dir)
        .map_err(AppcError::io(format!("make a file in {}", dir.display())))
}

/// The hash in the name of a file with this extension.
fn id_of(path: &Path, extension: &str) -> Option<String> {
    let id = path
        .file_name()?
        .to_str()?
        .strip_suffix(extension)?
        .strip_suffix('.')?;
    let is_hash = id.len() == 128 && id.chars().all(|c| c.is_ascii_hexdigit());
    is_hash.then(|| id.to_owned())
}

fn is_long_ago(time: SystemTime) -> bool {
    time.elapsed().is_ok_and(|age| age >= UNUSED)
}

/// The key in the name of a note with this extension.
fn key_of(path: &Path, extension: &str) -> Option<String> {
    let is_note = path.extension().is_some_and(|it| it == extension);
    let key = path.file_stem()?.to_str()?;
    let is_hash = key.len() == 64 && key.chars().all(|c| c.is_ascii_hexdigit());
    (is_note && is_hash).then(|| key.to_owned())
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|it| it.modified()).ok()
}

/// Sets a file's time to now, making it if need be. A failure makes something old too
/// early, and it is fetched again.
fn touch(path: &Path) {
    let file = File::options().create(true).append(true).open(path);
    let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
}

/// Whether a file belongs to an archive that was kept whole.
fn is_whole(path: &Path) -> bool {
    ["aci", "json"]
        .into_iter()
        .any(|extension| id_of(path, extension).is_some())
        && ["aci", "json"]
            .iter()
            .all(|extension| path.with_extension(extension).is_file())
}

/// An image for another machine would start and fail in an odd way.
fn fits_here(manifest: &Manifest) -> Result<(), AppcError> {
    for (label, here) in [("os", "linux"), ("arch", architecture())] {
        if let Some(other) = manifest.labels.get(label).filter(|other| *other != here) {
            return Err(AppcError::Archive(format!(
                "it is for {label} '{}', and this node is {here}",
                other.escape_debug()
            )));
        }
    }
    Ok(())
}
