//! `/v2/deployments`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use marathon::App;
use model::{AppId, Deployment, DeploymentAction, Timestamp};
use serde_json::Value;
use store::{Change, Expect};

use crate::change::Draft;
use crate::context::Api;
use crate::params::Params;
use crate::refusal::Refusal;
use crate::shape::deployment;

/// The deployments under way, oldest first.
pub(crate) async fn list(State(api): State<Arc<Api>>) -> Result<Response, Refusal> {
    let state = api.state().await?;
    let mut all: Vec<&Deployment> = state
        .deployments
        .values()
        .map(|held| &*held.record)
        .collect();
    all.sort_by_key(|deployment| deployment.version);
    let shapes: Vec<Value> = all.into_iter().map(deployment).collect();
    Ok(Json(shapes).into_response())
}

/// `DELETE /v2/deployments/{id}`: goes back to what was before, or with `force`
/// only stops waiting for it.
pub(crate) async fn cancel(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Refusal> {
    let state = api.state().await?;
    let Some(found) = state.deployments.get(&id) else {
        return Err(Refusal::NoDeployment(id));
    };
    if params.flag("force", false)? {
        let mut change = Change::new();
        change.delete_deployment(&id, Expect::Any);
        api.commit(change, &state).await?;
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    let former = former(&api, found).await?;
    let accepted = api
        .deploy(true, |state, now| {
            if !state.deployments.contains_key(&id) {
                return Err(Refusal::NoDeployment(id.clone()));
            }
            let mut draft = Draft::default();
            let mut wanted = Vec::new();
            for (app, before) in &former {
                match before {
                    Some(before) => wanted.push(before.clone()),
                    None => draft.delete_app(state, app)?,
                }
            }
            draft.put_apps(state, wanted, &api.context, now)?;
            // An app that is again as it was still has to be brought back there.
            for app in former.keys() {
                if !draft.affected.iter().any(|affected| affected.app == *app) {
                    draft.affect(app, DeploymentAction::ScaleApplication);
                }
            }
            Ok(draft)
        })
        .await?;
    Ok(accepted.answer(StatusCode::OK))
}

/// What the apps of a deployment were before it; `None` for an app that was not.
async fn former(
    api: &Api,
    deployment: &Deployment,
) -> Result<BTreeMap<AppId, Option<App>>, Refusal> {
    let mut former = BTreeMap::new();
    for affected in &deployment.affected {
        let before = match affected.action {
            DeploymentAction::StartApplication => None,
            DeploymentAction::StopApplication => return Err(gone(&affected.app)),
            DeploymentAction::ScaleApplication | DeploymentAction::RestartApplication => {
                Some(before(api, &affected.app, deployment.version).await?)
            }
        };
        former.insert(affected.app.clone(), before);
    }
    Ok(former)
}

async fn before(api: &Api, app: &AppId, version: Timestamp) -> Result<App, Refusal> {
    let records = &api.context.records;
    let versions = records.app_versions(app).await?;
    let Some(last) = versions.into_iter().rfind(|earlier| *earlier < version) else {
        return Err(gone(app));
    };
    records
        .app_version(app, last)
        .await?
        .ok_or_else(|| gone(app))
}

fn gone(app: &AppId) -> Refusal {
    Refusal::Unprocessable(format!(
        "the former definition of app {app} is no longer kept; put the definition that you want, \
         or use force=true to stop waiting for the deployment"
    ))
}
