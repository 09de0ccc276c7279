//! GC: attachments that nobody uses any more are undone.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::join::base;
use crate::turns::Alone;
use crate::{CniError, NetworkConfig, Record, Runtime, Version};

/// A network at rest: nobody joins or leaves it while this lives.
///
/// What is in use must be found out *after* this was had. A list from before would
/// lack who joined meanwhile, and their attachment would be undone.
#[derive(Debug)]
pub struct Collection {
    runtime: Runtime,
    config: NetworkConfig,
    _alone: Alone,
}

impl Runtime {
    /// Waits a moment until nobody joins or leaves the network, and keeps it so.
    ///
    /// # Errors
    /// [`CniError::Busy`] when somebody goes on for longer: try again later.
    pub async fn collection(&self, config: &NetworkConfig) -> Result<Collection, CniError> {
        let alone = self.shared.turns.alone(&config.name).await;
        Ok(Collection {
            runtime: self.clone(),
            config: config.clone(),
            _alone: alone.ok_or_else(|| CniError::Busy {
                network: config.name.clone(),
            })?,
        })
    }
}

impl Collection {
    /// Undoes what is recorded for this network and not in `in_use`, pairs of
    /// container and interface, and tells plugins of version 1.1.0 and newer which
    /// ones are in use, so that they free what no record knows of. Returns what was
    /// undone. Does nothing where the network disables it.
    ///
    /// For plugins, `in_use` is the whole truth: they free what others, such as another
    /// runtime with the same configuration, have. Use it for networks of our own only.
    ///
    /// # Errors
    /// [`CniError::Collect`] with every failure, after all was tried.
    pub async fn run(self, in_use: &[(String, String)]) -> Result<Vec<(String, String)>, CniError> {
        if self.config.disable_gc {
            return Ok(Vec::new());
        }
        let mut problems = Vec::new();
        let undone = self.undo_unused(in_use, &mut problems).await?;
        match self.runtime.agreed(&self.config).await {
            Ok(agreed) => self.tell(&agreed, in_use, &mut problems).await,
            Err(error) => problems.push(error.to_string()),
        }
        if problems.is_empty() {
            return Ok(undone);
        }
        Err(CniError::Collect {
            network: self.config.name,
            problems,
        })
    }

    async fn undo_unused(
        &self,
        in_use: &[(String, String)],
        problems: &mut Vec<String>,
    ) -> Result<Vec<(String, String)>, CniError> {
        let in_use: BTreeSet<(String, String)> = in_use.iter().cloned().collect();
        let network = self.config.name.clone();
        let unused = self
            .runtime
            .on_disk(move |records| {
                let mut unused: Vec<Record> = Vec::new();
                for container in records.containers()? {
                    unused.extend(records.of(&container)?);
                }
                unused.retain(|record| {
                    let join = &record.join;
                    let key = (join.container.clone(), join.ifname.clone());
                    record.name() == Some(&network) && !in_use.contains(&key)
                });
                Ok(unused)
            })
            .await?;
        let mut undone = Vec::new();
        for record in unused {
            let key = (record.join.container.clone(), record.join.ifname.clone());
            let netns = record.join.netns.clone();
            match self.runtime.undo(record, Some(&netns)).await {
                Ok(()) => undone.push(key),
                Err(error) => problems.push(format!("{} of {}: {error}", key.1, key.0)),
            }
        }
        Ok(undone)
    }

    async fn tell(
        &self,
        agreed: &NetworkConfig,
        in_use: &[(String, String)],
        problems: &mut Vec<String>,
    ) {
        let valid: Vec<Value> = in_use
            .iter()
            .map(|(container, ifname)| json!({"containerID": container, "ifname": ifname}))
            .collect();
        for plugin in &agreed.plugins {
            if plugin.version < Version::NEWEST {
                continue;
            }
            let mut object = base(agreed, plugin);
            // The second is how the specification's own library called it at first.
            for key in ["cni.dev/valid-attachments", "cni.dev/attachments"] {
                object.insert(key.to_owned(), json!(valid));
            }
            let stdin = Value::Object(object).to_string();
            let told = self.runtime.about_nobody(plugin, "GC", stdin.as_bytes());
            if let Err(error) = told.await {
                problems.push(error.to_string());
            }
        }
    }
}
