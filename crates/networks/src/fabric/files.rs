//! Small files in a directory that a reboot empties. Nothing is forced to disk: after a
//! crash of the daemon the kernel still has them, and after one of the host the
//! containers are gone as well.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::FabricError;

/// Creates a file that must not exist; false if it does.
pub(crate) fn create(path: &Path, value: &impl Serialize) -> Result<bool, FabricError> {
    let text = serde_json::to_vec(value).map_err(io::Error::other);
    let created = text.and_then(|text| File::create_new(path)?.write_all(&text));
    match created {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => {
            // A full disk leaves an empty file, which would be taken for a lease.
            let _ = fs::remove_file(path);
            Err(failed("write", path)(error))
        }
    }
}

/// Removes a file; none is fine.
pub(crate) fn remove(path: &Path) -> Result<(), FabricError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Reads a file; `None` if it makes no sense, as one does that was cut off by a crash.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FabricError> {
    let text = fs::read(path).map_err(failed("read", path))?;
    Ok(serde_json::from_slice(&text).ok())
}

/// Makes a directory with its parents.
pub(crate) fn directory(path: &Path) -> Result<(), FabricError> {
    fs::create_dir_all(path).map_err(failed("make", path))
}

/// The names in a directory, none if it is missing.
pub(crate) fn names(path: &Path) -> Result<Vec<String>, FabricError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed("read", path))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed("read", path))?.file_name();
        // Ours are all text; whatever else lies there is not ours.
        names.extend(name.into_string());
    }
    Ok(names)
}

pub(crate) fn failed(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> FabricError + use<> {
    let path = PathBuf::from(path);
    move |source| FabricError::State {
        action,
        path,
        source,
    }
}
