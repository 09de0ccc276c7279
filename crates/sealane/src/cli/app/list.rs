//! `sealane app list`.

use super::super::Session;
use super::super::client::shaped;
use super::super::failure::Failure;
use super::super::shapes::{App, Apps};
use super::super::table::{joined, render};

pub(super) async fn run(session: &mut Session<'_>) -> Result<(), Failure> {
    let path = "/v2/apps";
    let value = session.client.get(path).await?;
    session.print(&value["apps"], || {
        let Apps { apps } = shaped(path, &value)?;
        let heading = [
            "ID",
            "INSTANCES",
            "HEALTHY",
            "ENGINE",
            "NETWORK",
            "VIPS",
            "STATE",
        ];
        Ok(render(heading, apps.iter().map(row)))
    })
}

fn row(app: &App) -> [String; 7] {
    [
        app.id.clone(),
        format!("{}/{}", app.tasks_running, app.instances),
        healthy(app),
        engine(app).to_owned(),
        network(app),
        joined(vips(app)),
        state(app).to_owned(),
    ]
}

fn healthy(app: &App) -> String {
    if app.health_checks.is_empty() {
        return "-".to_owned();
    }
    format!("{}/{}", app.tasks_healthy, app.tasks_running)
}

/// Which engine runs it.
pub(super) fn engine(app: &App) -> &'static str {
    match &app.container {
        Some(container) if container.kind == "DOCKER" => "docker",
        _ => "containerd",
    }
}

/// `host`, `bridge`, or the names of its networks.
pub(super) fn network(app: &App) -> String {
    joined(
        app.networks
            .iter()
            .map(|network| match (&network.name, network.mode.as_str()) {
                (Some(name), _) => name.clone(),
                (None, "container/bridge") => "bridge".to_owned(),
                (None, mode) => mode.to_owned(),
            }),
    )
}

/// The values of its VIP labels (keys that begin with `VIP` or `vip`).
pub(super) fn vips(app: &App) -> Vec<String> {
    let mappings = app
        .container
        .iter()
        .flat_map(|container| &container.port_mappings);
    app.port_definitions
        .iter()
        .chain(mappings)
        .flat_map(|port| &port.labels)
        .filter(|(key, _)| key.starts_with("VIP") || key.starts_with("vip"))
        .map(|(_, value)| value.clone())
        .collect()
}

/// One word for how it is.
pub(super) fn state(app: &App) -> &'static str {
    if !app.deployments.is_empty() {
        "deploying"
    } else if app.instances == 0 && app.tasks_running == 0 {
        "suspended"
    } else if app.tasks_unhealthy > 0 {
        "unhealthy"
    } else if app.tasks_running < app.instances {
        "waiting"
    } else {
        "running"
    }
}
