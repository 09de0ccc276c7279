//! `container`: what its engine needs.

use serde_json::Value;

use crate::definition::Definition;
use crate::rejection::Problems;
use crate::{Container, DockerContainer, EngineType};

/// What every AppC image id begins with.
const DIGEST_PREFIX: &str = "sha512-";

pub(super) fn check(definition: &Definition, problems: &mut Problems) {
    let Some(container) = definition.canonical_container() else {
        return;
    };
    match container.kind {
        EngineType::Docker => check_docker(definition, container, problems),
        EngineType::Mesos => check_native(definition, container, problems),
    }
    for (index, volume) in container.volumes.iter().enumerate() {
        check_volume(volume, &format!("/container/volumes({index})"), problems);
    }
}

fn check_docker(definition: &Definition, container: &Container, problems: &mut Problems) {
    match &container.docker {
        None => problems.add("/container/docker", "not defined"),
        Some(DockerContainer {
            pull_config: Some(_),
            ..
        }) => problems.add(
            "/container/docker/pullConfig",
            "pullConfig is not supported with Docker containerizer",
        ),
        Some(_) => {}
    }
    if definition.gpus.is_some_and(|gpus| gpus > 0) {
        problems.add("/", "GPU resources only work with the Mesos containerizer");
    }
}

fn check_native(definition: &Definition, container: &Container, problems: &mut Problems) {
    if container.docker.is_some() && container.appc.is_some() {
        problems.add(
            "/container",
            "mesos containers should specify, at most, a single image type",
        );
    }
    let pull = container
        .docker
        .as_ref()
        .and_then(|docker| docker.pull_config.as_ref());
    if let Some(secret) = pull
        .and_then(|pull| pull.get("secret"))
        .and_then(Value::as_str)
        && definition
            .rest
            .get("secrets")
            .and_then(|secrets| secrets.get(secret))
            .is_none()
    {
        problems.add(
            "/container/docker/pullConfig",
            "pullConfig.secret must refer to an existing secret",
        );
    }
    if let Some(id) = container.appc.as_ref().and_then(|appc| appc.id.as_deref()) {
        match id.strip_prefix(DIGEST_PREFIX) {
            Some("") => problems.add(
                "/container/appc/id",
                format!("id must contain non-empty digest after '{DIGEST_PREFIX}'."),
            ),
            Some(_) => {}
            None => problems.add(
                "/container/appc/id",
                format!("id must begin with '{DIGEST_PREFIX}',"),
            ),
        }
    }
}

fn check_volume(volume: &Value, place: &str, problems: &mut Problems) {
    let has = |field: &str| volume.get(field).is_some();
    if has("persistent") && has("external") {
        problems.add(
            place,
            "illegal combination of persistent and external volume fields",
        );
    }
    if !["hostPath", "persistent", "external", "secret"]
        .into_iter()
        .any(has)
    {
        problems.add(format!("{place}/hostPath"), "not defined");
    }
}
