//! `/v2/apps/{id}` and what follows it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, Uri};
use marathon::{App, stamp_restart};
use model::{AppId, DeploymentAction};
use serde_json::json;
use store::Expect;

use super::update::Updates;
use super::{apps, tasks, versions};
use crate::app_path::{AppPath, PathId};
use crate::body::Body;
use crate::change::Draft;
use crate::context::Api;
use crate::params::Params;
use crate::refusal::Refusal;
use crate::router::no_method;
use crate::shape::{Board, Embed};

/// Every address below `/v2/apps/`: ids contain slashes, so the router cannot tell.
pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    Path(rest): Path<String>,
    method: Method,
    uri: Uri,
    params: Params,
    Body(body): Body,
) -> Result<Response, Refusal> {
    let Some(path) = AppPath::split(&rest) else {
        return Err(Refusal::NoRoute(uri.path().to_owned()));
    };
    // The router answers HEAD by leaving out what GET says.
    let asked = if method == Method::HEAD {
        Method::GET
    } else {
        method.clone()
    };
    match (&asked, path) {
        (&Method::GET, AppPath::App(id)) => show(&api, &id, &params).await,
        (&Method::PUT, AppPath::App(id)) => put(&api, &id, &params, &body).await,
        (&Method::PATCH, AppPath::App(id)) => {
            let update = Updates::One {
                id: id.app()?,
                partial: true,
                create: false,
            };
            update.apply(&api, &params, &body).await
        }
        (&Method::DELETE, AppPath::App(id)) => delete(&api, &id, &params).await,
        (&Method::GET, AppPath::Group(id)) => apps::of_group(&api, &id, &params).await,
        (&Method::POST, AppPath::Restart(id)) => restart(&api, &id, &params).await,
        (&Method::GET, AppPath::Tasks(id)) => tasks::of_app(&api, &id).await,
        (&Method::DELETE, AppPath::Tasks(id)) => tasks::kill_of_app(&api, &id, &params).await,
        (&Method::GET, AppPath::GroupTasks(id)) => tasks::of_group(&api, &id).await,
        (&Method::DELETE, AppPath::Task(id, task)) => {
            tasks::kill_one(&api, &id, &task, &params).await
        }
        (&Method::GET, AppPath::Versions(id)) => versions::list(&api, &id).await,
        (&Method::GET, AppPath::Version(id, version)) => versions::show(&api, &id, &version).await,
        _ => Err(no_method(&method, &uri)),
    }
}

async fn show(api: &Api, id: &PathId, params: &Params) -> Result<Response, Refusal> {
    let id = id.app()?;
    let state = api.state().await?;
    let Some(app) = state.apps.get(&id) else {
        return Err(Refusal::NoApp(id.to_string()));
    };
    let shape = Board::of(&state).app(app, Embed::single(params))?;
    Ok(Json(json!({ "app": shape })).into_response())
}

async fn put(api: &Api, id: &PathId, params: &Params, body: &[u8]) -> Result<Response, Refusal> {
    let partial = params.flag("partialUpdate", true)?;
    let id = id
        .resolve()
        .map_err(|error| Refusal::invalid("/id", error.to_string()))?;
    Updates::One {
        id,
        partial,
        create: true,
    }
    .apply(api, params, body)
    .await
}

async fn delete(api: &Api, id: &PathId, params: &Params) -> Result<Response, Refusal> {
    let id = id.app()?;
    // Marathon's default: who deletes an app does not care what becomes of it.
    let force = params.flag("force", true)?;
    let accepted = api
        .deploy(force, |state, _| {
            let mut draft = Draft::default();
            draft.delete_app(state, &id)?;
            Ok(draft)
        })
        .await?;
    Ok(accepted.answer(StatusCode::OK))
}

async fn restart(api: &Api, id: &PathId, params: &Params) -> Result<Response, Refusal> {
    let id: AppId = id.app()?;
    let force = params.flag("force", false)?;
    let accepted = api
        .deploy(force, |state, now| {
            let Some(held) = state.apps.get(&id) else {
                return Err(Refusal::NoApp(id.to_string()));
            };
            let mut app = App::clone(held);
            stamp_restart(&mut app, now);
            let mut draft = Draft::default();
            draft.change.put_app(&app, Expect::Revision(held.revision));
            draft.affect(&id, DeploymentAction::RestartApplication);
            Ok(draft)
        })
        .await?;
    Ok(accepted.answer(StatusCode::OK))
}
