//! containerd's record of a container: labels, specification, snapshot.

use std::collections::HashMap;

use containerd_client::services::v1::container::Runtime;
use containerd_client::services::v1::{Container as Record, CreateContainerRequest};
use containerd_client::types::Mount;
use model::Task;
use prost_types::Any;

use super::attach::Joined;
use super::image::{Image, RunConfig};
use super::names::{self, Names};
use super::prepare::{HostParts, Prepared};
use super::spec::{self, Plan, Root};
use super::{ContainerdEngine, command};
use crate::EngineError;

/// The shim for runc.
const RUNTIME: &str = "io.containerd.runc.v2";

/// What a start has got hold of before there is a container.
#[derive(Debug)]
pub(super) struct Parts {
    /// Absent for a command on the host's file system.
    pub(super) image: Option<Image>,
    pub(super) joined: Joined,
    /// What shows the image's snapshot.
    pub(super) mounts: Vec<Mount>,
}

impl Parts {
    pub(super) fn run(&self) -> Option<&RunConfig> {
        self.image.as_ref().map(|image| &image.run)
    }

    /// Where the container sees its sandbox.
    pub(super) fn sandbox(&self, names: &Names) -> String {
        match self.image {
            Some(_) => command::SANDBOX_IN_IMAGE.to_owned(),
            None => names.sandbox.display().to_string(),
        }
    }
}

impl ContainerdEngine {
    /// Records the container; there is no process yet.
    pub(super) async fn record_container(
        &self,
        task: &Task,
        names: &Names,
        parts: &Parts,
        prepared: &Prepared,
    ) -> Result<Record, EngineError> {
        let record = Record {
            id: names.id.clone(),
            labels: self.labels(task, parts),
            runtime: Some(Runtime {
                name: RUNTIME.to_owned(),
                options: None,
            }),
            spec: Some(Any {
                type_url: spec::TYPE_URL.to_owned(),
                value: self
                    .specification(task, names, parts, prepared)?
                    .into_bytes(),
            }),
            extensions: assigned(parts),
            ..Record::default()
        };
        let record = match &parts.image {
            Some(image) => Record {
                image: image.name.clone(),
                snapshotter: self.snapshots.name().to_owned(),
                snapshot_key: names.id.clone(),
                ..record
            },
            None => record,
        };
        let request = CreateContainerRequest {
            container: Some(record),
        };
        let mut containers = self.client.containers().await?;
        let action = format!("record container {}", names.id);
        let answer = self.client.ask(&action, containers.create(request)).await?;
        Ok(answer.container.unwrap_or_default())
    }

    fn labels(&self, task: &Task, parts: &Parts) -> HashMap<String, String> {
        let mut labels = HashMap::from([
            (names::TASK.to_owned(), task.id.to_string()),
            (names::OWNER.to_owned(), self.options.common.owner.clone()),
        ]);
        if let Some(signal) = parts.run().and_then(|run| run.stop_signal.clone()) {
            labels.insert(names::STOP_SIGNAL.to_owned(), signal);
        }
        if let Some(ports) = parts.run().and_then(|run| run.ports.clone()) {
            labels.insert(names::PORTS.to_owned(), ports);
        }
        labels
    }

    fn specification(
        &self,
        task: &Task,
        names: &Names,
        parts: &Parts,
        prepared: &Prepared,
    ) -> Result<String, EngineError> {
        let image = parts.run();
        let attachment = parts.joined.attachment();
        let sandbox = parts.sandbox(names);
        let addresses = attachment
            .map(|attachment| attachment.addresses.as_slice())
            .unwrap_or_default();
        let plan = Plan {
            line: command::line(task, image)?,
            env: command::environment(task, image, &prepared.who, &sandbox, addresses),
            directory: command::directory(image, &sandbox),
            who: &prepared.who,
            root: match &prepared.host {
                Some(HostParts { points, entries }) => Root::Host { points, entries },
                None => Root::Image,
            },
            hostname: prepared.hostname.as_deref(),
            netns: parts.joined.netns(),
            cgroup: &names.cgroup(task, &self.options.common),
            cpus: task.resources.cpus,
            memory: task.resources.mem,
            volumes: &prepared.volumes,
            files: &prepared.files,
        };
        Ok(plan.spec().to_string())
    }
}

/// The networks as they were assigned. An extension, since a label may have 4 KiB.
fn assigned(parts: &Parts) -> HashMap<String, Any> {
    let networks = parts.joined.network_infos();
    let json = networks.and_then(|networks| serde_json::to_vec(&networks).ok());
    let extension = |value| {
        let name = names::NETWORKS.to_owned();
        (
            name.clone(),
            Any {
                type_url: name,
                value,
            },
        )
    };
    json.map(extension).into_iter().collect()
}
