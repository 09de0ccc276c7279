//! `/v2/apps/{id}/versions`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use model::{AppId, Timestamp};
use serde_json::json;

use crate::app_path::PathId;
use crate::context::Api;
use crate::refusal::Refusal;

/// All versions, newest first.
pub(crate) async fn list(api: &Api, id: &PathId) -> Result<Response, Refusal> {
    let id = known(api, id).await?;
    let mut versions = api.context.records.app_versions(&id).await?;
    versions.reverse();
    Ok(Json(json!({ "versions": versions })).into_response())
}

/// The app as it was in a version.
pub(crate) async fn show(api: &Api, id: &PathId, version: &str) -> Result<Response, Refusal> {
    let id = known(api, id).await?;
    let Ok(at) = version.parse::<Timestamp>() else {
        let message =
            format!("'{version}' is not a version; write it as /v2/apps{id}/versions does");
        return Err(Refusal::Unprocessable(message));
    };
    match api.context.records.app_version(&id, at).await? {
        Some(app) => Ok(Json(app).into_response()),
        None => Err(Refusal::NoVersion {
            app: id,
            version: version.to_owned(),
        }),
    }
}

async fn known(api: &Api, id: &PathId) -> Result<AppId, Refusal> {
    let id = id.app()?;
    let state = api.state().await?;
    if state.apps.contains_key(&id) {
        Ok(id)
    } else {
        Err(Refusal::NoApp(id.to_string()))
    }
}
