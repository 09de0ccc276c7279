//! Configurations in directories, read anew at each use.
//!
//! Nothing is cached: a configuration added, changed or removed counts from the
//! next container on, without a restart (Mesos issue MESOS-6567 asked for this).
//!
//! CNI has no `include`, so files cannot form loops. The one way to name other files
//! is the directory beside a list, which is not looked into any deeper; links that
//! lead back to themselves cannot be opened, and say so.
//!
//! Of files with the same name the first counts. Where a plugin beside a list cannot
//! be read, the network cannot be used: it may be the one that filters.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::bad;
use crate::{CniError, NetworkConfig, PluginConfig};

/// Files above this many bytes are no configurations.
const MAX_BYTES: u64 = 1 << 20;

/// A file that should hold a configuration.
#[derive(Debug)]
pub struct ConfigFile {
    /// Its path.
    pub path: PathBuf,
    /// The network's name, also where the rest is wrong.
    pub name: Option<String>,
    /// Its content, or why it cannot be used.
    pub config: Result<NetworkConfig, CniError>,
}

/// All configurations: directory by directory, in each the `.conflist` files first,
/// then `.conf`, `.json` and files without extension (which Mesos takes), by name.
///
/// Directories that do not exist are empty; broken files are in the list with
/// their problem.
#[must_use]
pub fn configurations(directories: &[PathBuf]) -> Vec<ConfigFile> {
    directories
        .iter()
        .flat_map(|directory| of_directory(directory))
        .collect()
}

/// The configuration called `name`: the first file that has the name counts, also
/// when it is broken, so that a typing error never silently selects another.
///
/// # Errors
/// [`CniError::UnknownNetwork`] with the names there are; [`CniError::Config`].
pub fn find(directories: &[PathBuf], name: &str) -> Result<NetworkConfig, CniError> {
    let files = configurations(directories);
    let mut known: Vec<String> = files.iter().filter_map(|file| file.name.clone()).collect();
    match files
        .into_iter()
        .find(|file| file.name.as_deref() == Some(name))
    {
        Some(file) => file.config,
        None => {
            known.sort();
            known.dedup();
            let dirs = directories.to_vec();
            Err(CniError::UnknownNetwork {
                name: name.to_owned(),
                known,
                dirs,
            })
        }
    }
}

fn of_directory(directory: &Path) -> Vec<ConfigFile> {
    let mut files = files_of(directory).unwrap_or_else(|error| {
        tracing::warn!(%error, directory = %directory.display(),
            "cannot read CNI configurations");
        Vec::new()
    });
    files.retain(|path| rank(path).is_some());
    files.sort_by_key(|path| (rank(path), path.clone()));
    files.into_iter().map(load).collect()
}

/// Place of a file in the order by its extension; `None` is no configuration.
fn rank(path: &Path) -> Option<u8> {
    let hidden = path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    match path.extension().and_then(|extension| extension.to_str()) {
        _ if hidden => None,
        Some("conflist") => Some(0),
        Some("conf" | "json") => Some(1),
        None if path.extension().is_none() => Some(1),
        _ => None,
    }
}

/// The entries of a directory that are files or should be: links that lead nowhere
/// are kept, to be reported. A directory that does not exist is empty.
fn files_of(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let keep = match fs::metadata(&path) {
            Ok(found) => found.is_file(),
            // Removed while we looked, or a link to nothing.
            Err(_) => path.is_symlink(),
        };
        if keep {
            files.push(path);
        }
    }
    Ok(files)
}

fn load(path: PathBuf) -> ConfigFile {
    let file = path.display().to_string();
    let value = match read(&path) {
        Ok(value) => value,
        Err(error) => {
            return ConfigFile {
                path,
                name: None,
                config: Err(error),
            };
        }
    };
    let name = value
        .get("name")
        .and_then(Value::as_str)
        .map(ToOwned::to_owned);
    let list = path
        .extension()
        .is_some_and(|extension| extension == "conflist");
    let config = if list && value.get("plugins").is_none() && value.get("type").is_some() {
        Err(bad(
            &file,
            "a .conflist needs 'plugins'; rename a single plugin to .conf",
        ))
    } else {
        NetworkConfig::from_value(value, &file)
            .and_then(|config| with_siblings(config, &path))
            .and_then(|config| config.complete(&file))
    };
    ConfigFile { path, name, config }
}

fn read(path: &Path) -> Result<Value, CniError> {
    let file = path.display().to_string();
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut text))
        .map_err(|error| bad(&file, format!("it cannot be read: {error}")))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(bad(&file, format!("it is larger than {MAX_BYTES} bytes")));
    }
    serde_json::from_slice(&text).map_err(|error| bad(&file, format!("it is not JSON: {error}")))
}

/// Appends the plugins in `<directory>/<network's name>/*.conf`, which lists may
/// have since version 1.1 of the specification.
fn with_siblings(mut config: NetworkConfig, path: &Path) -> Result<NetworkConfig, CniError> {
    if config.only_inlined {
        return Ok(config);
    }
    let directory = path.with_file_name(&config.name);
    let mut files = match files_of(&directory) {
        Ok(files) => files,
        // A file without extension may be called as its network is.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Vec::new(),
        Err(error) => {
            let detail = format!("{} cannot be read: {error}", directory.display());
            return Err(bad(&path.display().to_string(), detail));
        }
    };
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "conf")
    });
    files.sort();
    for file in files {
        let name = file.display().to_string();
        let plugin = PluginConfig::from_value(read(&file)?, 0, config.version, &name)?;
        config.plugins.push(plugin);
    }
    Ok(config)
}

#[cfg(test)]
mod tests;
