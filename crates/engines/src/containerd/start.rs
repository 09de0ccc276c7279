//! Starting a task: image, networks, files, record, process, in this order.

use containerd_client::services::v1::{CreateTaskRequest, StartRequest};
use containerd_client::types::Mount;
use containerd_client::types::v1::{Process, Status};
use mesos::{ContainerType, ImageKind};
use model::Task;

use super::image::Image;
use super::names::Names;
use super::prepare::{self, Prepared};
use super::record::Parts;
use super::{ContainerdEngine, blocking, chain, command, failed, time, view};
use crate::{Container, EngineError, Phase};

impl ContainerdEngine {
    pub(super) async fn start_task(&self, task: &Task) -> Result<Container, EngineError> {
        let names = self.names(&task.id);
        if let Some(container) = self.view(&task.id).await? {
            if container.phase != Phase::Created {
                return Ok(container);
            }
            // How far an interrupted start came is not worth finding out.
            self.clear(&task.id, &names).await?;
        }
        let made = Box::pin(self.make(task, &names)).await;
        if made.is_err() {
            self.undo(task, &names).await;
        }
        made
    }

    /// Removes what a failed start made, its empty logs as well.
    async fn undo(&self, task: &Task, names: &Names) {
        if let Err(left) = self.clear(&task.id, names).await {
            let error = chain(&left);
            tracing::warn!(task = %task.id, error, "a failed start left something behind");
            return;
        }
        let logs = names.logs.clone();
        let _ = blocking(move || std::fs::remove_dir_all(logs)).await;
    }

    async fn make(&self, task: &Task, names: &Names) -> Result<Container, EngineError> {
        let image = self.image(task).await?;
        // Before anything is made: the most common mistake.
        command::line(task, image.as_ref().map(|image| &image.run))?;
        let (joined, mounts) = tokio::join!(self.attach(task), async {
            match &image {
                Some(image) => self.snapshots.make(&names.id, image).await,
                None => Ok(Vec::new()),
            }
        });
        let parts = Parts {
            image,
            joined: joined?,
            mounts: mounts?,
        };
        let prepared = self.prepare(task, names, &parts).await?;
        let record = self
            .record_container(task, names, &parts, &prepared)
            .await?;
        let pid = self.run(names, parts.mounts).await?;
        let process = Process {
            pid,
            status: Status::Running.into(),
            ..Process::default()
        };
        Ok(self.container(&task.id, names, &record, Some(&process)))
    }

    async fn image(&self, task: &Task) -> Result<Option<Image>, EngineError> {
        if task.container.kind != ContainerType::Mesos {
            return Err(EngineError::Unsupported(format!(
                "task {} is for Docker, not for containerd",
                task.id
            )));
        }
        let mesos = task.container.mesos.as_ref();
        let Some(image) = mesos.and_then(|mesos| mesos.image.as_ref()) else {
            return Ok(None);
        };
        let progress = self.board.post(&task.id);
        match image.kind {
            ImageKind::Docker => self.puller.obtain(image, &progress).await.map(Some),
            ImageKind::Appc => self.appc_image(image, &progress).await.map(Some),
        }
    }

    async fn prepare(
        &self,
        task: &Task,
        names: &Names,
        parts: &Parts,
    ) -> Result<Prepared, EngineError> {
        let image = parts.run();
        let attachment = parts.joined.attachment();
        let user = task
            .command
            .user
            .clone()
            .or_else(|| Some(image?.user.clone()));
        let request = prepare::Request {
            names: names.clone(),
            dns_server: self.options.common.dns_server,
            attachment: attachment.cloned(),
            hostname: prepare::hostname(task, names, attachment.is_some())?,
            image: image.map(|_| parts.mounts.clone()),
            user: user.unwrap_or_default(),
            read_only: image
                .map(|image| image.read_only.clone())
                .unwrap_or_default(),
            volumes: task.container.volumes.clone(),
            sandbox: parts.sandbox(names),
        };
        blocking(move || request.make()).await?
    }

    /// Makes the process and lets it go; returns its id.
    async fn run(&self, names: &Names, rootfs: Vec<Mount>) -> Result<u32, EngineError> {
        // Plain paths, not `file://` ones, for which containerd 1.6 sends both streams
        // to the first file. The shim appends, so what it writes can be cut off.
        let log = |name| names.logs.join(name).display().to_string();
        let request = CreateTaskRequest {
            container_id: names.id.clone(),
            rootfs,
            stdout: log(prepare::STDOUT),
            stderr: log(prepare::STDERR),
            ..CreateTaskRequest::default()
        };
        let mut tasks = self.client.tasks().await?;
        self.client
            .ask(
                &format!("make the process of {}", names.id),
                tasks.create(request),
            )
            .await?;
        // Taken before, so that no process ends before it started.
        let at = time::now();
        let request = StartRequest {
            container_id: names.id.clone(),
            exec_id: String::new(),
        };
        let answer = self
            .client
            .ask(&format!("start {}", names.id), tasks.start(request))
            .await?;
        view::mark_started(&names.started(), at)
            .map_err(|error| failed(format!("write {}", names.started().display()), &error))?;
        Ok(answer.pid)
    }
}
