//! The networks of this host's native containers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use cni::{Records, Runtime};
use mesos::NetworkInfo;
use model::TaskId;
use tokio::sync::Semaphore;

use crate::intent::{Intents, failed, names};
use crate::locks::Locks;
use crate::wanted::{host_ports, published};
use crate::{Attachment, HostPorts, NetworkError, Options, Published, bridge};

/// Containers that are changed at the same time. The kernel's lock on network
/// configuration makes more of them slower, not faster.
const CONCURRENT: usize = 4;

/// A configured network, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSummary {
    /// Its name; the file's name when that could not be read.
    pub name: String,
    /// Types of its plugins, in order.
    pub plugins: Vec<String>,
    /// Its file.
    pub file: PathBuf,
    /// Why it cannot be used, if it cannot.
    pub problem: Option<String>,
}

/// The networks of this host's native containers; clones share everything.
///
/// Plugins and namespaces belong to the network namespace of the thread that
/// polls these futures: the host's, for a daemon. One instance at a time may use a
/// state directory.
#[derive(Debug, Clone)]
pub struct Networks {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    /// All directories with configurations; our own is the last.
    pub(crate) config_dirs: Vec<PathBuf>,
    pub(crate) namespaces: PathBuf,
    pub(crate) runtime: Runtime,
    pub(crate) intents: Intents,
    pub(crate) ports: HostPorts,
    pub(crate) locks: Locks,
    pub(crate) gate: Semaphore,
}

impl Networks {
    /// Opens the records under [`Options::state`] and sees that the default
    /// bridge network exists.
    ///
    /// # Errors
    /// When directories cannot be made or read.
    pub fn new(options: Options) -> Result<Self, NetworkError> {
        let own_configs = options.state.join("net.d");
        std::fs::create_dir_all(&own_configs).map_err(failed("make", &own_configs))?;
        bridge::ensure(&options, &own_configs)?;
        let records = Records::new(options.state.join("cni"));
        let mut config_dirs = options.config_dirs;
        config_dirs.push(own_configs);
        let shared = Shared {
            config_dirs,
            namespaces: options.run.join("netns"),
            runtime: Runtime::new(options.plugin_dirs, records, options.plugin_timeout),
            intents: Intents {
                directory: options.state.join("attachments"),
            },
            ports: options.host_ports,
            locks: Locks::default(),
            gate: Semaphore::new(CONCURRENT),
        };
        let records = shared.records();
        for id in records.containers().map_err(NetworkError::Records)? {
            shared.settle_reserved(&id)?;
        }
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// All configured networks, as they are on disk now.
    pub async fn names(&self) -> Vec<NetworkSummary> {
        self.on_disk(|shared| Ok(shared.summaries()))
            .await
            .unwrap_or_default()
    }

    /// The container's attachment as recorded, if it is complete and its namespace
    /// still exists.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub async fn attachment(&self, id: &str) -> Result<Option<Attachment>, NetworkError> {
        let id = check_id(id)?;
        self.on_disk(move |shared| Ok(shared.recorded(&id)?.map(|(_, attachment)| attachment)))
            .await
    }

    /// Ids that have a namespace or records, in order, without those that only
    /// wait for [`Networks::retry_failed`].
    pub async fn leftovers(&self) -> Vec<String> {
        self.on_disk(|shared| Ok(shared.leftovers()))
            .await
            .unwrap_or_default()
    }

    /// Makes the host ports that lead to these containers what the records say, whatever
    /// happened to the rules, and says whether there was anything to do.
    ///
    /// # Errors
    /// When the records cannot be read, or as [`HostPorts::settle_all`].
    pub async fn settle_host_ports(&self) -> Result<bool, NetworkError> {
        let wanted = async {
            // Before the records are read: who begins later finds its ports untouched.
            let busy = self.shared.locks.busy();
            let all = self.on_disk(|shared| shared.all_published()).await?;
            Ok((all, busy))
        };
        self.shared.ports.settle(wanted).await
    }

