//! Sealane's own API, and the metrics.

pub(crate) mod groups;
pub(crate) mod networks;
pub(crate) mod statistics;
pub(crate) mod trace;
pub(crate) mod vips;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header;
use model::{AppId, TaskId};
use serde_json::{Value, json};

use crate::context::Api;
use crate::params::Params;
use crate::refusal::Refusal;
use crate::shape::{Board, Embed, failure};
use crate::views::{LogStream, ProblemView};

impl Api {
    /// Refuses to tell of a task whose record says that it is on another node.
    pub(crate) fn is_here(&self, state: &store::State, task: &TaskId) -> Result<(), Refusal> {
        match state.tasks.get(task) {
            Some(found) if found.node != self.context.node => Err(Refusal::Unprocessable(format!(
                "task {task} is on node {}; ask there",
                found.node
            ))),
            _ => Ok(()),
        }
    }
}

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /v1/apps/{id}`: why instances of an app wait.
pub(crate) async fn app(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let id = AppId::resolve(&id).map_err(|_| Refusal::NoApp(format!("/{id}")))?;
    let state = api.state().await?;
    let Some(app) = state.apps.get(&id) else {
        return Err(Refusal::NoApp(id.to_string()));
    };
    let launch = state.launches.get(&id);
    let waiting = launch.filter(|launch| launch.waiting > 0);
    let last = launch.and_then(|launch| launch.last_failure.as_ref());
    let mut reasons = launch.map_or_else(Vec::new, |launch| launch.reasons.clone());
    reasons.extend(api.unknown_networks(&state, app).await);
    Ok(Json(json!({
        "app": Board::of(&state).app(app, Embed { tasks: true, ..Embed::default() })?,
        "waiting": waiting.map_or(0, |launch| launch.waiting),
        "since": waiting.map(|launch| launch.since),
        "notBefore": waiting.and_then(|launch| launch.not_before),
        // Instances that were launched may still wait to start or to end.
        "reasons": reasons,
        "lastFailure": last.map(|last| failure(&state, &id, last)),
    })))
}

/// `GET /v1/status`: the parts of the daemon.
pub(crate) async fn status(State(api): State<Arc<Api>>) -> Json<Value> {
    let state = api.context.mirror.state();
    Json(json!({
        "node": api.context.node,
        "version": api.context.version,
        "now": (api.context.now)(),
        "store": {
            "revision": state.revision,
            "apps": state.apps.len(),
            "tasks": state.tasks.len(),
            "nodes": state.nodes.len(),
            "vips": state.vips.len(),
            "deployments": state.deployments.len(),
            "unreadable": state.unreadable.len(),
        },
        "parts": api.context.views.status(),
    }))
}

/// `GET /v1/problems`: what needs somebody's attention.
pub(crate) async fn problems(State(api): State<Arc<Api>>) -> Json<Value> {
    let mut problems = api.context.views.problems();
    let state = api.context.mirror.state();
    problems.extend(state.unreadable.iter().map(|(key, reason)| ProblemView {
        about: format!("record {key}"),
        message: format!("it is not readable and left as it is: {reason}"),
    }));
    for launch in state.launches.values() {
        problems.extend(launch.reasons.iter().map(|reason| ProblemView {
            about: format!("app {}", launch.app),
            message: reason.clone(),
        }));
    }
    let view = api.context.views.networks().await;
    for app in state.apps.values().filter(|app| app.instances > 0) {
        let unknown = api.unknown_among(&state, app, &view).into_iter();
        problems.extend(unknown.map(|message| ProblemView {
            about: format!("app {}", app.id),
            message,
        }));
    }
    Json(json!({ "problems": problems }))
}

/// `GET /v1/tasks/{id}/logs?stream=stdout|stderr&tail=N`.
pub(crate) async fn logs(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Refusal> {
    let stream = match params.text("stream") {
        None | Some("stdout") => LogStream::Stdout,
        Some("stderr") => LogStream::Stderr,
        Some(other) => {
            let message = format!("parameter stream must be stdout or stderr, not '{other}'");
            return Err(Refusal::BadRequest(message));
        }
    };
    let tail = params.parsed("tail", "a number of lines")?;
    let task: TaskId = id.parse().map_err(|_| Refusal::NoTask(id.clone()))?;
    let state = api.state().await?;
    // Logs outlive the record of a task that was replaced, so not finding one here
    // proves nothing.
    api.is_here(&state, &task)?;
    let text = api
        .context
        .views
        .logs(&task, stream, tail)
        .await
        .map_err(Refusal::Unavailable)?
        .ok_or(Refusal::NoTask(id))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(api): State<Arc<Api>>) -> Response {
    (
        [(header::CONTENT_TYPE, PROMETHEUS)],
        api.context.views.metrics().await,
    )
        .into_response()
}
