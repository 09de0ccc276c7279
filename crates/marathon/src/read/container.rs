//! `container`: engine, image, volumes and port mappings.

use serde_json::{Map, Value, json};

use crate::definition::{ContainerDefinition, OldDocker, OldNetwork};
use crate::{AppcContainer, Container, DockerContainer, DockerParameter, EngineType};

use super::node::{Node, Object};
use super::{ports, without_nulls};

const ENGINES: [(&str, EngineType); 2] =
    [("MESOS", EngineType::Mesos), ("DOCKER", EngineType::Docker)];

const OLD_NETWORKS: [(&str, OldNetwork); 4] = [
    ("BRIDGE", OldNetwork::Bridge),
    ("HOST", OldNetwork::Host),
    ("NONE", OldNetwork::None),
    ("USER", OldNetwork::User),
];

pub(super) fn container(node: Node<'_>) -> Option<ContainerDefinition> {
    let object = node.object()?;
    let docker = object.get("docker").and_then(|node| node.object());
    let mut rest = Map::new();
    if let Some(linux) = object
        .get("linuxInfo")
        .and_then(|node| node.opaque_object())
    {
        rest.insert("linuxInfo".to_owned(), linux);
    }
    Some(ContainerDefinition {
        canonical: Container {
            kind: object.choice("type", &ENGINES).unwrap_or_default(),
            docker: docker.as_ref().map(docker_container),
            appc: object.get("appc").and_then(appc),
            volumes: object.list("volumes", volume).unwrap_or_default(),
            port_mappings: object.list("portMappings", ports::mapping),
            rest,
        },
        old_docker: docker.as_ref().map(old_docker).unwrap_or_default(),
    })
}

fn docker_container(object: &Object<'_>) -> DockerContainer {
    DockerContainer {
        image: object
            .require("image")
            .and_then(|node| node.filled_text())
            .unwrap_or_default(),
        force_pull_image: object.boolean("forcePullImage").unwrap_or(false),
        parameters: object.list("parameters", parameter).unwrap_or_default(),
        privileged: object.boolean("privileged").unwrap_or(false),
        pull_config: object.get("pullConfig").and_then(|node| {
            let secret = node.object()?.require("secret")?.text()?;
            Some(json!({ "secret": secret }))
        }),
    }
}

fn parameter(node: Node<'_>) -> Option<DockerParameter> {
    let object = node.object()?;
    let key = object.require("key").and_then(|node| node.filled_text());
    let value = object.require("value").and_then(|node| node.text());
    Some(DockerParameter {
        key: key?,
        value: value?,
    })
}

fn old_docker(object: &Object<'_>) -> OldDocker {
    OldDocker {
        network: object.choice("network", &OLD_NETWORKS),
        port_mappings: object.list("portMappings", ports::mapping),
        has_credential: object
            .get("credential")
            .and_then(|node| node.object())
            .is_some(),
    }
}

fn appc(node: Node<'_>) -> Option<AppcContainer> {
    let object = node.object()?;
    let appc = AppcContainer {
        image: object
            .require("image")
            .and_then(|node| node.filled_text())
            .unwrap_or_default(),
        id: None,
        labels: object.labels("labels").unwrap_or_default(),
        force_pull_image: object.boolean("forcePullImage").unwrap_or(false),
    };
    // The shortest id is the prefix `sha512-` alone, which is refused later with a text.
    const SHORTEST_ID: usize = 7;
    let Some(node) = object.get("id") else {
        return Some(appc);
    };
    let id = node.text();
    if id.as_ref().is_some_and(|id| id.len() < SHORTEST_ID) {
        return node.refuse("error.minLength");
    }
    Some(AppcContainer { id, ..appc })
}

/// A volume is kept as given; only what decides its kind is checked. The mode of
/// host, persistent and external volumes is filled in, upper case.
fn volume(node: Node<'_>) -> Option<Value> {
    let object = node.object()?;
    let mut volume = without_nulls(node.value);
    object
        .require("containerPath")
        .and_then(|node| node.filled_text());
    object.get("hostPath").and_then(|node| node.filled_text());
    object.get("persistent").and_then(|node| node.object());
    object.get("external").and_then(|node| node.object());
    let secret = object.get("secret").and_then(|node| node.filled_text());
    let mode = object.choice("mode", &[("RO", "RO"), ("RW", "RW")]);
    if let Some(mode) = mode.or(secret.is_none().then_some("RW")) {
        volume["mode"] = Value::String(mode.to_owned());
    }
    Some(volume)
}
