//! What would become of a client's connect, for people who name the client.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use datapath::{Client, Explanation, netns_cookie_of_self};
use engines::{Attached, EngineError};
use mesos::ContainerType;
use model::TaskId;
use vip::{NetworkKey, ServiceKey};

use crate::View;

/// Who would connect, as people say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientName {
    /// A process in the host's network namespace.
    Host,
    /// A task of this node, or a container of it by its id or its engine's name for it.
    Container(String),
}

impl FromStr for ClientName {
    type Err = Infallible;

    /// `host`, and a container by all else.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "host" => Self::Host,
            other => Self::Container(other.to_owned()),
        })
    }
}

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The kernel side is not there.
    #[error("this node translates no VIPs: see `sealane doctor`")]
    NoDatapath,
    /// There is no such service.
    #[error(
        "nothing is behind port {port} of {address} over {protocol} on this node; `sealane vip list` shows what is",
        address = .0.address, port = .0.port, protocol = .0.protocol
    )]
    NoService(ServiceKey),
    /// There is no such client.
    #[error(
        "neither a task nor a container called '{0}' runs on this node; name one that does, or 'host'"
    )]
    NoClient(String),
    /// An engine could not be asked.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Its namespace could not be looked at.
    #[error("the network namespace of '{client}' cannot be looked at")]
    Namespace {
        /// What it was called.
        client: String,
        /// What was wrong.
        #[source]
        source: netlink::NetlinkError,
    },
}

/// A container, as far as a client is concerned.
struct Found {
    pid: u32,
    networks: BTreeSet<NetworkKey>,
}

impl View {
    /// Tells what would become of the next connect of a client on this node to a VIP's
    /// port, and why.
    ///
    /// # Errors
    /// When there is no such service or no such client, or the client's engine does not
    /// answer.
    pub async fn explain(
        &self,
        service: &ServiceKey,
        client: &ClientName,
    ) -> Result<Explanation, ExplainError> {
        let client = self.client(client).await?;
        self.kernel
            .with(|datapath| datapath.explain(service, &client))
            .ok_or(ExplainError::NoDatapath)?
            .ok_or(ExplainError::NoService(*service))
    }

    /// Where a client stands.
    ///
    /// # Errors
    /// As [`View::explain`].
    pub async fn client(&self, client: &ClientName) -> Result<Client, ExplainError> {
        let ClientName::Container(name) = client else {
            return Ok(Client::Host);
        };
        let found = self.container(name).await?;
        let found = found.ok_or_else(|| ExplainError::NoClient(name.clone()))?;
        let namespace = PathBuf::from(format!("/proc/{}/ns/net", found.pid));
        let cookie = tokio::task::spawn_blocking(move || netlink::netns::cookie(&namespace)).await;
        let cookie = match cookie {
            Ok(Ok(cookie)) => cookie,
            Ok(Err(source)) => {
                let client = name.clone();
                return Err(ExplainError::Namespace { client, source });
            }
            // The runtime ends.
            Err(_) => return Err(ExplainError::NoClient(name.clone())),
        };
        if netns_cookie_of_self().is_ok_and(|own| own == cookie) {
            return Ok(Client::Host);
        }
        let networks = found.networks;
        Ok(Client::Namespace { cookie, networks })
    }

    async fn container(&self, name: &str) -> Result<Option<Found>, ExplainError> {
        if let Some(found) = self.task(name).await? {
            return Ok(Some(found));
        }
        let Some(discovery) = self.engines.discovery() else {
            return Ok(None);
        };
        // What stands for such a container among tasks is made of its id.
        let name = name.strip_prefix("docker.").unwrap_or(name);
        let found = discovery.sighting(name).await?;
        Ok(found.and_then(|sighting| {
            let networks = match sighting.attached {
                Attached::Networks(networks) => networks,
                Attached::Host | Attached::Orphaned => Vec::new(),
            };
            let names = networks.into_iter().filter_map(|network| network.name);
            Some(Found {
                pid: sighting.pid?,
                networks: keys(ContainerType::Docker, names),
            })
        }))
    }

    /// A task of this node, by its own id or its container's.
    async fn task(&self, name: &str) -> Result<Option<Found>, ExplainError> {
        let state = self.mirror.state();
        let mut statuses = state.statuses.values();
        let is_it = |container: &Option<String>| container.as_deref() == Some(name);
        let task = match name.parse::<TaskId>() {
            Ok(task) if state.tasks.contains_key(&task) => Some(task),
            _ => statuses
                .find(|status| status.node == self.node && is_it(&status.container))
                .map(|status| status.task.clone()),
        };
        let Some(held) = task.and_then(|task| state.tasks.get(&task)) else {
            return Ok(None);
        };
        let Some(engine) = self.engines.of(held.container.kind) else {
            return Ok(None);
        };
        let container = engine.inspect(&held.id).await?;
        Ok(container.and_then(|container| {
            Some(Found {
                pid: container.pid?,
                networks: keys(engine.kind(), container.networks),
            })
        }))
    }
}

fn keys(kind: ContainerType, names: impl IntoIterator<Item = String>) -> BTreeSet<NetworkKey> {
    let names = names.into_iter();
    names.map(|name| NetworkKey::new(kind, name)).collect()
}

#[cfg(test)]
mod tests;
