//! What was done, on disk, so that it can be undone after a crash or a reboot.
//!
//! `<directory>/<container>/<interface>.json` is written before ADD, with the very
//! configuration that DEL must be given, and again with the result. Files are
//! written aside, synced and renamed, so a crash leaves the old one or the new one.
//! One that cannot be read all the same is set aside as `.bad` and logged: it must
//! not stop anything, least of all the start of the daemon.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::{check_ifname, check_name};
use crate::{AddResult, CniError, Join, NetworkConfig, Version};

/// A joined network, or an attempt at one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What was asked.
    pub join: Join,
    /// The network's configuration at that time, as JSON.
    pub(crate) config: Value,
    /// The version that each plugin was spoken to in; absent in records that older
    /// daemons wrote, where it is the configuration's.
    #[serde(default)]
    pub(crate) versions: Vec<String>,
    /// The last plugin's result as printed; absent until ADD succeeded.
    pub(crate) result: Option<Value>,
    /// Why leaving failed, if it was tried.
    pub failure: Option<Failure>,
}

/// A DEL that failed and waits to be tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// How often it was tried.
    pub attempts: u32,
    /// The latest attempt, in seconds since 1970.
    pub at: u64,
    /// What the plugins said.
    pub problems: Vec<String>,
}

impl Record {
    pub(crate) fn new(config: &NetworkConfig, join: &Join) -> Self {
        Self {
            join: join.clone(),
            config: config.to_value(),
            versions: config
                .plugins
                .iter()
                .map(|plugin| plugin.version.to_string())
                .collect(),
            result: None,
            failure: None,
        }
    }

    /// The network's configuration.
    ///
    /// # Errors
    /// When the record was tampered with.
    pub fn network(&self) -> Result<NetworkConfig, CniError> {
        let origin = format!(
            "recorded for {} of {}",
            self.join.ifname, self.join.container
        );
        let mut config = NetworkConfig::from_value(self.config.clone(), &origin)?;
        for (plugin, version) in config.plugins.iter_mut().zip(&self.versions) {
            plugin.version = Version::parse(version).unwrap_or(plugin.version);
        }
        Ok(config)
    }

    /// The network's name.
    pub(crate) fn name(&self) -> Option<&str> {
        self.config.get("name")?.as_str()
    }

    /// What was assigned, if ADD succeeded.
    #[must_use]
    pub fn result(&self) -> Option<AddResult> {
        AddResult::from_value(self.result.as_ref()?).ok()
    }

    /// Whether a failed DEL should be tried again: after pauses that double from
    /// 5 seconds up to 10 minutes.
    #[must_use]
    pub fn is_due(&self, now: SystemTime) -> bool {
        let Some(failure) = &self.failure else {
            return false;
        };
        let pause = 5_u64.saturating_mul(1 << failure.attempts.min(10)).min(600);
        let due = UNIX_EPOCH + Duration::from_secs(failure.at.saturating_add(pause).min(1 << 40));
        // A clock that was set back must not postpone it for ever.
        now >= due || unix_seconds(now) < failure.at
    }

    pub(crate) fn failed(mut self, problems: Vec<String>) -> Self {
        let attempts = self
            .failure
            .map_or(0, |failure| failure.attempts)
            .saturating_add(1);
        self.failure = Some(Failure {
            attempts,
            at: unix_seconds(SystemTime::now()),
            problems,
        });
        self
    }
}

/// The directory of records.
#[derive(Debug, Clone)]
pub struct Records {
    directory: PathBuf,
}

impl Records {
    /// Records below `directory`, which is made when it is needed.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a record; when this returns, it is on disk.
    pub(crate) fn write(&self, record: &Record) -> Result<(), CniError> {
        let path = self.path(&record.join.container, &record.join.ifname)?;
        let text = serde_json::to_vec_pretty(record).map_err(io::Error::other);
        text.and_then(|text| replace(&path, &text))
            .map_err(at("write", &path))
    }

