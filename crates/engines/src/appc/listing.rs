//! What is in an archive, and whether all of it may be in an image.
//!
//! The headers are read by `tar`, one by one and raw: long names and extended headers
//! are put together here, since each of them is a length that a stranger chose.

mod extended;
mod path;

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use tar::{Archive, EntryType, Header};

pub(super) use self::path::DEEPEST;

use self::extended::Extended;
use self::path::{Place, place};
use super::error::AppcError;
use super::limits::Limits;

/// Manifests are kilobytes.
const MANIFEST: u64 = 1024 * 1024;
/// Size of a tar block; an archive ends with two of zeros.
const BLOCK: u64 = 512;

/// What an archive contains.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Listing {
    /// The manifest's text.
    pub(super) manifest: Vec<u8>,
    /// Everything below `rootfs`, in the archive's order.
    pub(super) entries: Vec<Entry>,
    /// Device nodes and pipes that were left out: a container has devices of its own.
    pub(super) left_out: usize,
}

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Below `rootfs`; empty for that itself.
    pub(super) path: PathBuf,
    pub(super) what: What,
    pub(super) meta: Meta,
}

/// Kinds of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Directory,
    File(Span),
    /// A symbolic link, with what is written in it.
    Symlink(PathBuf),
    /// Another name of an earlier entry.
    HardLink(PathBuf),
}

/// Where a file's bytes are in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Span {
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// Owner, permissions and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Seconds since 1970.
    pub(super) mtime: i64,
}

/// Reads all headers of a plain archive.
///
/// # Errors
/// Names the first entry that breaks a rule.
pub(super) fn list(archive: &File, limits: &Limits) -> Result<Listing, AppcError> {
    let length = archive
        .metadata()
        .map_err(AppcError::io("look at an archive"))?
        .len();
    let mut reader = archive;
    reader.rewind().map_err(AppcError::io("read an archive"))?;
    let mut tar = Archive::new(BufReader::new(reader));
    let broken =
        |error: std::io::Error| AppcError::Archive(format!("it is cut off or broken: {error}"));
    let mut lister = Lister {
        limits,
        ..Lister::new(limits, length)
    };
    // `raw` is marked as not for everybody, which is what it is for.
    let entries = tar.entries_with_seek().map_err(broken)?;
    #[allow(
        deprecated,
        reason = "the only way to bound what headers make `tar` remember"
    )]
    for entry in entries.raw(true) {
        let mut entry = entry.map_err(broken)?;
        let header = entry.header().clone();
        let offset = entry.raw_file_position();
        lister.take(&header, offset, &mut entry)?;
    }
    lister.finish()
}

/// An archive while it is read.
struct Lister<'a> {
    limits: &'a Limits,
    length: u64,
    listing: Listing,
    /// Whether there was a manifest.
    manifest: bool,
    extended: Extended,
    headers: usize,
    names: usize,
    /// End of what was read.
    end: u64,
}

impl<'a> Lister<'a> {
    fn new(limits: &'a Limits, length: u64) -> Self {
        Self {
            limits,
            length,
            listing: Listing::default(),
            manifest: false,
            extended: Extended::default(),
            headers: 0,
            names: 0,
            end: 0,
        }
    }

    fn take(
        &mut self,
        header: &Header,
        offset: u64,
        data: &mut impl Read,
    ) -> Result<(), AppcError> {
        self.headers += 1;
        if self.headers > self.limits.entries {
            let limit = self.limits.entries;
            return Err(AppcError::Archive(format!(
                "it has more than {limit} entries"
            )));
        }
        let size = header
            .entry_size()
            .map_err(|error| AppcError::Archive(format!("a header has no size: {error}")))?;
        let end = offset.checked_add(size).filter(|end| *end <= self.length);
        self.end = end.ok_or_else(|| AppcError::Archive("it is cut off".to_owned()))?;
        if self.extended.take(header.entry_type(), size, data)? {
            return Ok(());
        }
        let extended = std::mem::take(&mut self.extended);
        let owner = (extended.uid, extended.gid);
        let name = extended
            .path
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let link = extended
            .link
            .or_else(|| header.link_name_bytes().map(Into::into));
        self.names += name.len() + link.as_ref().map_or(0, Vec::len);
        if self.names > self.limits.names {
            let limit = self.limits.names;
            return Err(AppcError::Archive(format!(
                "its names take more than {limit} bytes"
            )));
        }
        let shown = PathBuf::from(path::os(name.clone()));
        let refuse = |problem: String| AppcError::entry(&shown, problem);
        if extended.size.is_some_and(|given| given != size) {
            return Err(refuse("has two sizes".to_owned()));
        }
        let path = match place(&name).map_err(refuse)? {
            Place::Above => return Ok(()),
            Place::Manifest => return self.read_manifest(header, size, data),
            Place::Root(path) => path,
        };
        let meta = meta(header, owner).map_err(refuse)?;
        let span = Span { offset, size };
        // Old archives mark a directory by its name alone.
        let slashed = name.ends_with(b"/");
        match what(header.entry_type(), span, link, slashed).map_err(refuse)? {
            Some(what) => self.listing.entries.push(Entry { path, what, meta }),
            None => self.listing.left_out += 1,
        }
        Ok(())
    }

