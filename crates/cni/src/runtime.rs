//! The runtime: networks joined and left through plugins.
//!
//! Duties that the specification leaves to a runtime, and how they are met:
//! - DEL gets the configuration that ADD got: the record holds it.
//! - DEL follows every ADD, a failed one too: at once, for every plugin tried, in
//!   reverse; what cannot be undone keeps its record.
//! - An interface is not added twice without a DEL between: the record refuses it.
//! - One operation at a time for a container is the caller's duty.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::plugin::{Run, locate};
use crate::{AddResult, CniError, Join, NetworkConfig, PluginConfig, Record, Records, Version};

/// Error code of the specification: "the container is unknown, nothing to clean up".
const UNKNOWN_CONTAINER: u64 = 3;

/// Runs plugins and keeps records of what they did.
///
/// Plugins run in the network namespace of the thread that polls these futures.
#[derive(Debug, Clone)]
pub struct Runtime {
    pub(crate) plugin_dirs: Vec<PathBuf>,
    pub(crate) records: Records,
    pub(crate) limit: Duration,
}

impl Runtime {
    /// A runtime with the plugins of `plugin_dirs`, in order, each of which may take
    /// `limit` for one command.
    #[must_use]
    pub fn new(plugin_dirs: Vec<PathBuf>, records: Records, limit: Duration) -> Self {
        Self {
            plugin_dirs,
            records,
            limit,
        }
    }

    /// The records of what was joined.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Which of a network's programs, address plugins included, are missing.
    #[must_use]
    pub fn missing(&self, config: &NetworkConfig) -> Vec<CniError> {
        let kinds = config
            .plugins
            .iter()
            .flat_map(|p| [Some(&p.kind), p.ipam.as_ref()]);
        kinds
            .flatten()
            .filter_map(|kind| locate(kind, &self.plugin_dirs).err())
            .collect()
    }

    /// ADD: joins a network and returns what was assigned.
    ///
    /// # Errors
    /// The first plugin's failure, with everything undone; [`CniError::RollBack`]
    /// when that failed too and the record waits for [`Runtime::leave`].
    pub async fn join(&self, config: &NetworkConfig, join: &Join) -> Result<AddResult, CniError> {
        join.check()?;
        if let Some(missing) = self.missing(config).into_iter().next() {
            return Err(missing);
        }
        let (container, ifname) = (join.container.clone(), join.ifname.clone());
        if self
            .on_disk(move |records| records.read(&container, &ifname))
            .await?
            .is_some()
        {
            let (container, ifname) = (join.container.clone(), join.ifname.clone());
            return Err(CniError::AlreadyAttached { container, ifname });
        }
        let intent = Record::new(config, join);
        self.write(intent.clone()).await?;

        let mut tried = Tried::default();
        let outcome = match self.add_all(config, join, &mut tried).await {
            Ok(result) => {
                let record = Record {
                    result: tried.previous.clone(),
                    ..intent.clone()
                };
                self.write(record).await.map(|()| result)
            }
            Err(error) => Err(error),
        };
        match outcome {
            Ok(result) => Ok(result),
            Err(failure) => Err(self.roll_back(intent, config, tried, failure).await),
        }
    }

    /// DEL: leaves a network as it was recorded; without a record there is nothing
    /// to do. `netns` is absent when the namespace is gone.
    ///
    /// # Errors
    /// [`CniError::Leave`] with every plugin's failure, after all were tried.
    pub async fn leave(
        &self,
        container: &str,
        ifname: &str,
        netns: Option<&Path>,
    ) -> Result<(), CniError> {
        let (id, name) = (container.to_owned(), ifname.to_owned());
        let Some(record) = self
            .on_disk(move |records| records.read(&id, &name))
            .await?
        else {
            return Ok(());
        };
        let config = record.network()?;
        let mut plugins: Vec<&PluginConfig> = config.plugins.iter().collect();
        plugins.reverse();
        let problems = self
            .del_all(
                &config,
                &record.join,
                &plugins,
                record.result.as_ref(),
                netns,
            )
            .await;
        let network = config.name.clone();
        if self.settle(record, problems.clone()).await? {
            return Ok(());
        }
        Err(CniError::Leave { network, problems })
    }

    async fn add_all(
        &self,
        config: &NetworkConfig,
        join: &Join,
        tried: &mut Tried,
    ) -> Result<AddResult, CniError> {
        let mut result = AddResult::default();
        for plugin in &config.plugins {
            let stdin = join.stdin(config, plugin, tried.previous.as_ref())?;
            let path = locate(&plugin.kind, &self.plugin_dirs)?;
            let env = self.env("ADD", Some(join), Some(&join.netns));
            let run = self.run(plugin, &path, "ADD", &env, &stdin);
            let printed = run.output().await;
            // What could not be started did nothing that would have to be undone.
            tried.count += usize::from(!matches!(printed, Err(CniError::Spawn { .. })));
            let mut value = run.json(&printed?)?;
            result = AddResult::from_value(&value).map_err(|detail| run.unusable(detail))?;
            if let Some(object) = value.as_object_mut() {
                // A result without a version is one in the configuration's.
                object
                    .entry("cniVersion")
                    .or_insert_with(|| config.version.to_string().into());
            }
            tried.previous = Some(value);
        }
        Ok(result)
    }

