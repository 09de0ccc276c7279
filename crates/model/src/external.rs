//! Externals: containers that somebody else started and labelled.

use std::collections::BTreeMap;

use mesos::{ContainerType, NetworkInfo};
use serde::{Deserialize, Serialize};

use crate::{NodeId, Protocol, TaskId};

/// Whether an external serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExternalState {
    /// It runs, has a health check and has not passed it yet.
    Starting,
    /// It runs, and is healthy if it has a health check.
    Ready,
    /// It was ready and is not any more, or is about to end.
    Draining,
}

/// One port of an external for one protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalPort {
    /// Protocol.
    pub protocol: Protocol,
    /// Port inside the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_port: Option<u16>,
    /// Port on the node that leads there, from every other node too: one that is
    /// published on the loopback address alone is none. In the node's own network
    /// namespace the port itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_port: Option<u16>,
    /// Container networks the port is for; empty means all of the container's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network_names: Vec<String>,
    /// The labels that are for this port: VIP labels and settings.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What a node says of a labelled container that is nobody's task
/// (`external/<node>/<container>`), written by that node alone. The record goes when
/// the container ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    /// Where it runs.
    pub node: NodeId,
    /// The engine's id of the container, whole.
    pub container: String,
    /// The container's name, without a slash before it.
    pub name: String,
    /// The engine.
    pub kind: ContainerType,
    /// Whether it serves.
    pub state: ExternalState,
    /// Whether it is in its node's network namespace; its ports are then the node's.
    #[serde(default)]
    pub host_network: bool,
    /// The networks that it is on, each with its name and the addresses it has there.
    #[serde(default)]
    pub network_infos: Vec<NetworkInfo>,
    /// Its ports that have VIP labels or settings.
    #[serde(default)]
    pub ports: Vec<ExternalPort>,
    /// What the node found wrong with its labels, each with what would work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

impl External {
    /// What it is called where a task would have its id: among a VIP's backends and
    /// in problems.
    #[must_use]
    pub fn id(&self) -> TaskId {
        TaskId::for_container(self.kind, &self.container)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn external() -> External {
        External {
            node: NodeId("n1".to_owned()),
            container: ID.to_owned(),
            name: "shop-web-1".to_owned(),
            kind: ContainerType::Docker,
            state: ExternalState::Ready,
            host_network: false,
            network_infos: vec![
                NetworkInfo::named("front").assigned(&["172.19.0.2".parse().unwrap()]),
            ],
            ports: vec![ExternalPort {
                protocol: Protocol::Tcp,
                container_port: Some(8080),
                host_port: Some(32768),
                network_names: vec!["front".to_owned()],
                labels: BTreeMap::from([("VIP_0".to_owned(), "web:80".to_owned())]),
            }],
            problems: vec!["label 'VIP_1' …".to_owned()],
        }
    }

    #[test]
    fn the_record_reads_back() {
        let whole = external();
        let written = serde_json::to_value(&whole).unwrap();
        assert_eq!(written["state"], "ready");
        assert_eq!(written["kind"], "DOCKER");
        assert_eq!(written["ports"][0]["labels"]["VIP_0"], "web:80");
        assert_eq!(serde_json::from_value::<External>(written).unwrap(), whole);
    }

    #[test]
    fn what_says_nothing_is_left_out_and_may_be_absent() {
        let record = json!({
            "node": "n1", "container": ID, "name": "db", "kind": "DOCKER", "state": "draining",
            "ports": [{ "protocol": "udp" }],
        });
        let read: External = serde_json::from_value(record).unwrap();
        assert_eq!(read.state, ExternalState::Draining);
        assert!(!read.host_network && read.network_infos.is_empty() && read.problems.is_empty());
        assert_eq!(read.ports[0].container_port, None);
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(written["ports"], json!([{ "protocol": "udp" }]));
        assert_eq!(written.get("problems"), None);
        assert_eq!(serde_json::from_value::<External>(written).unwrap(), read);
    }

    #[test]
    fn its_name_among_tasks() {
        assert_eq!(external().id().as_str(), "docker.9f86d081884c");
    }
}
