//! The environment of a task, as Marathon makes it (`EnvironmentHelper.scala`).

use std::collections::BTreeMap;

use marathon::{App, EngineType};
use model::{Node, TaskId, TaskPort};
use serde_json::Value;

use crate::Config;
use crate::view::config_version;

/// Longest label key and value that become variables.
const LONGEST_LABEL: usize = 512;

/// The whole environment; what the app itself sets wins.
pub(crate) fn build(
    config: &Config,
    app: &App,
    node: &Node,
    task: &TaskId,
    ports: &[TaskPort],
) -> BTreeMap<String, String> {
    let mut env = app_variables(app, task);
    let prefix = config.env_prefix.as_deref().unwrap_or_default();
    let host = node
        .address()
        .map_or_else(|| node.id.0.clone(), |address| address.to_string());
    env.insert(format!("{prefix}HOST"), host);
    for (name, value) in port_variables(app, ports) {
        env.insert(format!("{prefix}{name}"), value);
    }
    for (name, value) in &app.env {
        // A secret has no value without a secret store; the variable is left out.
        if let Value::String(text) = value {
            env.insert(name.clone(), text.clone());
        }
    }
    env
}

/// `PORT`, `PORTS`, `PORT<i>`, `PORT_<requested>` and `PORT_<NAME>`.
fn port_variables(app: &App, ports: &[TaskPort]) -> Vec<(String, String)> {
    let requested = requested_ports(app);
    let mut variables = Vec::new();
    let mut listed = Vec::new();
    let mut random = Vec::new();
    let mut last = None;
    for port in ports {
        // `udp,tcp` makes two task ports of one declaration.
        if last == Some(port.index) {
            continue;
        }
        last = Some(port.index);
        let Some(effective) = port.host_port.or(port.container_port) else {
            continue;
        };
        let asked = requested.get(port.index).copied().unwrap_or_default();
        match (port.host_port, asked) {
            (Some(host), _) => listed.push(host),
            // A fixed container port without a host port is in neither list.
            (None, 0) => random.push(effective),
            (None, _) => {}
        }
        variables.push((format!("PORT{}", port.index), effective.to_string()));
        let number = if asked == 0 { effective } else { asked };
        variables.push((format!("PORT_{number}"), effective.to_string()));
        if let Some(name) = &port.name {
            variables.push((
                format!("PORT_{}", name.to_uppercase()),
                effective.to_string(),
            ));
        }
    }
    listed.extend(random);
    if let Some(first) = listed.first() {
        variables.push(("PORT".to_owned(), first.to_string()));
        let all: Vec<String> = listed.iter().map(u16::to_string).collect();
        variables.push(("PORTS".to_owned(), all.join(",")));
    }
    variables
}

/// The number that each declaration asks for: the container port, or the port of a
/// definition after service ports were assigned.
fn requested_ports(app: &App) -> Vec<u16> {
    let definitions = app.port_definitions.iter().flatten().map(|port| port.port);
    let container = app.container.as_ref();
    let mappings = container
        .and_then(|c| c.port_mappings.as_ref())
        .into_iter()
        .flatten();
    definitions
        .chain(mappings.map(|mapping| mapping.container_port))
        .collect()
}

/// `MESOS_TASK_ID` and `MARATHON_APP_*`.
fn app_variables(app: &App, task: &TaskId) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let mut set = |name: &str, value: String| env.insert(name.to_owned(), value);
    set("MESOS_TASK_ID", task.to_string());
    set("MARATHON_APP_ID", app.id.to_string());
    set(
        "MARATHON_APP_VERSION",
        app.version
            .unwrap_or_else(|| config_version(app))
            .to_string(),
    );
    // `{:?}` writes whole numbers as Scala does, 1.0 and not 1.
    set("MARATHON_APP_RESOURCE_CPUS", format!("{:?}", app.cpus));
    set("MARATHON_APP_RESOURCE_MEM", format!("{:?}", app.mem));
    set("MARATHON_APP_RESOURCE_DISK", format!("{:?}", app.disk));
    set("MARATHON_APP_RESOURCE_GPUS", app.gpus.to_string());
    if let Some(container) = &app.container
        && container.kind == EngineType::Docker
        && let Some(docker) = &container.docker
    {
        set("MARATHON_APP_DOCKER_IMAGE", docker.image.clone());
    }
    let mut names = Vec::new();
    for (key, value) in &app.labels {
        if key.len() < LONGEST_LABEL && value.len() < LONGEST_LABEL {
            let name = label_name(key);
            set(&format!("MARATHON_APP_LABEL_{name}"), value.clone());
            names.push(name);
        }
    }
    set("MARATHON_APP_LABELS", names.join(" "));
    env
}

/// Upper case, with every run of other characters than letters and digits as `_`,
/// none at the ends.
fn label_name(key: &str) -> String {
    let words = key
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    words
        .map(str::to_ascii_uppercase)
        .collect::<Vec<_>>()
        .join("_")
}
