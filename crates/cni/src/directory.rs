//! Configurations in directories, read anew at each use.
//!
//! Nothing is cached: a configuration added, changed or removed counts from the
//! next container on, without a restart (Mesos issue MESOS-6567 asked for this).

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
    let mut files = files_of(directory);
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

fn files_of(directory: &Path) -> Vec<PathBuf> {
    match fs::read_dir(directory) {
        Ok(entries) => entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.is_file())
            .collect(),
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(%error, directory = %directory.display(),
                    "cannot read CNI configurations");
            }
            Vec::new()
        }
    }
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
    let mut files = files_of(&path.with_file_name(&config.name));
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "conf")
    });
    files.sort();
    for file in files {
        let plugin = PluginConfig::from_value(read(&file)?, 0, &file.display().to_string())?;
        config.plugins.push(plugin);
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        directory
    }

    #[test]
    fn lists_come_first_and_the_first_of_a_name_wins() {
        let first = directory(&[
            ("10-a.conf", r#"{"name": "one", "type": "single"}"#),
            (
                "90-b.conflist",
                r#"{"name": "one", "plugins": [{"type": "list"}]}"#,
            ),
            ("mesos", r#"{"name": "two", "type": "mockPlugin"}"#),
            ("three.json", r#"{"name": "three", "type": "c"}"#),
            ("readme.txt", "not looked at"),
            (".hidden.conf", "not looked at"),
        ]);
        let second = directory(&[("a.conf", r#"{"name": "two", "type": "late"}"#)]);
        let missing = first.path().join("missing");
        let dirs = [first.path().to_owned(), missing, second.path().to_owned()];
        let kind = |name| find(&dirs, name).unwrap().plugins[0].kind.clone();
        assert_eq!(kind("one"), "list");
        assert_eq!(kind("two"), "mockPlugin");
        assert_eq!(kind("three"), "c");
        assert_eq!(configurations(&dirs).len(), 5);
        let unknown = find(&dirs, "four").unwrap_err().to_string();
        assert!(
            unknown.contains("'four'") && unknown.contains("one, three, two"),
            "{unknown}"
        );
    }

    #[test]
    fn a_change_counts_at_once() {
        let dir = directory(&[]);
        let dirs = [dir.path().to_owned()];
        find(&dirs, "x").unwrap_err();
        fs::write(dir.path().join("x.conf"), r#"{"name": "x", "type": "a"}"#).unwrap();
        find(&dirs, "x").unwrap();
        fs::remove_file(dir.path().join("x.conf")).unwrap();
        find(&dirs, "x").unwrap_err();
    }

    #[test]
    fn a_broken_file_is_reported_and_hides_no_other() {
        let dir = directory(&[
            ("1.conf", "{ half"),
            ("2.conflist", r#"{"name": "bad", "type": "x"}"#),
            ("3.conf", r#"{"name": "good", "type": "x"}"#),
            ("4.conf", r#"{"name": "bad", "type": "x"}"#),
        ]);
        let dirs = [dir.path().to_owned()];
        find(&dirs, "good").unwrap();
        let problem = find(&dirs, "bad").unwrap_err().to_string();
        assert!(
            problem.contains("2.conflist") && problem.contains("'plugins'"),
            "{problem}"
        );
        let broken: Vec<_> = configurations(&dirs)
            .into_iter()
            .filter(|file| file.config.is_err())
            .collect();
        assert_eq!(broken.len(), 2);
    }

    #[test]
    fn plugins_beside_a_list_are_appended() {
        let dir = directory(&[
            ("x.conflist", r#"{"name": "x", "plugins": [{"type": "a"}]}"#),
            ("x/20.conf", r#"{"type": "c"}"#),
            ("x/10.conf", r#"{"type": "b"}"#),
            (
                "y.conflist",
                r#"{"name": "y", "loadOnlyInlinedPlugins": true,
                "plugins": [{"type": "a"}]}"#,
            ),
            ("y/10.conf", r#"{"type": "b"}"#),
        ]);
        let kinds = |name| {
            let plugins = find(&[dir.path().to_owned()], name).unwrap().plugins;
            plugins
                .into_iter()
                .map(|plugin| plugin.kind)
                .collect::<String>()
        };
        assert_eq!(kinds("x"), "abc");
        assert_eq!(kinds("y"), "a");
    }
}
