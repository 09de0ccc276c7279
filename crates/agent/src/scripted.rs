//! An engine that fails, hangs and panics when a test wants it to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use engines::{
    Container, Engine, EngineError, EngineEvent, EngineInfo, ExecOutcome, LogStream, Phase,
};
use futures::StreamExt;
use futures::stream::BoxStream;
use mesos::{ContainerType, NetworkInfo};
use model::{Task, TaskId};
use tokio::sync::broadcast;

/// What one start should come to.
#[derive(Debug)]
pub(crate) enum Start {
    Fails(EngineError),
    /// It runs when `start` looks, and has ended when anybody else does.
    EndsAtOnce(i32),
    /// It never returns.
    Hangs,
}

#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) containers: BTreeMap<TaskId, Container>,
    pub(crate) starts: VecDeque<Start>,
    /// What a start waits for.
    pub(crate) progress: Option<String>,
    /// Every call fails as unavailable.
    pub(crate) away: bool,
    /// Asking for one container fails, though the engine answers.
    pub(crate) confused: bool,
    /// Stopping never returns.
    pub(crate) holds_stops: bool,
    /// Saying that it is there never returns.
    pub(crate) holds_probes: bool,
    pub(crate) panics_at_probes: bool,
    /// Nor does following its events.
    pub(crate) holds_events: bool,
    /// Listing never returns.
    pub(crate) holds_lists: bool,
    pub(crate) panics_about: BTreeSet<TaskId>,
    /// Where it starts containers of tasks that have opted out.
    pub(crate) untranslated: Option<PathBuf>,
    pub(crate) calls: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Scripted {
    script: Mutex<Script>,
    events: broadcast::Sender<EngineEvent>,
}

impl Scripted {
    pub(crate) fn new() -> Self {
        Self {
            script: Mutex::default(),
            events: broadcast::channel(64).0,
        }
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    pub(crate) fn hint(&self, task: Option<&TaskId>) {
        let task = task.cloned();
        drop(self.events.send(EngineEvent { task }));
    }

    /// A container's process ends by itself.
    pub(crate) fn exit(&self, id: &TaskId, code: i32) {
        let mut script = self.script();
        script.containers.get_mut(id).unwrap().phase = Phase::Exited { code, reason: None };
        drop(script);
        self.hint(Some(id));
    }

    pub(crate) fn called(&self, call: &str) -> usize {
        let calls = &self.script().calls;
        calls.iter().filter(|it| it.starts_with(call)).count()
    }

    /// Notes a call; an error when the engine is away.
    fn call(&self, call: String) -> Result<MutexGuard<'_, Script>, EngineError> {
        let mut script = self.script();
        script.calls.push(call);
        if script.away {
            return Err(unavailable());
        }
        Ok(script)
    }
}

pub(crate) fn unavailable() -> EngineError {
    EngineError::Unavailable {
        engine: "containerd",
        address: "/nowhere.sock".into(),
        detail: "no such file".into(),
    }
}

pub(crate) fn container(task: &TaskId) -> Container {
    let mut network = NetworkInfo {
        name: Some("net".into()),
        ..NetworkInfo::default()
    };
    network.ip_addresses.push(mesos::IpAddress {
        ip_address: Some("172.30.0.2".into()),
        ..mesos::IpAddress::default()
    });
    Container {
        task: task.clone(),
        id: format!("c-{task}"),
        phase: Phase::Running,
        pid: None,
        network_infos: vec![network],
        networks: vec!["net".into()],
        started: None,
        ended: None,
    }
}

#[async_trait]
impl Engine for Scripted {
    fn kind(&self) -> ContainerType {
        ContainerType::Mesos
    }

    async fn probe(&self) -> Result<EngineInfo, EngineError> {
        if self.script().holds_probes {
            std::future::pending::<()>().await;
        }
        assert!(!self.script().panics_at_probes, "as the test wants it");
        drop(self.call("probe".into())?);
        Ok(EngineInfo {
            name: "containerd",
            version: "1".into(),
        })
    }

    async fn start(&self, task: &Task) -> Result<Container, EngineError> {
        let wanted = {
            let mut script = self.call(format!("start {}", task.id))?;
            if script.panics_about.contains(&task.id) {
                drop(script);
                panic!("this engine does not like {}", task.id);
            }
            let made = container(&task.id);
            match script.starts.pop_front() {
                Some(Start::Fails(error)) => return Err(error),
                Some(Start::Hangs) => None,
                Some(Start::EndsAtOnce(code)) => {
                    let mut ended = made.clone();
                    ended.phase = Phase::Exited { code, reason: None };
                    script.containers.insert(task.id.clone(), ended);
                    Some(made)
                }
                None => Some(
                    script
                        .containers
                        .entry(task.id.clone())
                        .or_insert(made)
                        .clone(),
                ),
            }
        };
        match wanted {
            Some(container) => {
                self.hint(Some(&task.id));
                Ok(container)
            }
            None => std::future::pending().await,
        }
    }

    fn progress(&self, _task: &TaskId) -> Option<String> {
        self.script().progress.clone()
    }

    async fn list(&self) -> Result<Vec<Container>, EngineError> {
        if self.script().holds_lists {
            std::future::pending::<()>().await;
        }
        let script = self.call("list".into())?;
        Ok(script.containers.values().cloned().collect())
    }

    async fn inspect(&self, task: &TaskId) -> Result<Option<Container>, EngineError> {
        let script = self.call(format!("inspect {task}"))?;
        if script.confused {
            return Err(EngineError::Failed {
                engine: "containerd",
                action: "look".into(),
                detail: "internal error".into(),
            });
        }
        Ok(script.containers.get(task).cloned())
    }

    async fn stop(&self, task: &TaskId, grace: Duration) -> Result<(), EngineError> {
        if self.script().holds_stops {
            std::future::pending::<()>().await;
        }
        let mut script = self.call(format!("stop {task} within {grace:?}"))?;
        let Some(container) = script.containers.get_mut(task) else {
            return Err(EngineError::NoContainer(task.clone()));
        };
        let reason = None;
        container.phase = Phase::Exited { code: 143, reason };
        Ok(())
    }

    async fn remove(&self, task: &TaskId) -> Result<(), EngineError> {
        let mut script = self.call(format!("remove {task}"))?;
        script.containers.remove(task);
        Ok(())
    }

    async fn exec(
        &self,
        _task: &TaskId,
        _shell: &str,
        _timeout: Duration,
    ) -> Result<ExecOutcome, EngineError> {
        Err(unavailable())
    }

    async fn logs(
        &self,
        task: &TaskId,
        _stream: LogStream,
        _tail: Option<usize>,
    ) -> Result<Bytes, EngineError> {
        Err(EngineError::NoContainer(task.clone()))
    }

    async fn events(&self) -> Result<BoxStream<'static, EngineEvent>, EngineError> {
        if self.script().holds_events {
            std::future::pending::<()>().await;
        }
        let events = self.events.subscribe();
        let stream = futures::stream::unfold(events, |mut events| async move {
            let event = events.recv().await.ok()?;
            Some((event, events))
        });
        Ok(stream.boxed())
    }

    async fn untranslated(&self) -> Result<Option<PathBuf>, EngineError> {
        Ok(self.call("untranslated".into())?.untranslated.clone())
    }
}
