//! The fields of a definition itself.

use std::collections::HashSet;
use std::hash::Hash;

use serde_json::{Map, Value, json};

use super::node::{Node, Object};
use super::{IdField, Reading, container, health, ports};
use crate::definition::Definition;
use crate::names::{is_executor, is_path_id};
use crate::{KillSelection, UpgradeStrategy};

/// Objects that are kept as they are.
const OPAQUE: [&str; 6] = [
    "check",
    "executorResources",
    "linuxInfo",
    "residency",
    "resourceLimits",
    "secrets",
];

const KILL_SELECTIONS: [(&str, KillSelection); 2] = [
    ("YOUNGEST_FIRST", KillSelection::YoungestFirst),
    ("OLDEST_FIRST", KillSelection::OldestFirst),
];

pub(super) fn definition(node: Node<'_>, reading: Reading<'_>) -> Option<Definition> {
    let object = node.object()?;
    let id = match reading.id {
        IdField::Required => self::id(&object),
        IdField::Ignored => None,
    };
    Some(Definition {
        id,
        executor: object.get("executor").and_then(|node| match node.text()? {
            text if is_executor(&text) => Some(text),
            _ => node.refuse("error.pattern"),
        }),
        port_definitions: object.list("portDefinitions", ports::definition),
        require_ports: object.boolean("requirePorts"),
        container: object.get("container").and_then(container::container),
        networks: object.list("networks", |node| {
            ports::network(node, reading.known_networks)
        }),
        health_checks: object.list("healthChecks", health::check).map(distinct),
        readiness_checks: object.list("readinessChecks", health::readiness),
        upgrade_strategy: object.get("upgradeStrategy").and_then(upgrade_strategy),
        unreachable_strategy: object
            .get("unreachableStrategy")
            .and_then(unreachable_strategy),
        rest: rest(&object),
        ports: object.list("ports", |node| node.port()),
        ip_address: object.get("ipAddress").and_then(ports::ip_address),
        uris: object.list("uris", |node| node.filled_text()),
        version: object
            .get("version")
            .and_then(|node| node.value.as_str().map(str::to_owned)),
        has_version_info: object.get("versionInfo").is_some(),
        ..scalars(&object)
    })
}

pub(super) fn id(object: &Object<'_>) -> Option<String> {
    object.require("id").and_then(path_id)
}

fn scalars(object: &Object<'_>) -> Definition {
    let seconds = |name: &str| object.integer(name).map(u64::from);
    let texts = |name: &str| object.list(name, |node| node.text());
    Definition {
        cmd: object.get("cmd").and_then(|node| node.filled_text()),
        args: texts("args"),
        user: object.text("user"),
        env: object.get("env").and_then(|node| node.map(variable)),
        instances: object.integer("instances"),
        cpus: object.number("cpus", 0.0, f64::MAX),
        mem: object.number("mem", 0.0, f64::MAX),
        disk: object.number("disk", 0.0, f64::MAX),
        gpus: object.integer("gpus"),
        constraints: object
            .list("constraints", |node| node.list(|field| field.text()))
            .map(distinct),
        fetch: object.list("fetch", artifact),
        backoff_seconds: seconds("backoffSeconds"),
        backoff_factor: object.number("backoffFactor", 1.0, f64::MAX),
        max_launch_delay_seconds: seconds("maxLaunchDelaySeconds"),
        dependencies: object.list("dependencies", path_id),
        labels: object.labels("labels"),
        accepted_resource_roles: texts("acceptedResourceRoles").map(distinct),
        kill_selection: object.choice("killSelection", &KILL_SELECTIONS),
        task_kill_grace_period_seconds: seconds("taskKillGracePeriodSeconds"),
        role: object.text("role"),
        ..Definition::default()
    }
}

fn path_id(node: Node<'_>) -> Option<String> {
    node.name(usize::MAX, is_path_id)
}

/// A text, or `{"secret": name}`.
fn variable(node: Node<'_>) -> Option<Value> {
    if node.value.is_object() {
        let secret = node.object()?.require("secret")?.filled_text()?;
        return Some(json!({ "secret": secret }));
    }
    node.text().map(Value::String)
}

fn artifact(node: Node<'_>) -> Option<Value> {
    let object = node.object()?;
    let mut artifact = json!({
        "uri": object.require("uri").and_then(|node| node.filled_text()),
        "extract": object.boolean("extract").unwrap_or(true),
        "executable": object.boolean("executable").unwrap_or(false),
        "cache": object.boolean("cache").unwrap_or(false),
    });
    if let Some(path) = object.get("destPath").and_then(|node| node.filled_text()) {
        artifact["destPath"] = Value::String(path);
    }
    Some(artifact)
}

/// Marathon wants both shares; older ones filled in 1, and clients rely on it.
fn upgrade_strategy(node: Node<'_>) -> Option<UpgradeStrategy> {
    let object = node.object()?;
    let share = |name: &str| object.number(name, 0.0, 1.0).unwrap_or(1.0);
    Some(UpgradeStrategy {
        minimum_health_capacity: share("minimumHealthCapacity"),
        maximum_over_capacity: share("maximumOverCapacity"),
    })
}

fn unreachable_strategy(node: Node<'_>) -> Option<Value> {
    if node.value.is_string() {
        return node.choice(&[("disabled", ())]).map(|()| json!("disabled"));
    }
    let object = node.object()?;
    Some(json!({
        "inactiveAfterSeconds": object.integer("inactiveAfterSeconds").unwrap_or(0),
        "expungeAfterSeconds": object.integer("expungeAfterSeconds").unwrap_or(0),
    }))
}

fn rest(object: &Object<'_>) -> Map<String, Value> {
    let mut rest = Map::new();
    for name in OPAQUE {
        if let Some(value) = object.get(name).and_then(|node| node.opaque_object()) {
            rest.insert(name.to_owned(), value);
        }
    }
    if let Some(tty) = object.boolean("tty") {
        rest.insert("tty".to_owned(), Value::Bool(tty));
    }
    rest
}

/// The items without repetitions, in their order: RAML's `uniqueItems` makes a
/// list a set instead of refusing what occurs twice.
fn distinct<T: Hash + Eq + Clone>(items: Vec<T>) -> Vec<T> {
    let mut seen = HashSet::new();
    items
        .into_iter()
        .filter(|item| seen.insert(item.clone()))
        .collect()
}
