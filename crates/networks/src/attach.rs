//! Joining a container to its networks, and leaving them.
//!
//! The order is what makes a crash harmless: the intent is written before the
//! namespace is made, each network's record before its plugins run, and the intent
//! goes last. Whatever exists is named by something on disk.

use std::error::Error;
use std::path::{Path, PathBuf};

use cni::{AddResult, CniError, Join, NetworkConfig};
use mesos::NetworkInfo;
use netlink::{NetlinkError, netns};

use crate::intent::Intent;
use crate::networks::{Shared, check_id};
use crate::wanted::{Wanted, wanted};
use crate::{Attachment, NetworkError, Networks};

impl Networks {
    /// Makes the container's namespace and joins it to the networks named, in order.
    ///
    /// Repeating it with the same requests returns what is there. Stale state of the
    /// same id, of a crash or a reboot, is undone first. After an error nothing of
    /// the attempt is left, but for what the error says is kept for a retry.
    ///
    /// # Errors
    /// Says which network failed and why.
    pub async fn attach(
        &self,
        id: &str,
        requests: &[NetworkInfo],
    ) -> Result<Attachment, NetworkError> {
        let id = check_id(id)?;
        let wanted = wanted(&id, requests)?;
        let _lock = self.shared.locks.of(&id).await;
        let known = id.clone();
        if let Some((asked, attachment)) =
            self.on_disk(move |shared| shared.recorded(&known)).await?
        {
            let same = asked == requests;
            return if same {
                Ok(attachment)
            } else {
                Err(NetworkError::AlreadyAttached(id))
            };
        }
        self.undo(&id).await?;
        let configs = self.configurations(&wanted).await?;
        self.reserve(&id, &wanted).await?;
        let made = self.make(&id, requests, &wanted, &configs).await;
        if made.is_err()
            && let Err(error) = self.undo(&id).await
        {
            tracing::warn!(%error, id, "a failed attachment was not all undone");
        }
        made
    }

    /// Leaves the container's networks in reverse order and deletes its namespace;
    /// a container without networks is fine.
    ///
    /// # Errors
    /// [`NetworkError::Detach`] reports what could not be undone. The namespace is
    /// gone all the same and the container can be removed: log it and go on.
    pub async fn detach(&self, id: &str) -> Result<(), NetworkError> {
        let id = check_id(id)?;
        let _lock = self.shared.locks.of(&id).await;
        self.undo(&id).await
    }

    /// Tries again, with growing pauses, to leave networks whose DEL failed, and
    /// says what failed again.
    pub async fn retry_failed(&self) -> Vec<NetworkError> {
        let ids = self.on_disk(|shared| Ok(shared.records().containers().unwrap_or_default()));
        let mut problems = Vec::new();
        for id in ids.await.unwrap_or_default() {
            let _lock = self.shared.locks.of(&id).await;
            // Asked under the lock: the id may have been left or joined meanwhile.
            let name = id.clone();
            let due = self.on_disk(move |shared| Ok(is_due(shared.records(), &name)));
            if due.await.unwrap_or(false) {
                problems.extend(self.undo(&id).await.err());
            }
        }
        problems
    }

    /// The networks' configurations, with all that their use would need.
    async fn configurations(&self, wanted: &[Wanted]) -> Result<Vec<NetworkConfig>, NetworkError> {
        let names: Vec<String> = wanted.iter().map(|one| one.network.clone()).collect();
        let all = self
            .on_disk(move |shared| {
                Ok(names
                    .iter()
                    .map(|name| cni::find(&shared.config_dirs, name))
                    .collect::<Vec<_>>())
            })
            .await?;
        all.into_iter()
            .map(|config| config.map_err(unknown))
            .collect()
    }

    async fn reserve(&self, id: &str, wanted: &[Wanted]) -> Result<(), NetworkError> {
        let ports = wanted.iter().flat_map(|one| one.host_ports.iter().copied());
        self.shared.ports.reserve(id, ports.collect()).await
    }

    async fn make(
        &self,
        id: &str,
        requests: &[NetworkInfo],
        wanted: &[Wanted],
        configs: &[NetworkConfig],
    ) -> Result<Attachment, NetworkError> {
        let netns = self.shared.namespaces.join(id);
        let requests = requests.to_vec();
        let mut intent = Intent {
            netns: netns.clone(),
            requests,
            complete: false,
        };
        let (name, path, first) = (id.to_owned(), netns.clone(), intent.clone());
        self.on_disk(move |shared| {
            shared.intents.write(&name, &first)?;
            netns::create(&path).map_err(|error| namespace_error(&name, error))
        })
        .await?;

        let mut assigned = Vec::new();
        for (one, config) in wanted.iter().zip(configs) {
            let result = self.join(id, &netns, one, config).await?;
            assigned.push((one.info.clone(), result));
        }
        let attachment = Attachment::assemble(netns, &assigned);
        self.publish(id, wanted).await?;
        intent.complete = true;
        let name = id.to_owned();
        self.on_disk(move |shared| shared.intents.write(&name, &intent))
            .await?;
        Ok(attachment)
    }

