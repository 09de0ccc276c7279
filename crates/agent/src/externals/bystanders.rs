//! Containers of others as clients of VIPs.
//!
//! Whoever is on a container network is told apart by its namespace, whether it was
//! started by us, has labels, or neither. So the reconciler of places must see all
//! containers, where everybody else must see our own alone: they remove what no task
//! accounts for. [`Bystanders::beside`] is an engine for that one reconciler.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use engines::{
    Attached, Container, Engine, EngineError, EngineEvent, EngineInfo, ExecOutcome, LogStream,
    Phase, Sighting,
};
use futures::stream::BoxStream;
use mesos::ContainerType;
use model::{Task, TaskId};

use crate::options::Engines;

/// What others run with Docker, as last seen; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bystanders(Arc<Mutex<Vec<Container>>>);

impl Bystanders {
    /// The engines with these containers among Docker's.
    pub(crate) fn beside(&self, engines: &Engines) -> Engines {
        let docker = engines.docker.as_ref().map(|engine| {
            let bystanders = self.clone();
            let engine = Arc::clone(engine);
            Arc::new(Everybody { engine, bystanders }) as Arc<dyn Engine>
        });
        Engines {
            docker,
            native: engines.native.clone(),
        }
    }

    /// Takes over what was seen; yields whether anything is new.
    pub(super) fn set<'a>(&self, seen: impl Iterator<Item = &'a Sighting>) -> bool {
        let containers: Vec<_> = seen.map(container).collect();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let news = *known != containers;
        *known = containers;
        news
    }

    fn all(&self) -> Vec<Container> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// As much of the container as places need; the id stands for it in messages.
fn container(sighting: &Sighting) -> Container {
    let networks = match &sighting.attached {
        Attached::Networks(networks) => networks.iter().filter_map(|it| it.name.clone()).collect(),
        Attached::Host | Attached::Orphaned => Vec::new(),
    };
    Container {
        task: TaskId::for_container(ContainerType::Docker, &sighting.id),
        id: sighting.id.clone(),
        phase: Phase::Running,
        pid: sighting.pid,
        network_infos: Vec::new(),
        networks,
        started: None,
        ended: None,
    }
}

/// An engine that lists what others started, too, and is the engine otherwise.
#[derive(Debug)]
struct Everybody {
    engine: Arc<dyn Engine>,
    bystanders: Bystanders,
}

#[async_trait]
impl Engine for Everybody {
    fn kind(&self) -> ContainerType {
        self.engine.kind()
    }

    async fn probe(&self) -> Result<EngineInfo, EngineError> {
        self.engine.probe().await
    }

    async fn start(&self, task: &Task) -> Result<Container, EngineError> {
        self.engine.start(task).await
    }

    async fn list(&self) -> Result<Vec<Container>, EngineError> {
        let mut all = self.engine.list().await?;
        all.extend(self.bystanders.all());
        Ok(all)
    }

    async fn inspect(&self, task: &TaskId) -> Result<Option<Container>, EngineError> {
        self.engine.inspect(task).await
    }

    async fn stop(&self, task: &TaskId, grace: Duration) -> Result<(), EngineError> {
        self.engine.stop(task, grace).await
    }

    async fn remove(&self, task: &TaskId) -> Result<(), EngineError> {
        self.engine.remove(task).await
    }

    async fn exec(
        &self,
        task: &TaskId,
        shell: &str,
        timeout: Duration,
    ) -> Result<ExecOutcome, EngineError> {
        self.engine.exec(task, shell, timeout).await
    }

    async fn logs(
        &self,
        task: &TaskId,
        stream: LogStream,
        tail: Option<usize>,
    ) -> Result<Bytes, EngineError> {
        self.engine.logs(task, stream, tail).await
    }

    async fn events(&self) -> Result<BoxStream<'static, EngineEvent>, EngineError> {
        self.engine.events().await
    }
}

#[cfg(test)]
mod tests {
    use mesos::NetworkInfo;

    use super::*;
    use crate::externals::tests::sighting;
    use crate::scripted::{Scripted, container};

    /// What the engines' list has, by task, and whether asking for it worked.
    async fn listed(engines: &Engines) -> Option<Vec<(String, Vec<String>)>> {
        let mut all = Vec::new();
        for engine in engines.all() {
            let containers = engine.list().await.ok()?;
            all.extend(
                containers
                    .into_iter()
                    .map(|it| (it.task.to_string(), it.networks)),
            );
        }
        Some(all)
    }

    #[tokio::test]
    async fn others_are_listed_beside_ours_and_by_nobody_else() {
        let engine = Arc::new(Scripted::new());
        let ours: TaskId = "ours.1".parse().unwrap();
        let made = container(&ours);
        engine.script().containers.insert(ours.clone(), made);
        let engines = Engines {
            docker: Some(Arc::clone(&engine) as Arc<dyn Engine>),
            native: None,
        };
        let bystanders = Bystanders::default();
        let everybody = bystanders.beside(&engines);
        let mut both = sighting("web");
        let networks = ["front", "back"].map(NetworkInfo::named);
        both.attached = Attached::Networks(networks.into());
        let mut host = sighting("host");
        host.attached = Attached::Host;
        assert!(bystanders.set([&both, &host].into_iter()));
        assert!(
            !bystanders.set([&both, &host].into_iter()),
            "nothing is new"
        );
        let networks = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let mut expected = vec![("ours.1".to_owned(), networks(&["net"]))];
        assert_eq!(listed(&engines).await.as_ref(), Some(&expected));
        expected.push(("docker.id-web".to_owned(), networks(&["front", "back"])));
        expected.push(("docker.id-host".to_owned(), networks(&[])));
        assert_eq!(listed(&everybody).await, Some(expected));
        engine.script().away = true;
        assert_eq!(listed(&everybody).await, None, "half a list is none");
    }
}
