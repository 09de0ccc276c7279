//! Small files in a directory that a reboot empties. Nothing is forced to disk: after a
//! crash of the daemon the kernel still has them, and after one of the host the tasks are
//! gone as well.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::IsolationError;

/// How unfinished files end.
const UNFINISHED: &str = ".new";

/// Writes a file, or replaces one, as a whole.
pub(crate) fn put(path: &Path, value: &impl Serialize) -> Result<(), IsolationError> {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    let unfinished = PathBuf::from(name);
    let text = serde_json::to_vec(value).map_err(io::Error::other);
    text.and_then(|text| fs::write(&unfinished, text))
        .and_then(|()| fs::rename(&unfinished, path))
        .map_err(failed("write", path))
}

/// Reads a file; `None` if there is none or it makes no sense.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, IsolationError> {
    match fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Removes a file; none is fine.
pub(crate) fn remove(path: &Path) -> Result<(), IsolationError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Makes a directory with its parents.
pub(crate) fn directory(path: &Path) -> Result<(), IsolationError> {
    fs::create_dir_all(path).map_err(failed("make", path))
}

/// The names in a directory, none if it is missing.
pub(crate) fn names(path: &Path) -> Result<Vec<String>, IsolationError> {
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

/// Writes a setting of the kernel, if it has another value.
pub(crate) fn set(path: &Path, value: &str) -> Result<(), IsolationError> {
    if fs::read_to_string(path).is_ok_and(|now| now.trim() == value) {
        return Ok(());
    }
    fs::write(path, value).map_err(failed("write", path))
}

pub(crate) fn failed(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> IsolationError + use<> {
    let path = PathBuf::from(path);
    move |source| IsolationError::File {
        action,
        path,
        source,
    }
}
