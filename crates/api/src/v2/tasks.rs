//! Tasks: of an app, of all apps, and ending them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use marathon::App;
use model::{AppId, Kill, Task, TaskId, TaskState};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Change, Expect};

use crate::app_path::PathId;
use crate::body::Body;
use crate::change::Draft;
use crate::context::Api;
use crate::params::Params;
use crate::refusal::Refusal;
use crate::shape::{Board, ServicePorts, shown_state, task as task_shape};

/// `GET /v2/apps/{id}/tasks`.
pub(crate) async fn of_app(api: &Api, id: &PathId) -> Result<Response, Refusal> {
    let id = id.app()?;
    let state = api.state().await?;
    if !state.apps.contains_key(&id) {
        return Err(Refusal::NoApp(id.to_string()));
    }
    let tasks = Board::of(&state).task_shapes(&id)?;
    Ok(Json(json!({ "tasks": tasks })).into_response())
}

/// `GET /v2/apps/{group}/*/tasks`.
pub(crate) async fn of_group(api: &Api, group: &PathId) -> Result<Response, Refusal> {
    let state = api.state().await?;
    let board = Board::of(&state);
    let mut tasks = Vec::new();
    for id in state.apps.keys().filter(|id| group.is_group_of(id)) {
        tasks.extend(board.task_shapes(id)?);
    }
    Ok(Json(json!({ "tasks": tasks })).into_response())
}

/// `GET /v2/tasks`: all of them, with service ports.
pub(crate) async fn list(State(api): State<Arc<Api>>, params: Params) -> Result<Response, Refusal> {
    let wanted: Vec<TaskState> = params
        .all("status")
        .filter_map(|status| match status {
            "running" => Some(TaskState::Running),
            "staging" => Some(TaskState::Staging),
            _ => None,
        })
        .collect();
    let state = api.state().await?;
    let mut tasks = Vec::new();
    for task in state.tasks.values() {
        let status = state.statuses.get(&task.id).map(|held| &*held.record);
        let shown = shown_state(task, status);
        if !shown.is_terminal() && (wanted.is_empty() || wanted.contains(&shown)) {
            tasks.push(serde_json::to_value(task_shape(
                &state,
                task,
                ServicePorts::Shown,
            ))?);
        }
    }
    Ok(Json(json!({ "tasks": tasks })).into_response())
}

/// `DELETE /v2/apps/{id}/tasks`.
pub(crate) async fn kill_of_app(
    api: &Api,
    id: &PathId,
    params: &Params,
) -> Result<Response, Refusal> {
    let id = id.app()?;
    let host = params.text("host").filter(|host| *host != "*");
    let pick = |state: &store::State| {
        if !state.apps.contains_key(&id) {
            return Err(Refusal::NoApp(id.to_string()));
        }
        let board = Board::of(state);
        let tasks = board.tasks(&id).iter().filter(|task| {
            host.is_none_or(|host| {
                let address = state.nodes.get(&task.node).and_then(|node| node.address());
                task.node.0 == host || address.is_some_and(|address| address.to_string() == host)
            })
        });
        Ok(tasks.map(|task| task.id.clone()).collect())
    };
    match kill(api, params, pick).await? {
        Killed::Tasks(tasks) => Ok(Json(json!({ "tasks": tasks })).into_response()),
        Killed::Scaled(answer) => Ok(answer),
    }
}

/// `DELETE /v2/apps/{id}/tasks/{task}`.
pub(crate) async fn kill_one(
    api: &Api,
    id: &PathId,
    task: &str,
    params: &Params,
) -> Result<Response, Refusal> {
    let id = id.app()?;
    let pick = |state: &store::State| {
        if !state.apps.contains_key(&id) {
            return Err(Refusal::NoApp(id.to_string()));
        }
        let board = Board::of(state);
        let found = board
            .tasks(&id)
            .iter()
            .find(|found| found.id.as_str() == task);
        found.map_or_else(
            || Err(Refusal::NoTask(task.to_owned())),
            |found| Ok(BTreeSet::from([found.id.clone()])),
        )
    };
    match kill(api, params, pick).await? {
        Killed::Tasks(tasks) => Ok(Json(json!({ "task": tasks.first() })).into_response()),
        Killed::Scaled(answer) => Ok(answer),
    }
}