    /// Reads a record; one that makes no sense is set aside and counts as none.
    ///
    /// # Errors
    /// When the file exists and the disk does not give it.
    pub fn read(&self, container: &str, ifname: &str) -> Result<Option<Record>, CniError> {
        let path = self.path(container, ifname)?;
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(at("read", &path)(error)),
        };
        match serde_json::from_slice::<Record>(&text) {
            Ok(record) if record.is_of(container, ifname) => Ok(Some(record)),
            outcome => {
                let problem = outcome
                    .err()
                    .map_or("it is another's".to_owned(), |e| e.to_string());
                set_aside(&path, &problem)?;
                Ok(None)
            }
        }
    }

    /// All records of a container, in the order of their interfaces.
    ///
    /// # Errors
    /// When the directory or a file exists and the disk does not give it.
    pub fn of(&self, container: &str) -> Result<Vec<Record>, CniError> {
        check_name("container id", container)?;
        let mut names = names(&self.directory.join(container))?;
        // Names that are none of ours are left alone.
        names.retain(|name| {
            name.strip_suffix(".json")
                .is_some_and(|n| check_ifname(n).is_ok())
        });
        names.sort_by_key(|name| (name.len(), name.clone()));
        let mut records = Vec::new();
        for name in names {
            if let Some(ifname) = name.strip_suffix(".json") {
                records.extend(self.read(container, ifname)?);
            }
        }
        Ok(records)
    }

    /// The containers that have records, in order.
    ///
    /// # Errors
    /// When the directory exists and the disk does not give it.
    pub fn containers(&self) -> Result<Vec<String>, CniError> {
        let mut containers = names(&self.directory)?;
        containers.retain(|container| {
            if check_name("container id", container).is_err() {
                return false;
            }
            let files = names(&self.directory.join(container)).unwrap_or_default();
            files.iter().any(|file| file.ends_with(".json"))
        });
        containers.sort();
        Ok(containers)
    }

    pub(crate) fn remove(&self, container: &str, ifname: &str) -> Result<(), CniError> {
        let path = self.path(container, ifname)?;
        match fs::remove_file(&path) {
            Err(error) if !is_absent(&error) => return Err(at("remove", &path)(error)),
            _ => {}
        }
        // Fails while the container has other records, as it should.
        let _ = fs::remove_dir(self.directory.join(container));
        Ok(())
    }

    fn path(&self, container: &str, ifname: &str) -> Result<PathBuf, CniError> {
        check_name("container id", container)?;
        check_ifname(ifname)?;
        Ok(self
            .directory
            .join(container)
            .join(format!("{ifname}.json")))
    }
}

impl Record {
    fn is_of(&self, container: &str, ifname: &str) -> bool {
        self.join.container == container && self.join.ifname == ifname && self.network().is_ok()
    }
}

fn names(directory: &Path) -> Result<Vec<String>, CniError> {
    match fs::read_dir(directory) {
        Ok(entries) => Ok(entries
            .filter_map(|e| e.ok()?.file_name().into_string().ok())
            .collect()),
        Err(error) if is_absent(&error) => Ok(Vec::new()),
        Err(error) => Err(at("read", directory)(error)),
    }
}

/// Writes a file so that a crash leaves the old content or the new one, creating
/// its directory.
///
/// # Errors
/// What the disk said.
pub fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let aside = path.with_extension("tmp");
    let mut file = File::create(&aside)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    File::open(directory)?.sync_all()
}

fn set_aside(path: &Path, problem: &str) -> Result<(), CniError> {
    tracing::error!(path = %path.display(), problem,
        "a record of a CNI attachment makes no sense and was renamed to .bad");
    fs::rename(path, path.with_extension("bad")).map_err(at("set aside", path))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CniError {
    let path = path.to_owned();
    move |source| CniError::State {
        action,
        path,
        source,
    }
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

#[cfg(test)]
mod tests;
