//! What was asked for a container, on disk before anything is done.
//!
//! The records of single networks are the `cni` crate's; this one says which
//! networks there should be and whether all of them came to be, which after a crash
//! between two of them nothing else tells.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mesos::NetworkInfo;
use model::TaskId;
use serde::{Deserialize, Serialize};

use crate::NetworkError;

/// A container's attachment, wanted or made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intent {
    /// Path of its namespace.
    pub(crate) netns: PathBuf,
    /// All entries as they were requested.
    pub(crate) requests: Vec<NetworkInfo>,
    /// Whether every network was joined.
    pub(crate) complete: bool,
}

/// The directory of intents: `<directory>/<id>/attachment.json`.
#[derive(Debug, Clone)]
pub(crate) struct Intents {
    pub(crate) directory: PathBuf,
}

impl Intents {
    pub(crate) fn write(&self, id: &str, intent: &Intent) -> Result<(), NetworkError> {
        let path = self.path(id);
        let text = serde_json::to_vec_pretty(intent).map_err(io::Error::other);
        text.and_then(|text| cni::replace(&path, &text))
            .map_err(failed("write", &path))
    }

    /// Reads an intent; one that makes no sense is set aside and counts as none.
    pub(crate) fn read(&self, id: &str) -> Result<Option<Intent>, NetworkError> {
        let path = self.path(id);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &path)(error)),
        };
        match serde_json::from_slice(&text) {
            Ok(intent) => Ok(Some(intent)),
            Err(error) => {
                tracing::error!(%error, path = %path.display(),
                    "a record of an attachment makes no sense and was renamed to .bad");
                fs::rename(&path, path.with_extension("bad"))
                    .map_err(failed("set aside", &path))?;
                Ok(None)
            }
        }
    }

    /// Forgets a container, also what was set aside of it.
    pub(crate) fn remove(&self, id: &str) -> Result<(), NetworkError> {
        let directory = self.directory.join(id);
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &directory)(error))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        names(&self.directory)
    }

    fn path(&self, id: &str) -> PathBuf {
        self.directory.join(id).join("attachment.json")
    }
}

/// The names in a directory that can be container ids.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter(|name| name.parse::<TaskId>().is_ok())
        .collect()
}

pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> NetworkError {
    let path = path.to_owned();
    move |source| NetworkError::State {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intents_come_back_until_removed() {
        let directory = tempfile::tempdir().unwrap();
        let intents = Intents {
            directory: directory.path().join("later"),
        };
        assert!(intents.ids().is_empty());
        assert_eq!(intents.read("web.1").unwrap(), None);
        let intent = Intent {
            netns: "/ns".into(),
            requests: vec![NetworkInfo::named("x"), NetworkInfo::default()],
            complete: false,
        };
        intents.write("web.1", &intent).unwrap();
        assert_eq!(intents.read("web.1").unwrap(), Some(intent));
        assert_eq!(intents.ids(), ["web.1"]);
        intents.remove("web.1").unwrap();
        intents.remove("web.1").unwrap();
        assert!(intents.ids().is_empty());
    }

    #[test]
    fn a_corrupt_intent_is_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        let intents = Intents {
            directory: directory.path().to_owned(),
        };
        fs::create_dir(directory.path().join("c")).unwrap();
        for bad in ["", "{", "[]", r#"{"netns": 7}"#] {
            fs::write(directory.path().join("c/attachment.json"), bad).unwrap();
            assert_eq!(intents.read("c").unwrap(), None);
            assert!(directory.path().join("c/attachment.bad").exists());
        }
        assert_eq!(intents.ids(), ["c"], "still to be cleaned up");
    }
}
