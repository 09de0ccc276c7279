//! `/v2/apps`: lists of apps, and new ones.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, Uri, header};
use marathon::parse_app;
use model::AppId;
use serde_json::{Value, json};

use super::update::Updates;
use crate::app_path::PathId;
use crate::body::Body;
use crate::change::{DEPLOYMENT_ID, Draft};
use crate::context::Api;
use crate::params::Params;
use crate::refusal::Refusal;
use crate::router::no_method;
use crate::search::Search;
use crate::shape::{Board, Embed};
use crate::vip_labels;

/// Every method of the address, since it exists with and without a slash.
pub(crate) async fn all(
    State(api): State<Arc<Api>>,
    method: Method,
    uri: Uri,
    params: Params,
    Body(body): Body,
) -> Result<Response, Refusal> {
    match method {
        Method::GET | Method::HEAD => list(&api, &params).await,
        Method::POST => create(&api, &params, &body).await,
        Method::PUT => {
            let partial = params.flag("partialUpdate", true)?;
            Updates::List {
                partial,
                create: true,
            }
            .apply(&api, &params, &body)
            .await
        }
        Method::PATCH => {
            Updates::List {
                partial: true,
                create: false,
            }
            .apply(&api, &params, &body)
            .await
        }
        _ => Err(no_method(&method, &uri)),
    }
}

async fn list(api: &Api, params: &Params) -> Result<Response, Refusal> {
    let search = Search::of(params)?;
    let embed = Embed::of(params);
    let state = api.state().await?;
    let board = Board::of(&state);
    let found = state.apps.values().filter(|app| search.matches(app));
    let apps = found
        .map(|app| board.app(app, embed))
        .collect::<Result<Vec<Value>, _>>()?;
    Ok(Json(json!({ "apps": apps })).into_response())
}

/// `GET /v2/apps/{group}/*`.
pub(crate) async fn of_group(
    api: &Api,
    group: &PathId,
    params: &Params,
) -> Result<Response, Refusal> {
    let embed = Embed::of(params);
    let state = api.state().await?;
    let board = Board::of(&state);
    let found = state.apps.values().filter(|app| group.is_group_of(&app.id));
    let apps = found
        .map(|app| board.app(app, embed))
        .collect::<Result<Vec<Value>, _>>()?;
    Ok(Json(json!({ "*": apps })).into_response())
}

async fn create(api: &Api, params: &Params, body: &[u8]) -> Result<Response, Refusal> {
    let force = params.flag("force", false)?;
    let wanted = parse_app(body, &api.context.config)?;
    vip_labels::check(&wanted, &api.context.vip_ranges)?;
    let mut shown = wanted.clone();
    let accepted = api
        .deploy(force, |state, now| {
            if state.apps.contains_key(&wanted.id) {
                return Err(Refusal::AppExists(wanted.id.clone()));
            }
            let mut draft = Draft::default();
            let stored = draft.put_apps(state, vec![wanted.clone()], &api.context, now)?;
            for app in stored {
                shown.version = app.version;
                shown.version_info = app.version_info;
            }
            Ok(draft)
        })
        .await?;
    // As Marathon answers: service ports that were assigned show from the next GET on.
    let mut shape = serde_json::to_value(&shown)?;
    for count in [
        "tasksStaged",
        "tasksRunning",
        "tasksHealthy",
        "tasksUnhealthy",
    ] {
        shape[count] = json!(0);
    }
    shape["deployments"] = json!([{ "id": accepted.deployment }]);
    let headers = [
        (header::LOCATION, location(&shown.id)),
        (DEPLOYMENT_ID, accepted.deployment),
    ];
    Ok((StatusCode::CREATED, headers, Json(shape)).into_response())
}

/// Where an app is found.
pub(crate) fn location(app: &AppId) -> String {
    format!("/v2/apps{app}")
}
