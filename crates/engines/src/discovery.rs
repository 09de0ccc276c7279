//! Containers that somebody else started.
//!
//! [`crate::Engine`] knows the containers of its owner and no others. What runs
//! beside them, started by hand or by Compose, may serve and does call services all
//! the same. Here an engine tells what it sees of such containers. It tells facts
//! alone: what their labels mean is not an engine's business, and nothing is ever
//! done to them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::SocketAddr;

use async_trait::async_trait;
use futures::stream::BoxStream;
use mesos::NetworkInfo;
use model::Protocol;

use crate::EngineError;

/// A container that somebody else started and that runs now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The engine's id.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// Its labels, those of its image among them.
    pub labels: BTreeMap<String, String>,
    /// Process id of its first process in the daemon's PID namespace.
    pub pid: Option<u32>,
    /// Whether it can serve, as far as its engine knows.
    pub condition: Condition,
    /// The signal that asks it to end.
    pub stop_signal: i32,
    /// Where it is reached.
    pub attached: Attached,
    /// Id of the container whose network namespace it uses, if that is another one's.
    pub shares: Option<String>,
    /// Ports that its image or whoever started it named, in the order of their numbers.
    pub ports: Vec<ExposedPort>,
}

/// Whether a container that runs can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It has a health check of its engine's, which has not come to a result yet.
    Starting,
    /// It passed its health check, or has none.
    Ready,
    /// It fails its health check.
    Unhealthy,
    /// It is paused.
    Paused,
}

/// Where a container is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attached {
    /// At the node's addresses.
    Host,
    /// On these networks of the engine, each with its name and addresses; the one that
    /// it was started on comes first. Empty when it is on none.
    Networks(Vec<NetworkInfo>),
    /// It uses the namespace of another container, which does not run any more.
    Orphaned,
}

/// A port that a container says it serves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExposedPort {
    /// Number inside the container.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// Where on the node it is published; an unspecified address stands for all of them.
    pub published: Vec<SocketAddr>,
}

/// Something happened to a container, whoever started it: look again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The engine's id of the container.
    pub container: String,
    /// A signal that it was sent. It may end of that and still serves meanwhile.
    pub signal: Option<i32>,
}

/// An engine's view of containers that somebody else started.
#[async_trait]
pub trait Discovery: Send + Sync + Debug {
    /// Ids of all such containers that run.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn running(&self) -> Result<Vec<String>, EngineError>;

    /// The container, if it runs and somebody else started it.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn sighting(&self, container: &str) -> Result<Option<Sighting>, EngineError>;

    /// Hints that something changed, also about containers that nobody asked for. The
    /// stream ends when the engine goes away.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn news(&self) -> Result<BoxStream<'static, News>, EngineError>;
}