    /// Runs file work away from the async threads.
    pub(crate) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, NetworkError> + Send + 'static,
    ) -> Result<T, NetworkError> {
        let shared = Arc::clone(&self.shared);
        match tokio::task::spawn_blocking(move || work(&shared)).await {
            Ok(outcome) => outcome,
            Err(error) => Err(NetworkError::Interrupted(error.to_string())),
        }
    }
}

impl Shared {
    pub(crate) fn records(&self) -> &Records {
        self.runtime.records()
    }

    /// What the container asked for and got, if all of it is still there.
    pub(crate) fn recorded(
        &self,
        id: &str,
    ) -> Result<Option<(Vec<NetworkInfo>, Attachment)>, NetworkError> {
        let Some(intent) = self.intents.read(id)? else {
            return Ok(None);
        };
        if !intent.complete || !netlink::netns::exists(&intent.netns) {
            return Ok(None);
        }
        let records = self.records().of(id).map_err(NetworkError::Records)?;
        let mut assigned = Vec::new();
        let named = intent
            .requests
            .iter()
            .filter(|request| request.name.is_some());
        for (index, request) in named.enumerate() {
            let ifname = format!("eth{index}");
            let record = records.iter().find(|record| record.join.ifname == ifname);
            let Some(result) = record.and_then(cni::Record::result) else {
                return Ok(None);
            };
            assigned.push((request.clone(), result));
        }
        let attachment = Attachment::assemble(intent.netns, &assigned);
        Ok(Some((intent.requests, attachment)))
    }

    /// Makes the host ports of the container's records all that is reserved for it.
    pub(crate) fn settle_reserved(&self, id: &str) -> Result<(), NetworkError> {
        let records = self.records().of(id).map_err(NetworkError::Records)?;
        let ports = records
            .iter()
            .flat_map(|record| host_ports(&record.join.capabilities));
        self.ports.set_reserved(id, ports.collect());
        Ok(())
    }

    /// The host ports that we lead to the container, by its records.
    pub(crate) fn published(&self, id: &str) -> Result<Vec<Published>, NetworkError> {
        let records = self.records().of(id).map_err(NetworkError::Records)?;
        Ok(records.iter().flat_map(published).collect())
    }

    fn all_published(&self) -> Result<BTreeMap<String, Vec<Published>>, NetworkError> {
        let ids = self.records().containers();
        let all = ids.map_err(NetworkError::Records)?.into_iter();
        all.map(|id| Ok((id.clone(), self.published(&id)?)))
            .collect()
    }

    fn leftovers(&self) -> Vec<String> {
        let mut ids = self.intents.ids();
        ids.extend(names(&self.namespaces));
        let recorded = self.records().containers().unwrap_or_default();
        ids.extend(recorded.into_iter().filter(|id| {
            let records = self.records().of(id).unwrap_or_default();
            records.iter().any(|record| record.failure.is_none())
        }));
        ids.sort();
        ids.dedup();
        ids
    }

    fn summaries(&self) -> Vec<NetworkSummary> {
        let mut summaries: Vec<NetworkSummary> = Vec::new();
        for file in cni::configurations(&self.config_dirs) {
            let name = file.name.clone().unwrap_or_else(|| {
                file.path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned()
            });
            let earlier = summaries.iter().find(|summary| summary.name == name);
            let plugins: Vec<String> = match &file.config {
                Ok(config) => config
                    .plugins
                    .iter()
                    .map(|plugin| plugin.kind.clone())
                    .collect(),
                Err(_) => Vec::new(),
            };
            let problem = match (&file.config, earlier) {
                (Err(error), _) => Some(error.to_string()),
                (_, Some(first)) => Some(format!("{} has this name first", first.file.display())),
                (Ok(config), None) => self
                    .runtime
                    .missing(config)
                    .first()
                    .map(ToString::to_string),
            };
            summaries.push(NetworkSummary {
                name,
                plugins,
                file: file.path,
                problem,
            });
        }
        summaries
    }
}

/// Ids become file names and CNI container ids; a task id's rules fit both.
pub(crate) fn check_id(id: &str) -> Result<String, NetworkError> {
    match id.parse::<TaskId>() {
        Ok(_) => Ok(id.to_owned()),
        Err(_) => Err(NetworkError::Id(id.to_owned())),
    }
}