    fn read_manifest(
        &mut self,
        header: &Header,
        size: u64,
        data: &mut impl Read,
    ) -> Result<(), AppcError> {
        let refuse = |problem: &str| Err(AppcError::entry(Path::new("manifest"), problem));
        if !header.entry_type().is_file() {
            return refuse("is no file");
        }
        if self.manifest {
            return refuse("is there twice");
        }
        if size > MANIFEST {
            return refuse("is longer than 1 MiB");
        }
        self.manifest = true;
        data.read_to_end(&mut self.listing.manifest)
            .map(drop)
            .map_err(AppcError::io("read a manifest"))
    }

    fn finish(self) -> Result<Listing, AppcError> {
        let refuse = |text: &str| Err(AppcError::Archive(text.to_owned()));
        // Whoever cuts an archive off between two entries leaves no other trace.
        if self.length < self.end.next_multiple_of(BLOCK) + BLOCK {
            return refuse("it is cut off: its end is missing");
        }
        if !self.manifest {
            return refuse("it has no manifest");
        }
        Ok(self.listing)
    }
}

/// `owner` is what extended headers say of user and group.
fn meta(header: &Header, owner: (Option<u64>, Option<u64>)) -> Result<Meta, String> {
    let broken = |error: std::io::Error| format!("has a broken header: {error}");
    let id = |id: std::io::Result<u64>| {
        let id = id.map_err(broken)?;
        // The largest number is the kernel's word for leaving the owner as it is.
        let known = u32::try_from(id).ok().filter(|id| *id != u32::MAX);
        known.ok_or_else(|| format!("belongs to {id}, which is no user or group"))
    };
    Ok(Meta {
        mode: header.mode().map_err(broken)? & 0o7777,
        uid: id(owner.0.map_or_else(|| header.uid(), Ok))?,
        gid: id(owner.1.map_or_else(|| header.gid(), Ok))?,
        mtime: i64::try_from(header.mtime().map_err(broken)?).unwrap_or(0),
    })
}

/// `None` for what is left out.
fn what(
    kind: EntryType,
    span: Span,
    link: Option<Vec<u8>>,
    slashed: bool,
) -> Result<Option<What>, String> {
    let target = || match link {
        Some(target) if !target.is_empty() && !target.contains(&0) => Ok(target),
        _ => Err("is a link to nothing".to_owned()),
    };
    match kind {
        EntryType::Directory => Ok(Some(What::Directory)),
        EntryType::Regular | EntryType::Continuous if slashed => Ok(Some(What::Directory)),
        EntryType::Regular | EntryType::Continuous => Ok(Some(What::File(span))),
        EntryType::Symlink => {
            let target = target()?;
            if target.len() > path::LONGEST {
                return Err("is a link to an endless path".to_owned());
            }
            Ok(Some(What::Symlink(path::os(target).into())))
        }
        EntryType::Link => match place(&target()?)? {
            Place::Root(path) => Ok(Some(What::HardLink(path))),
            _ => Err("is a hard link to something outside of rootfs".to_owned()),
        },
        EntryType::Char | EntryType::Block | EntryType::Fifo => Ok(None),
        EntryType::GNUSparse => Err("is a sparse file, which images must not have".to_owned()),
        other => {
            let kind = char::from(other.as_byte());
            Err(format!(
                "is of kind '{}', which images must not have",
                kind.escape_debug()
            ))
        }
    }
}

/// Copies nothing but what belongs to one file.
pub(super) fn read_at(archive: &File, span: Span) -> std::io::Result<std::io::Take<&File>> {
    let mut archive = archive;
    archive.seek(SeekFrom::Start(span.offset))?;
    Ok(archive.take(span.size))
}
