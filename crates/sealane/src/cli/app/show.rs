//! `sealane app show`.

use model::AppId;

use super::super::Session;
use super::super::client::shaped;
use super::super::failure::Failure;
use super::super::shapes::{App, LastFailure, Launching, Task};
use super::super::table::{facts, joined};
use super::super::task;
use super::list::{engine, network, state, vips};

pub(super) async fn run(session: &mut Session<'_>, id: &AppId) -> Result<(), Failure> {
    let path = format!("/v1/apps{id}");
    let value = session.client.get(&path).await?;
    session.print(&value, || Ok(describe(&shaped(&path, &value)?)))
}

fn describe(launching: &Launching) -> String {
    let app = &launching.app;
    let mut pairs = vec![
        ("app", app.id.clone()),
        ("state", state(app).to_owned()),
        ("instances", instances(app)),
        ("runs", what(app)),
        ("engine", engine(app).to_owned()),
        ("network", network(app)),
        ("vips", joined(vips(app))),
        (
            "resources",
            format!("{} cpus, {} MiB memory each", app.cpus, app.mem),
        ),
        ("version", app.version.clone()),
    ];
    let deployments = joined(app.deployments.iter().map(|one| one.id.clone()));
    if !app.deployments.is_empty() {
        pairs.push(("deployment", deployments));
    }
    pairs.extend(waiting(launching).map(|reason| ("waits for", reason)));
    pairs.extend(
        launching
            .last_failure
            .as_ref()
            .map(|failure| ("last failure", told(failure))),
    );
    pairs.extend(health(&app.tasks).map(|cause| ("unhealthy", cause)));
    let mut text = facts(pairs);
    if !app.tasks.is_empty() {
        text.push('\n');
        text.push_str(&task::as_table(&app.tasks));
    }
    text
}

fn instances(app: &App) -> String {
    let mut text = format!("{} of {} running", app.tasks_running, app.instances);
    if !app.health_checks.is_empty() {
        text.push_str(&format!(", {} healthy", app.tasks_healthy));
    }
    if app.tasks_staged > 0 {
        text.push_str(&format!(", {} starting", app.tasks_staged));
    }
    text
}

fn what(app: &App) -> String {
    let image = app
        .container
        .as_ref()
        .and_then(|container| container.docker.as_ref());
    let command = app
        .cmd
        .clone()
        .or_else(|| (!app.args.is_empty()).then(|| app.args.join(" ")));
    match (image, command) {
        (Some(image), Some(command)) => format!("{}: {command}", image.image),
        (Some(image), None) => image.image.clone(),
        (None, Some(command)) => command,
        (None, None) => "-".to_owned(),
    }
}

/// Why instances are not there yet, one entry for each reason.
pub(super) fn waiting(launching: &Launching) -> impl Iterator<Item = String> {
    let number = launching.waiting;
    let what = if number == 1 {
        "1 instance".to_owned()
    } else {
        format!("{number} instances")
    };
    let since = launching
        .since
        .as_deref()
        .map(|since| format!(" since {since}"))
        .unwrap_or_default();
    let mut reasons = launching.reasons.clone();
    if let Some(until) = &launching.not_before {
        reasons.push(format!(
            "no new attempt before {until}, because earlier ones failed"
        ));
    }
    let first = (number > 0).then(|| format!("{what}{since}"));
    first.into_iter().chain(reasons)
}

/// The last failure in one line.
pub(super) fn told(failure: &LastFailure) -> String {
    let LastFailure {
        task,
        state,
        message,
        node,
        at,
    } = failure;
    format!("{state} {message} ({task} on {node}, {at})")
}

fn health(tasks: &[Task]) -> impl Iterator<Item = String> {
    tasks.iter().flat_map(|task| {
        task.health_check_results
            .iter()
            .filter(|result| result.alive == Some(false))
            .filter_map(|result| result.last_failure_cause.as_ref())
            .map(|cause| format!("{}: {cause}", task.id))
    })
}