/// Body of `POST /v2/tasks/delete`.
#[derive(Debug, Deserialize)]
struct Ids {
    ids: Vec<String>,
}

/// `POST /v2/tasks/delete`; ids of tasks that are gone are passed over.
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    params: Params,
    Body(body): Body,
) -> Result<Response, Refusal> {
    let Ids { ids } = serde_json::from_slice(&body)
        .map_err(|error| Refusal::BadRequest(format!("{error}; write {{\"ids\": [\"...\"]}}")))?;
    let ids = ids.iter().map(|id| {
        id.parse::<TaskId>()
            .map_err(|error| Refusal::BadRequest(format!("Invalid task id '{id}'. [{error}]")))
    });
    let ids = ids.collect::<Result<Vec<TaskId>, Refusal>>()?;
    let pick = |state: &store::State| {
        let alive = ids.iter().filter(|id| {
            let status = state.statuses.get(id).map(|held| &*held.record);
            state
                .tasks
                .get(id)
                .is_some_and(|task| !shown_state(task, status).is_terminal())
        });
        Ok(alive.cloned().collect())
    };
    match kill(&api, &params, pick).await? {
        Killed::Tasks(tasks) => Ok(Json(json!({ "tasks": tasks })).into_response()),
        Killed::Scaled(answer) => Ok(answer),
    }
}

enum Killed {
    /// They will be replaced; shapes of the tasks as they were.
    Tasks(Vec<Value>),
    /// Their apps have fewer instances now.
    Scaled(Response),
}

/// Asks for the end of the tasks that `pick` finds.
async fn kill(
    api: &Api,
    params: &Params,
    pick: impl Fn(&store::State) -> Result<BTreeSet<TaskId>, Refusal>,
) -> Result<Killed, Refusal> {
    let (scale, wipe) = (params.flag("scale", false)?, params.flag("wipe", false)?);
    let force = params.flag("force", false)?;
    if scale && wipe {
        let message = "You cannot use scale and wipe at the same time.";
        return Err(Refusal::BadRequest(message.to_owned()));
    }
    if scale {
        let accepted = api
            .deploy(force, |state, now| {
                let ids = pick(state)?;
                let mut draft = Draft::default();
                put_kills(&mut draft.change, &ids);
                draft.put_apps(state, fewer(state, &ids), &api.context, now)?;
                Ok(draft)
            })
            .await?;
        return Ok(Killed::Scaled(accepted.answer(StatusCode::OK)));
    }
    let state = api.state().await?;
    let ids = pick(&state)?;
    let mut change = Change::new();
    put_kills(&mut change, &ids);
    api.commit(change, &state).await?;
    let tasks = ids.iter().filter_map(|id| state.tasks.get(id));
    let shape = |task: &Task| serde_json::to_value(task_shape(&state, task, ServicePorts::Left));
    Ok(Killed::Tasks(
        tasks.map(|task| shape(task)).collect::<Result<_, _>>()?,
    ))
}

fn put_kills(change: &mut Change, ids: &BTreeSet<TaskId>) {
    for id in ids {
        let kill = Kill {
            task: id.clone(),
            reason: "killed through the API".to_owned(),
        };
        change.put_kill(&kill, Expect::Any);
    }
}

/// The apps of the tasks, with as many instances less.
fn fewer(state: &store::State, ids: &BTreeSet<TaskId>) -> Vec<App> {
    let mut apps: BTreeMap<&AppId, App> = BTreeMap::new();
    for task in ids.iter().filter_map(|id| state.tasks.get(id)) {
        if let Some(app) = state.apps.get(&task.app) {
            let app = apps.entry(&task.app).or_insert_with(|| App::clone(app));
            app.instances = app.instances.saturating_sub(1);
        }
    }
    apps.into_values().collect()
}
