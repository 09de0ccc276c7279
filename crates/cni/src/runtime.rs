//! The runtime: networks joined and left through plugins.
//!
//! Duties that the specification leaves to a runtime, and how they are met:
//! - DEL gets the configuration that ADD got: the record holds it.
//! - DEL follows every ADD, a failed one too: at once, for every plugin tried, in
//!   reverse; what cannot be undone keeps its record. Where the specification ends at
//!   the first plugin whose DEL fails, the others are asked all the same.
//! - An interface is not added twice without a DEL between: the record refuses it.
//! - A network is not collected while somebody joins or leaves it (`turns`).
//! - One operation at a time for a container is the caller's duty.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::chain::{Tried, with_cause};
use crate::plugin::{Run, locate};
use crate::spoken::Answers;
use crate::turns::Turns;
use crate::{AddResult, CniError, Join, NetworkConfig, PluginConfig, Record, Records};

/// Runs plugins and keeps records of what they did.
///
/// Plugins run in the network namespace of the thread that polls these futures.
/// Clones share their locks; a second runtime with the same records does not.
#[derive(Debug, Clone)]
pub struct Runtime {
    pub(crate) plugin_dirs: Vec<PathBuf>,
    pub(crate) records: Records,
    pub(crate) limit: Duration,
    pub(crate) shared: Arc<Shared>,
}

/// What clones of a runtime have in common.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) turns: Turns,
    pub(crate) answers: Answers,
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
            shared: Arc::default(),
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
    /// What can be found out before is: names, programs, versions, and what the
    /// configuration must leave to us. Nothing was done then.
    ///
    /// # Errors
    /// The first plugin's failure, with everything undone; [`CniError::RollBack`]
    /// when that failed too and the record waits for [`Runtime::leave`].
    pub async fn join(&self, config: &NetworkConfig, join: &Join) -> Result<AddResult, CniError> {
        join.check()?;
        for plugin in &config.plugins {
            join.stdin(config, plugin, None)?;
        }
        if let Some(missing) = self.missing(config).into_iter().next() {
            return Err(missing);
        }
        let config = self.agreed(config).await?;
        let _turn = self.shared.turns.turn(&config.name).await;
        if self.read(&join.container, &join.ifname).await?.is_some() {
            let (container, ifname) = (join.container.clone(), join.ifname.clone());
            return Err(CniError::AlreadyAttached { container, ifname });
        }
        let intent = Record::new(&config, join);
        self.write(intent.clone()).await?;

        let mut tried = Tried::default();
        let outcome = match self.add_all(&config, join, &mut tried).await {
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
            Err(failure) => Err(self.roll_back(intent, &config, tried, failure).await),
        }
    }

    /// DEL: leaves a network as it was recorded; without a record there is nothing
    /// to do. `netns` is absent when the namespace is gone; a path that is no
    /// namespace any more, such as after a reboot, counts as absent.
    ///
    /// # Errors
    /// [`CniError::Leave`] with every plugin's failure, after all were tried.
    pub async fn leave(
        &self,
        container: &str,
        ifname: &str,
        netns: Option<&Path>,
    ) -> Result<(), CniError> {
        let Some(record) = self.read(container, ifname).await? else {
            return Ok(());
        };
        let network = record.network()?.name;
        let _turn = self.shared.turns.turn(&network).await;
        // A collection may have undone it meanwhile.
        match self.read(container, ifname).await? {
            Some(record) => self.undo(record, netns).await,
            None => Ok(()),
        }
    }

    /// DEL of all plugins of a record, last one first.
    pub(crate) async fn undo(&self, record: Record, netns: Option<&Path>) -> Result<(), CniError> {
        let config = record.network()?;
        let plugins: Vec<&PluginConfig> = config.plugins.iter().rev().collect();
        let previous = record.result.as_ref();
        let problems = self
            .del_all(&config, &record.join, &plugins, previous, netns)
            .await;
        let network = config.name.clone();
        if self.settle(record, problems.clone()).await? {
            return Ok(());
        }
        Err(CniError::Leave { network, problems })
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
                problems: vec![with_cause(&error)],
            },
        }
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

    /// Environment of a command, beside `PATH`; GC, STATUS and VERSION are about no
    /// container.
    ///
    /// `CNI_ARGS` is not set, as Mesos did not set it. Its successors, `args` and
    /// capabilities, carry all that we have to say; and `IP=`, the one key that plugins
    /// still read, has no form that all of them take: some refuse an address with a
    /// prefix length, others one without.
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

    async fn read(&self, container: &str, ifname: &str) -> Result<Option<Record>, CniError> {
        let (container, ifname) = (container.to_owned(), ifname.to_owned());
        self.on_disk(move |records| records.read(&container, &ifname))
            .await
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
