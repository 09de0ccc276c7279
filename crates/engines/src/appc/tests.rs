//! Archives of every kind, good and hostile, by way of the store.

mod archive;
mod assembled;
mod fetched;
mod hostile;
mod kept;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;

use super::*;
use crate::images::ImageOptions;
use crate::progress::Progress;
use archive::Archive;

/// A node with a directory of images and a store, in a directory of its own.
pub(super) struct Site {
    dir: tempfile::TempDir,
    limits: Limits,
    prefixes: Vec<String>,
}

impl Site {
    pub(super) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            limits: Limits::default(),
            prefixes: Vec::new(),
        }
    }

    pub(super) fn images(&self) -> PathBuf {
        self.dir.path().join("images")
    }

    pub(super) fn kept(&self) -> PathBuf {
        self.dir.path().join("kept")
    }

    /// Offers an archive as the latest image of a name.
    pub(super) fn offer(&self, name: &str, bytes: &[u8]) {
        let path = self.images().join(wanted(name).path().unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// A daemon that was just started.
    pub(super) fn appc(&self) -> Appc {
        let options = ImageOptions {
            appc_directories: vec![self.images()],
            appc_prefixes: self.prefixes.clone(),
            ..ImageOptions::default()
        };
        Appc::new(&options, self.kept(), self.limits)
    }

    /// What is kept, by the endings of the files' names.
    pub(super) fn endings(&self) -> Vec<String> {
        let names = fs::read_dir(self.kept())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut endings: Vec<_> = names
            .map(|path| {
                path.extension()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        endings.sort();
        endings
    }

    /// Obtains an image and writes it to a new directory.
    pub(super) async fn rendered(&self, name: &str) -> Result<PathBuf, AppcError> {
        let image = self
            .appc()
            .obtain(&wanted(name), true, &Progress::default())
            .await?;
        let root = tempfile::tempdir_in(self.dir.path()).unwrap().keep();
        image.render(&root)?;
        Ok(root)
    }

    /// Why an archive is refused, having made sure that nothing of it is left.
    pub(super) fn refusal(&self, bytes: &[u8]) -> String {
        let store = store::Store::open(self.kept(), self.limits).unwrap();
        let path = self.dir.path().join("fetched");
        fs::write(&path, bytes).unwrap();
        let error = store
            .admit(File::open(&path).unwrap(), &wanted("a"))
            .unwrap_err();
        assert_eq!(self.endings(), Vec::<String>::new(), "{error}");
        crate::error::chain(&error)
    }
}

pub(super) fn wanted(name: &str) -> Wanted {
    Wanted::new(name, None, BTreeMap::new()).unwrap()
}
