//! An image with all that lies below it, and its root file system.

use std::fs::File;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::AppcError;
use super::manifest::Manifest;
use super::store::{Kept, Store};
use super::{listing, render, tree};
use crate::hex::hex;

/// An image with all that lies below it.
#[derive(Debug)]
pub(crate) struct Assembled {
    part: Part,
    store: Store,
    /// The same for the same files and no others.
    pub(crate) key: String,
}

/// One image of several.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) kept: Kept,
    /// Those that it depends on, the lowest first.
    pub(super) below: Vec<Part>,
}

impl Part {
    /// Ids with brackets around what is below: whole hashes, so no two shapes look alike.
    fn shape(&self) -> String {
        let below: String = self.below.iter().map(Part::shape).collect();
        format!("{}({below})", self.kept.id)
    }

    /// The files of an image over those of its dependencies, as the specification orders
    /// them, and only those that it lets through.
    fn tree(&self, store: &Store, archives: &mut Vec<File>) -> Result<tree::Tree, AppcError> {
        let mut all = tree::Tree::new();
        for part in &self.below {
            tree::merge(&mut all, part.tree(store, archives)?);
            bounded(&all, store)?;
        }
        let archive = store.open_archive(&self.kept)?;
        let listing = listing::list(&archive, store.limits())?;
        if listing.left_out > 0 {
            let (image, count) = (&self.kept.manifest.name, listing.left_out);
            tracing::info!(image, count, "device nodes and pipes are left out");
        }
        tree::overlay(
            &mut all,
            tree::layer(archives.len(), &listing, store.limits())?,
        );
        archives.push(archive);
        bounded(&all, store)?;
        tree::keep(&mut all, &self.kept.manifest.whitelist);
        Ok(all)
    }
}

impl Assembled {
    pub(super) fn new(part: Part, store: Store) -> Self {
        let key = hex(&Sha256::digest(part.shape()));
        Self { part, store, key }
    }

    /// Notes that its root file system is used now.
    pub(crate) fn note_use(&self) {
        self.store.note_use(&self.key);
    }

    /// What the image says of itself; what dependencies say does not count.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.part.kept.manifest
    }

    /// Writes the root file system to an empty directory. Blocks.
    ///
    /// # Errors
    /// When an archive changed, or the disk does not take it.
    pub(crate) fn render(&self, root: &Path) -> Result<(), AppcError> {
        let mut archives = Vec::new();
        let mut tree = self.part.tree(&self.store, &mut archives)?;
        tree::ensure_directory(&mut tree, Path::new(""));
        let points = self.manifest().app.iter().flat_map(|app| &app.mount_points);
        for point in points {
            tree::ensure_directory(&mut tree, &point.path);
            bounded(&tree, &self.store)?;
        }
        render::render(root, &archives, &tree)
    }
}

fn bounded(tree: &tree::Tree, store: &Store) -> Result<(), AppcError> {
    let limit = store.limits().entries;
    if tree.len() > limit {
        return Err(AppcError::Dependencies(format!(
            "together they have more than {limit} files"
        )));
    }
    Ok(())
}
