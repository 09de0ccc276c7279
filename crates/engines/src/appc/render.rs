//! Writing a tree to a directory, and never outside of it.
//!
//! The tree is free of contradictions already. All the same, every path is opened below
//! the directory with a kernel that follows no link and leaves no mount (openat2), and
//! every entry is made anew, so that a mistake elsewhere ends in an error.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{FchmodatFlags, Mode, UtimensatFlags, fchmodat, mkdirat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat, linkat, symlinkat};

use super::error::AppcError;
use super::listing::{Meta, Span, read_at};
use super::space;
use super::tree::{IMPLIED, Node, Tree};

/// Writes `tree` to `root`, which must be empty; files come from `archives`.
///
/// # Errors
/// With the path that could not be written, or when the disk has too little room.
pub(super) fn render(root: &Path, archives: &[File], tree: &Tree) -> Result<(), AppcError> {
    let how = OFlag::O_DIRECTORY | OFlag::O_PATH | OFlag::O_CLOEXEC;
    let top = File::open(root).map_err(AppcError::io(format!("open {}", root.display())))?;
    let directory = openat(&top, ".", how, Mode::empty())
        .map_err(|error| AppcError::io(format!("open {}", root.display()))(error.into()))?;
    let beneath = Beneath { top: directory };
    let files = files(tree);
    let bytes = files.keys().map(|(_, span)| span.size).sum();
    space::require(&top, bytes, tree.len())?;
    let writing = |path: &Path| AppcError::io(format!("write '{}'", path.display()));
    for (path, node) in tree {
        if let Node::Directory(_) = node {
            beneath.directory(path).map_err(writing(path))?;
        }
    }
    for ((number, span), (meta, paths)) in files {
        let Some((archive, (first, others))) = archives.get(number).zip(paths.split_first()) else {
            continue;
        };
        beneath
            .file(first, archive, span, meta)
            .map_err(writing(first))?;
        for other in others {
            beneath.name(first, other).map_err(writing(other))?;
        }
    }
    for (path, node) in tree {
        if let Node::Symlink(target, meta) = node {
            beneath
                .symlink(path, target, *meta)
                .map_err(writing(path))?;
        }
    }
    // What is written to a directory changes its time, so they come last, and the
    // deepest of them first.
    for (path, node) in tree.iter().rev() {
        if let Node::Directory(meta) = node {
            beneath
                .finish_directory(path, meta.unwrap_or(IMPLIED))
                .map_err(writing(path))?;
        }
    }
    Ok(())
}

/// Each file with all its names, in the order in which archives have them.
fn files(tree: &Tree) -> BTreeMap<(usize, Span), (Meta, Vec<&Path>)> {
    let mut files: BTreeMap<_, (Meta, Vec<&Path>)> = BTreeMap::new();
    for (path, node) in tree {
        if let Node::File(archive, span, meta) = node {
            let names = files
                .entry((*archive, *span))
                .or_insert((*meta, Vec::new()));
            names.1.push(path);
        }
    }
    files
}

/// A directory that nothing leads out of.
struct Beneath {
    top: OwnedFd,
}

impl Beneath {
    /// The directory that `path` is in, and its name there.
    fn parent<'a>(&self, path: &'a Path) -> io::Result<(OwnedFd, &'a Path)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = path.parent().unwrap_or(Path::new(""));
        Ok((self.open(parent)?, Path::new(name)))
    }

    fn open(&self, directory: &Path) -> io::Result<OwnedFd> {
        let directory = if directory.as_os_str().is_empty() {
            Path::new(".")
        } else {
            directory
        };
        let how = OpenHow::new()
            .flags(OFlag::O_DIRECTORY | OFlag::O_PATH | OFlag::O_CLOEXEC)
            .resolve(
                ResolveFlag::RESOLVE_BENEATH
                    | ResolveFlag::RESOLVE_NO_SYMLINKS
                    | ResolveFlag::RESOLVE_NO_MAGICLINKS
                    | ResolveFlag::RESOLVE_NO_XDEV,
            );
        Ok(openat2(&self.top, directory, how)?)
    }

    fn directory(&self, path: &Path) -> io::Result<()> {
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        let (parent, name) = self.parent(path)?;
        Ok(mkdirat(&parent, name, Mode::S_IRWXU)?)
    }

    fn finish_directory(&self, path: &Path, meta: Meta) -> io::Result<()> {
        // A path handle of the directory itself; `.` in it is what can be changed.
        finish(&self.open(path)?, Path::new("."), meta)
    }

    fn file(&self, path: &Path, archive: &File, span: Span, meta: Meta) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY;
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file = File::from(openat(&parent, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
        let copied = io::copy(&mut read_at(archive, span)?, &mut file)?;
        if copied != span.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        drop(file);
        finish(&parent, name, meta)
    }

    /// Gives a file another name.
    fn name(&self, path: &Path, other: &Path) -> io::Result<()> {
        let (old, old_name) = self.parent(path)?;
        let (new, new_name) = self.parent(other)?;
        Ok(linkat(&old, old_name, &new, new_name, AtFlags::empty())?)
    }

    fn symlink(&self, path: &Path, target: &Path, meta: Meta) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        symlinkat(target, &parent, name)?;
        owner(&parent, name, meta)?;
        times(&parent, name, meta)
    }
}

/// Owner first: changing it takes the set-user-id bit away.
fn finish(parent: &OwnedFd, name: &Path, meta: Meta) -> io::Result<()> {
    owner(parent, name, meta)?;
    let mode = Mode::from_bits_truncate(meta.mode);
    // It was made here just now and is no link, which this would follow.
    fchmodat(parent, name, mode, FchmodatFlags::FollowSymlink)?;
    times(parent, name, meta)
}

fn owner(parent: &OwnedFd, name: &Path, meta: Meta) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
    Ok(fchownat(
        parent,
        name,
        Some(uid),
        Some(gid),
        AtFlags::AT_SYMLINK_NOFOLLOW,
    )?)
}

fn times(parent: &OwnedFd, name: &Path, meta: Meta) -> io::Result<()> {
    let time = TimeSpec::new(meta.mtime, 0);
    Ok(utimensat(
        parent,
        name,
        &time,
        &time,
        UtimensatFlags::NoFollowSymlink,
    )?)
}
