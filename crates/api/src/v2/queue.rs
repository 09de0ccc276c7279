//! `/v2/queue`: instances that wait to be launched.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use model::{AppId, Launch};
use serde_json::{Value, json};
use store::{Change, Expect};

use crate::change::ATTEMPTS;
use crate::context::Api;
use crate::params::Params;
use crate::refusal::Refusal;
use crate::shape::queue_item;

/// Apps with instances that wait.
pub(crate) async fn list(State(api): State<Arc<Api>>, params: Params) -> Result<Response, Refusal> {
    let offers = params.all("embed").any(|embed| embed == "lastUnusedOffers");
    let state = api.state().await?;
    let now = (api.context.now)();
    let mut queue: Vec<Value> = Vec::new();
    for launch in state.launches.values().filter(|launch| launch.waiting > 0) {
        if let Some(app) = state.apps.get(&launch.app) {
            let app = serde_json::to_value(&*app.record)?;
            queue.push(queue_item(launch, app, now, offers));
        }
    }
    Ok(Json(json!({ "queue": queue })).into_response())
}

/// `DELETE /v2/queue/{id}/delay`: the next launch need not wait.
pub(crate) async fn reset_delay(
    State(api): State<Arc<Api>>,
    Path(rest): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let Some(id) = rest.strip_suffix("/delay") else {
        return Err(Refusal::NoRoute(uri.path().to_owned()));
    };
    let missing = || Refusal::NotQueued(format!("/{}", id.trim_start_matches('/')));
    let id = AppId::resolve(id).map_err(|_| missing())?;
    for _ in 0..ATTEMPTS {
        let state = api.state().await?;
        let waiting = state.launches.get(&id).filter(|launch| launch.waiting > 0);
        let Some(held) = waiting else {
            return Err(missing());
        };
        let launch = Launch {
            not_before: None,
            next_delay_ms: 0,
            ..Launch::clone(held)
        };
        let mut change = Change::new();
        change.put_launch(&launch, Expect::Revision(held.revision));
        if api.commit(change, &state).await? {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
    }
    Err(Refusal::Unavailable(
        "the queue keeps changing; try again".to_owned(),
    ))
}
