//! Joining a task's networks.

use std::path::Path;

use isolation::Isolated;
use mesos::{NetworkInfo, NetworkPlan};
use model::Task;
use networks::{Attachment, NetworkError};

use super::client::ENGINE;
use super::{ContainerdEngine, chain};
use crate::EngineError;

/// What a container has joined.
#[derive(Debug)]
pub(super) enum Joined {
    /// The host's network, in the host's namespace.
    Host,
    /// The same in a namespace of its own.
    Isolated(Isolated),
    /// Networks with addresses of their own.
    Networks(Attachment),
}

impl Joined {
    /// Networks other than the host's.
    pub(super) fn attachment(&self) -> Option<&Attachment> {
        match self {
            Self::Networks(attachment) => Some(attachment),
            Self::Host | Self::Isolated(_) => None,
        }
    }

    /// A namespace other than the host's.
    pub(super) fn netns(&self) -> Option<&Path> {
        match self {
            Self::Host => None,
            Self::Isolated(isolated) => Some(&isolated.netns),
            Self::Networks(attachment) => Some(&attachment.netns),
        }
    }

    /// What was assigned, where that is not all that the host has.
    pub(super) fn network_infos(&self) -> Option<Vec<NetworkInfo>> {
        match self {
            Self::Host => None,
            Self::Isolated(it) => Some(vec![NetworkInfo::default().assigned(&[it.address.into()])]),
            Self::Networks(attachment) => Some(attachment.network_infos.clone()),
        }
    }
}

impl ContainerdEngine {
    /// Joins the networks that the task names, or the host's.
    pub(super) async fn attach(&self, task: &Task) -> Result<Joined, EngineError> {
        let plan = mesos::networks_of(&task.container)
            .map_err(|error| EngineError::Unsupported(format!("task {}: {error}", task.id)))?;
        let NetworkPlan::Cni(requests) = plan else {
            return match self.isolate(task).await? {
                Some(isolated) => Ok(Joined::Isolated(isolated)),
                None => Ok(Joined::Host),
            };
        };
        let requests: Vec<_> = requests.into_iter().cloned().collect();
        let attached = self
            .options
            .networks
            .attach(task.id.as_str(), &requests)
            .await;
        attached
            .map(Joined::Networks)
            .map_err(|error| network_error(error, &requests))
    }
}

/// The engines' word for what `networks` says.
fn network_error(error: NetworkError, requests: &[NetworkInfo]) -> EngineError {
    match error {
        NetworkError::Unknown { name, known, dirs } => {
            let dirs: Vec<_> = dirs.iter().map(|dir| dir.display().to_string()).collect();
            let known = if known.is_empty() {
                "none exists".to_owned()
            } else {
                format!("known are {}", known.join(", "))
            };
            let help = format!(
                "{known}; put its CNI configuration in {}",
                dirs.join(" or ")
            );
            EngineError::NetworkMissing {
                engine: ENGINE,
                network: name,
                help,
            }
        }
        NetworkError::PortInUse { port, holder, .. } => EngineError::PortInUse {
            port,
            detail: holder,
        },
        NetworkError::Join { ref network, .. } => EngineError::Network {
            network: network.clone(),
            detail: chain(&error),
        },
        error => {
            let names: Vec<_> = requests
                .iter()
                .filter_map(|request| request.name.as_deref())
                .collect();
            EngineError::Network {
                network: names.join(", "),
                detail: chain(&error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::Protocol;

    use super::*;

    #[test]
    fn errors_name_the_network_and_the_next_step() {
        let requests = [NetworkInfo::named("web"), NetworkInfo::named("back")];
        let unknown = NetworkError::Unknown {
            name: "back".into(),
            known: vec!["web".into()],
            dirs: vec!["/etc/cni/net.d".into()],
        };
        assert_eq!(
            network_error(unknown, &requests).to_string(),
            "network 'back' does not exist for containerd; known are web; \
             put its CNI configuration in /etc/cni/net.d"
        );
        let taken = NetworkError::PortInUse {
            port: 80,
            protocol: Protocol::Tcp,
            holder: "x".into(),
        };
        assert!(matches!(
            network_error(taken, &requests),
            EngineError::PortInUse { port: 80, .. }
        ));
        let other = network_error(NetworkError::Interrupted("x".into()), &requests);
        assert!(matches!(&other, EngineError::Network { network, .. } if network == "web, back"));
    }
}
