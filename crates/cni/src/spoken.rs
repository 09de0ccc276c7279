//! What plugins say that they speak, asked once for each version of their program.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::agree::{Spoken, agree};
use crate::plugin::locate;
use crate::{CniError, NetworkConfig, PluginConfig, Runtime, Version};

/// How long a plugin may think about its versions; longer counts as no answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers by program. A program that was replaced is asked again.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    known: Mutex<HashMap<PathBuf, (Stamp, Spoken)>>,
}

/// What tells a program's file from the one that was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    /// Seconds and nanoseconds; the change time moves when an installer sets the
    /// modification time back to the package's.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self {
            file: (found.dev(), found.ino()),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

impl Answers {
    fn get(&self, path: &Path, stamp: Stamp) -> Option<Spoken> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, spoken) = known.get(path)?;
        (*of == stamp).then(|| spoken.clone())
    }

    fn put(&self, path: PathBuf, stamp: Stamp, spoken: Spoken) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(path, (stamp, spoken));
    }
}

impl Runtime {
    /// The configuration with the version that each plugin is to be spoken to in.
    pub(crate) async fn agreed(&self, config: &NetworkConfig) -> Result<NetworkConfig, CniError> {
        // There was no VERSION yet, and what answers to it now may do anything.
        if config.version < Version::ASKED {
            return Ok(config.clone());
        }
        let mut spoken = Vec::new();
        for plugin in &config.plugins {
            spoken.push(self.spoken(plugin).await?);
        }
        agree(config, &spoken)
    }

    /// VERSION: which versions a plugin says it speaks, as it prints them.
    ///
    /// # Errors
    /// When the plugin fails or prints something else.
    pub async fn versions(&self, plugin: &str) -> Result<Vec<String>, CniError> {
        self.ask(&PluginConfig::named(plugin), self.limit).await
    }

    async fn spoken(&self, plugin: &PluginConfig) -> Result<Spoken, CniError> {
        let path = locate(&plugin.kind, &self.plugin_dirs)?;
        // Before asking: what is replaced meanwhile is asked again.
        let stamp = Stamp::of(&path);
        if let Some(known) = stamp.and_then(|stamp| self.shared.answers.get(&path, stamp)) {
            return Ok(known);
        }
        let (spoken, for_good) = match self.ask(plugin, self.limit.min(PATIENCE)).await {
            Ok(printed) => {
                let read = printed.iter().filter_map(|text| Version::parse(text));
                let all: Vec<Version> = read.collect();
                ((!all.is_empty()).then_some(all), true)
            }
            Err(
                error @ (CniError::Plugin { .. } | CniError::Exit { .. } | CniError::Output { .. }),
            ) => {
                tracing::debug!(%error, "a plugin does not say which versions it speaks");
                (None, true)
            }
            // It may hang at ADD as well, which then says so.
            Err(error @ (CniError::Timeout { .. } | CniError::TooMuchOutput { .. })) => {
                tracing::warn!(%error, "a plugin does not say which versions it speaks");
                (None, false)
            }
            Err(error) => return Err(error),
        };
        if let Some(stamp) = stamp.filter(|_| for_good) {
            self.shared.answers.put(path, stamp, spoken.clone());
        }
        Ok(spoken)
    }

    async fn ask(&self, plugin: &PluginConfig, limit: Duration) -> Result<Vec<String>, CniError> {
        let path = locate(&plugin.kind, &self.plugin_dirs)?;
        let env = self.env("VERSION", None, None);
        let stdin = json!({"cniVersion": Version::NEWEST.to_string()}).to_string();
        let mut run = self.run(plugin, &path, "VERSION", &env, stdin.as_bytes());
        run.limit = limit;
        let value = run.json(&run.output().await?)?;
        let list = value.get("supportedVersions").and_then(Value::as_array);
        let list = list.ok_or_else(|| run.unusable("'supportedVersions' is missing".to_owned()))?;
        let texts = list.iter().filter_map(Value::as_str);
        Ok(texts.map(ToOwned::to_owned).collect())
    }
}
