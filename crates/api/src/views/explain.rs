//! Clients, and what they would get.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use model::{NodeId, TaskId};
use serde::Serialize;

use super::{BackendStanding, EjectionView, VipPort};

/// Whose connection is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Client {
    /// A process in the host's network namespace.
    Host,
    /// A task of this node, or an app with one task here.
    Task(String),
    /// A container of this node: its id, the beginning of one, or its name.
    Container(String),
    /// Whichever of these has that name.
    Any(String),
}

impl FromStr for Client {
    type Err = String;

    /// `host`, `task:ID`, `container:ID`, or a name alone.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let client = match text.split_once(':') {
            Some(("task", id)) => Self::Task(id.to_owned()),
            Some(("container", id)) => Self::Container(id.to_owned()),
            None if text == "host" => Self::Host,
            _ => Self::Any(text.to_owned()),
        };
        match &client {
            Self::Task(id) | Self::Container(id) | Self::Any(id) if id.is_empty() => Err(format!(
                "'{text}' names no client; write host, task:ID or container:ID"
            )),
            _ => Ok(client),
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Task(id) => write!(f, "task:{id}"),
            Self::Container(id) => write!(f, "container:{id}"),
            Self::Any(id) => f.write_str(id),
        }
    }
}

/// Who connects, as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientView {
    /// Whether it stands in the host's network namespace.
    pub host: bool,
    /// The task, or what stands for the container of somebody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The engine's id of its container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The node that it is on; absent for this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// Its cgroup, below the root of cgroup v2; absent once that is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// Networks whose near addresses it uses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<String>,
    /// Cookie of its network namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netns: Option<u64>,
}

/// What a new connection would get.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplanationView {
    /// What is asked for.
    pub vip: VipPort,
    /// Who asks.
    pub client: ClientView,
    /// How the choice is made, and what comes out, in a sentence.
    pub summary: String,
    /// How likely it is that the connection is refused, from 0 to 1.
    pub refused: f64,
    /// For how much longer the client stays with its backend if it does not connect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stays_seconds: Option<f64>,
    /// Every backend, the likeliest first.
    pub candidates: Vec<CandidateView>,
}

/// A backend as a client sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidateView {
    /// The task or external that serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Where it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// Whether it takes new connections at all.
    pub state: BackendStanding,
    /// The address that this client would use; absent if there is none for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// How likely it is to be chosen, from 0 to 1.
    pub chance: f64,
    /// Relative share of new connections.
    pub weight: u32,
    /// Connections that are open or being opened, and UDP sockets pinned to it.
    pub open: u32,
    /// Those of them that are being opened.
    pub pending: u32,
    /// Moving average of the handshake's time, by now; absent where nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_millis: Option<f64>,
    /// What `least-loaded` compares, the connect time in milliseconds:
    /// (time + 1) × (open / weight + 1).
    pub cost: f64,
    /// Whether new connections keep away from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ejection: Option<EjectionView>,
    /// Why it would be chosen, or would not.
    pub why: String,
}

/// Why nothing can be explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// Nobody here is called so.
    #[error("{0}")]
    NoClient(String),
    /// The name means several, or somebody elsewhere.
    #[error("{0}")]
    Unclear(String),
    /// The node cannot tell.
    #[error("{0}")]
    Unavailable(String),
}
