//! Which file of which archive is seen where: an image over its dependencies.
//!
//! Nothing is written before all of it is settled, so that no entry of one archive ever
//! meets another one's on the disk. What a tree has below a path, that path shows: no
//! two nodes contradict each other.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::AppcError;
use super::limits::Limits;
use super::listing::{Listing, Meta, Span, What};

/// An entry of this prefix hides what lower images have under the rest of its name, as in
/// Docker's layers (OCI image-spec, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
/// Hides all that lower images have in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Permissions of directories that no archive has an entry for.
pub(super) const IMPLIED: Meta = Meta {
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtime: 0,
};

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// Without an entry of its own, it leaves alone what another image has there.
    Directory(Option<Meta>),
    /// Bytes of an archive, by its number. Two paths with the same bytes of the same
    /// archive are one file with two names.
    File(usize, Span, Meta),
    Symlink(PathBuf, Meta),
}

/// A root file system, by paths without the leading slash.
pub(super) type Tree = BTreeMap<PathBuf, Node>;

/// What one archive has, and what it hides of those below.
#[derive(Debug, Default)]
pub(super) struct Layer {
    tree: Tree,
    /// Bytes of the paths of implied directories.
    names: usize,
    hidden: Vec<PathBuf>,
    emptied: Vec<PathBuf>,
}

/// Sorts an archive's entries; `archive` is its number.
///
/// # Errors
/// When entries contradict each other, or imply more than an image may have.
pub(super) fn layer(
    archive: usize,
    listing: &Listing,
    limits: &Limits,
) -> Result<Layer, AppcError> {
    let mut layer = Layer::default();
    for entry in &listing.entries {
        let path = &entry.path;
        let refuse = |problem: &str| AppcError::entry(&Path::new("rootfs").join(path), problem);
        if layer.whiteout(path) {
            continue;
        }
        let node = match &entry.what {
            What::Directory => Node::Directory(Some(entry.meta)),
            What::File(span) => Node::File(archive, *span, entry.meta),
            What::Symlink(target) => Node::Symlink(target.clone(), entry.meta),
            What::HardLink(target) => match layer.tree.get(target) {
                Some(Node::Directory(_)) => return Err(refuse("is a hard link to a directory")),
                Some(node) => node.clone(),
                None => {
                    return Err(refuse(
                        "is a hard link to what is not in the archive before it",
                    ));
                }
            },
        };
        if path.as_os_str().is_empty() && !matches!(node, Node::Directory(_)) {
            return Err(refuse("is no directory"));
        }
        layer.imply_parents(path).map_err(refuse)?;
        let is_directory = matches!(node, Node::Directory(_));
        match layer.tree.insert(path.clone(), node) {
            None => {}
            Some(Node::Directory(None)) if is_directory => {}
            Some(Node::Directory(None)) => {
                return Err(refuse("has others below it and is no directory"));
            }
            Some(_) => return Err(refuse("is there twice")),
        }
        // One entry implies hundreds of directories, so this is not left to the end.
        if layer.tree.len() > limits.entries || layer.names > limits.names {
            return Err(AppcError::Archive(format!(
                "with the directories that lead to them it has more than {} entries, or more than {} bytes of names",
                limits.entries, limits.names
            )));
        }
    }
    Ok(layer)
}

impl Layer {
    fn whiteout(&mut self, path: &Path) -> bool {
        let Some((parent, name)) = path.parent().zip(path.file_name()) else {
            return false;
        };
        if name.as_bytes() == OPAQUE {
            self.emptied.push(parent.to_owned());
            return true;
        }
        let Some(hidden) = name.as_bytes().strip_prefix(WHITEOUT) else {
            return false;
        };
        if !hidden.is_empty() {
            self.hidden.push(parent.join(OsStr::from_bytes(hidden)));
        }
        true
    }

    /// Makes sure that everything above a path is a directory.
    fn imply_parents(&mut self, path: &Path) -> Result<(), &'static str> {
        for parent in path.ancestors().skip(1) {
            match self.tree.get(parent) {
                Some(Node::Directory(_)) => return Ok(()),
                Some(Node::Symlink(..)) => return Err("leads through a symbolic link"),
                Some(Node::File(..)) => return Err("leads through a file"),
                None => {
                    self.names += parent.as_os_str().len();
                    self.tree.insert(parent.to_owned(), Node::Directory(None));
                }
            }
        }
        Ok(())
    }
}

/// Lays an archive over what is below it.
pub(super) fn overlay(tree: &mut Tree, layer: Layer) {
    for path in &layer.hidden {
        remove(tree, path, true);
    }
    for path in &layer.emptied {
        remove(tree, path, false);
    }
    merge(tree, layer.tree);
}

/// Lays one tree over another.
pub(super) fn merge(tree: &mut Tree, upper: Tree) {
    for (path, node) in upper {
        match (tree.get(&path), &node) {
            (Some(Node::Directory(_)), Node::Directory(None)) => continue,
            (Some(Node::Directory(_)), Node::File(..) | Node::Symlink(..)) => {
                remove(tree, &path, false);
            }
            _ => {}
        }
        tree.insert(path, node);
    }
}

/// Leaves only the paths of a list, with the directories that lead to them; an empty
/// list leaves all.
pub(super) fn keep(tree: &mut Tree, whitelist: &BTreeSet<PathBuf>) {
    if whitelist.is_empty() {
        return;
    }
    let above: BTreeSet<&Path> = whitelist.iter().flat_map(|path| path.ancestors()).collect();
    tree.retain(|path, node| {
        whitelist.contains(path)
            || matches!(node, Node::Directory(_)) && above.contains(path.as_path())
    });
}

/// Makes a directory where nothing is, so that a volume can be mounted there.
pub(super) fn ensure_directory(tree: &mut Tree, path: &Path) {
    let mut missing = Vec::new();
    for path in path.ancestors() {
        match tree.get(path) {
            Some(Node::Directory(_)) => break,
            // It may be reached through a link; whoever mounts there finds out.
            Some(_) => return,
            None => missing.push(path.to_owned()),
        }
    }
    tree.extend(
        missing
            .into_iter()
            .map(|path| (path, Node::Directory(None))),
    );
}

/// Removes what is below a path, and with `itself` the path as well.
fn remove(tree: &mut Tree, path: &Path, itself: bool) {
    // Paths are ordered by their parts, so what is below one follows it.
    let below: Vec<_> = tree
        .range::<Path, _>((Bound::Excluded(path), Bound::Unbounded))
        .map(|(path, _)| path)
        .take_while(|other| other.starts_with(path))
        .cloned()
        .collect();
    for path in below {
        tree.remove(&path);
    }
    if itself {
        tree.remove(path);
    }
}

#[cfg(test)]
mod tests;