    /// Leads host ports to the container where no plugin did: as its records say, so
    /// that a restarted daemon finds the same.
    async fn publish(&self, id: &str, wanted: &[Wanted]) -> Result<(), NetworkError> {
        if wanted.iter().all(|one| one.host_ports.is_empty()) {
            return Ok(());
        }
        let name = id.to_owned();
        let ports = self.on_disk(move |shared| shared.published(&name)).await?;
        if ports.is_empty() {
            return Ok(());
        }
        self.shared.ports.publish(id, &ports).await
    }

    /// Joins one network and sees that wanted addresses were assigned.
    async fn join(
        &self,
        id: &str,
        netns: &Path,
        wanted: &Wanted,
        config: &NetworkConfig,
    ) -> Result<AddResult, NetworkError> {
        let join = Join {
            container: id.to_owned(),
            ifname: wanted.ifname.clone(),
            netns: netns.to_owned(),
            network_info: Some(wanted.info.clone()),
            capabilities: wanted.capabilities.clone(),
        };
        // The gate is never closed; were it, going on unlimited would be right.
        let _turn = self.shared.gate.acquire().await.ok();
        let joined = self.shared.runtime.join(config, &join).await;
        let result = joined.map_err(|source| NetworkError::Join {
            id: id.to_owned(),
            network: wanted.network.clone(),
            source: Box::new(source),
        })?;
        let assigned: Vec<_> = result.addresses().collect();
        match wanted
            .addresses
            .iter()
            .find(|address| !assigned.contains(address))
        {
            None => Ok(result),
            Some(missing) => Err(NetworkError::NotAssigned {
                network: wanted.network.clone(),
                wanted: *missing,
                assigned,
            }),
        }
    }

    /// Undoes all there is of a container, past errors, which are reported together.
    async fn undo(&self, id: &str) -> Result<(), NetworkError> {
        let name = id.to_owned();
        let mut state = self
            .on_disk(move |shared| Ok(State::of(shared, &name)))
            .await?;
        // Before the addresses are free for others.
        let withdrawn = self.shared.ports.withdraw(id).await;
        state
            .problems
            .extend(withdrawn.err().map(|error| with_cause(&error)));
        let inside = netns::exists(&state.netns).then(|| state.netns.clone());
        for ifname in &state.ifnames {
            let _turn = self.shared.gate.acquire().await.ok();
            let left = self
                .shared
                .runtime
                .leave(id, ifname, inside.as_deref())
                .await;
            state
                .problems
                .extend(left.err().map(|error| with_cause(&error)));
        }
        let name = id.to_owned();
        self.on_disk(move |shared| state.forget(shared, name)).await
    }
}

/// What there is of a container to undo, and what went wrong with it.
struct State {
    netns: PathBuf,
    /// Last one first.
    ifnames: Vec<String>,
    problems: Vec<String>,
}

impl State {
    fn of(shared: &Shared, id: &str) -> Self {
        let mut problems = Vec::new();
        let intent = shared.intents.read(id).unwrap_or_else(|error| {
            problems.push(with_cause(&error));
            None
        });
        let records = shared.records().of(id).unwrap_or_else(|error| {
            problems.push(with_cause(&error));
            Vec::new()
        });
        let netns = intent.map_or_else(|| shared.namespaces.join(id), |intent| intent.netns);
        let ifnames = records
            .into_iter()
            .rev()
            .map(|record| record.join.ifname)
            .collect();
        Self {
            netns,
            ifnames,
            problems,
        }
    }

    /// The last part of undoing: namespace, intent, reservations.
    fn forget(mut self, shared: &Shared, id: String) -> Result<(), NetworkError> {
        // The intent goes last and only without the namespace, so that a crash or a
        // failure in between is found again.
        let forgotten = match netns::delete(&self.netns) {
            Ok(()) => shared.intents.remove(&id),
            Err(error) => Err(namespace_error(&id, error)),
        };
        // Ports of a network that could not be left stay reserved: its rules may stand.
        for outcome in [forgotten, shared.settle_reserved(&id)] {
            self.problems
                .extend(outcome.err().map(|error| with_cause(&error)));
        }
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(NetworkError::Detach {
            id,
            problems: self.problems,
        })
    }
}

fn namespace_error(id: &str, error: NetlinkError) -> NetworkError {
    NetworkError::Namespace {
        id: id.to_owned(),
        source: Box::new(error),
    }
}

/// Whether a container has a failed DEL whose pause is over.
fn is_due(records: &cni::Records, id: &str) -> bool {
    let now = std::time::SystemTime::now();
    records
        .of(id)
        .unwrap_or_default()
        .iter()
        .any(|record| record.is_due(now))
}

fn unknown(error: CniError) -> NetworkError {
    match error {
        CniError::UnknownNetwork { name, known, dirs } => {
            NetworkError::Unknown { name, known, dirs }
        }
        other => NetworkError::Configuration(other),
    }
}

fn with_cause(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