    async fn roll_back(
        &self,
        record: Record,
        config: &NetworkConfig,
        tried: Tried,
        failure: CniError,
    ) -> CniError {
        let plugins: Vec<&PluginConfig> = config.plugins.iter().take(tried.count).rev().collect();
        let netns = record.join.netns.clone();
        let previous = tried.previous.as_ref();
        let problems = self
            .del_all(config, &record.join, &plugins, previous, Some(&netns))
            .await;
        let failure = Box::new(failure);
        match self.settle(record, problems.clone()).await {
            Ok(true) => *failure,
            Ok(false) => CniError::RollBack { failure, problems },
            Err(error) => CniError::RollBack {
                failure,
                problems: vec![error.to_string()],
            },
        }
    }

    /// DEL of the plugins given, in that order, past errors, which are returned.
    async fn del_all(
        &self,
        config: &NetworkConfig,
        join: &Join,
        plugins: &[&PluginConfig],
        previous: Option<&Value>,
        netns: Option<&Path>,
    ) -> Vec<String> {
        let previous = previous.filter(|_| config.version >= Version::CHECK);
        let mut problems = Vec::new();
        for plugin in plugins {
            match self.one(config, join, plugin, "DEL", previous, netns).await {
                Ok(())
                | Err(CniError::Plugin {
                    code: UNKNOWN_CONTAINER,
                    ..
                }) => {}
                Err(error) => problems.push(with_cause(&error)),
            }
        }
        problems
    }

    /// One command of which no result is wanted.
    pub(crate) async fn one(
        &self,
        config: &NetworkConfig,
        join: &Join,
        plugin: &PluginConfig,
        verb: &'static str,
        previous: Option<&Value>,
        netns: Option<&Path>,
    ) -> Result<(), CniError> {
        let stdin = join.stdin(config, plugin, previous)?;
        let path = locate(&plugin.kind, &self.plugin_dirs)?;
        let env = self.env(verb, Some(join), netns);
        self.run(plugin, &path, verb, &env, &stdin)
            .output()
            .await
            .map(|_| ())
    }

    pub(crate) fn run<'a>(
        &self,
        plugin: &'a PluginConfig,
        path: &'a Path,
        verb: &'static str,
        env: &'a [(&'static str, String)],
        stdin: &'a [u8],
    ) -> Run<'a> {
        Run {
            plugin: &plugin.kind,
            path,
            verb,
            env,
            stdin,
            limit: self.limit,
        }
    }

    /// Environment of a command; GC, STATUS and VERSION are about no container.
    pub(crate) fn env(
        &self,
        verb: &str,
        join: Option<&Join>,
        netns: Option<&Path>,
    ) -> Vec<(&'static str, String)> {
        let dirs: Vec<String> = self
            .plugin_dirs
            .iter()
            .map(|directory| directory.display().to_string())
            .collect();
        let mut env = vec![
            ("CNI_COMMAND", verb.to_owned()),
            ("CNI_PATH", dirs.join(":")),
        ];
        if let Some(join) = join {
            env.push(("CNI_CONTAINERID", join.container.clone()));
            env.push(("CNI_IFNAME", join.ifname.clone()));
        }
        if let Some(netns) = netns {
            env.push(("CNI_NETNS", netns.display().to_string()));
        }
        env
    }

    /// Removes the record if nothing is left to undo, and else marks it for a retry.
    async fn settle(&self, record: Record, problems: Vec<String>) -> Result<bool, CniError> {
        let done = problems.is_empty();
        self.on_disk(move |records| {
            if done {
                records.remove(&record.join.container, &record.join.ifname)
            } else {
                records.write(&record.failed(problems))
            }
        })
        .await?;
        Ok(done)
    }

    async fn write(&self, record: Record) -> Result<(), CniError> {
        self.on_disk(move |records| records.write(&record)).await
    }

    /// Runs file work away from the async threads: syncing may take long.
    pub(crate) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Records) -> Result<T, CniError> + Send + 'static,
    ) -> Result<T, CniError> {
        let records = self.records.clone();
        match tokio::task::spawn_blocking(move || work(&records)).await {
            Ok(outcome) => outcome,
            Err(error) => Err(CniError::State {
                action: "work on",
                path: self.records.directory().to_owned(),
                source: std::io::Error::other(error),
            }),
        }
    }
}

/// How far an ADD came.
#[derive(Default)]
struct Tried {
    /// Plugins that were started, the failed one included.
    count: usize,
    /// The last good result.
    previous: Option<Value>,
}

/// An error with its cause on one line, for lists of problems.
fn with_cause(error: &CniError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
