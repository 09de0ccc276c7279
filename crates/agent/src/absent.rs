//! In the place of an engine that is not configured on this node.
//!
//! Tasks for it come from a time when it was, or from a leader that knew no better. A
//! new one fails at once and says why. One that runs already is neither ended nor
//! called ended: its container may well be there, and only the engine could tell.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use engines::{Container, Engine, EngineError, EngineEvent, EngineInfo, ExecOutcome, LogStream};
use futures::stream::BoxStream;
use mesos::ContainerType;
use model::{Task, TaskId};

/// The engine that is not there.
#[derive(Debug)]
pub(crate) struct Absent(pub(crate) ContainerType);

impl Absent {
    fn name(&self) -> &'static str {
        match self.0 {
            ContainerType::Docker => "docker",
            ContainerType::Mesos => "containerd",
        }
    }

    fn away(&self) -> EngineError {
        EngineError::Unavailable {
            engine: self.name(),
            address: "no socket".to_owned(),
            detail: format!("{0}.enabled is false on this node", self.name()),
        }
    }
}

#[async_trait]
impl Engine for Absent {
    fn kind(&self) -> ContainerType {
        self.0
    }

    async fn probe(&self) -> Result<EngineInfo, EngineError> {
        Err(self.away())
    }

    async fn start(&self, _task: &Task) -> Result<Container, EngineError> {
        Err(EngineError::Unsupported(format!(
            "this node runs no {0} containers, because {0}.enabled is false in its configuration; \
             enable it, or keep the app from this node with a constraint",
            self.name()
        )))
    }

    async fn list(&self) -> Result<Vec<Container>, EngineError> {
        Err(self.away())
    }

    async fn inspect(&self, _task: &TaskId) -> Result<Option<Container>, EngineError> {
        Err(self.away())
    }

    async fn stop(&self, _task: &TaskId, _grace: Duration) -> Result<(), EngineError> {
        Err(self.away())
    }

    /// Only tasks that ended are removed, and an engine that is configured again
    /// finds what they left.
    async fn remove(&self, _task: &TaskId) -> Result<(), EngineError> {
        Ok(())
    }

    async fn exec(
        &self,
        _task: &TaskId,
        _shell: &str,
        _timeout: Duration,
    ) -> Result<ExecOutcome, EngineError> {
        Err(self.away())
    }

    async fn logs(
        &self,
        _task: &TaskId,
        _stream: LogStream,
        _tail: Option<usize>,
    ) -> Result<Bytes, EngineError> {
        Err(self.away())
    }

    async fn events(&self) -> Result<BoxStream<'static, EngineEvent>, EngineError> {
        Err(self.away())
    }
}
