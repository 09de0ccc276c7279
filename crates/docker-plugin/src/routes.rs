//! The requests by their names.
//!
//! Every answer is a JSON object with status 200, errors included, in a field that
//! network and address drivers spell differently. What is not implemented is 404, which
//! Docker tolerates where it may.

use std::error::Error;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::PluginError;
use crate::messages::Subject;
use crate::plugin::{Plugin, Shared};

/// Requests are some hundred bytes; what is longer is none.
const LIMIT: usize = 1 << 20;

/// The content type of Docker's plugins.
const CONTENT: &str = "application/vnd.docker.plugins.v1.2+json";

/// All requests.
pub(crate) fn router(plugin: Plugin) -> Router {
    Router::new()
        .route("/{call}", post(dispatch))
        .layer(DefaultBodyLimit::max(LIMIT))
        .with_state(plugin)
}

async fn dispatch(State(plugin): State<Plugin>, Path(call): Path<String>, body: Bytes) -> Response {
    let shared = &plugin.shared;
    let (done, field) = match call.split_once('.') {
        Some(("Plugin", "Activate")) => {
            let both = json!({"Implements": ["NetworkDriver", "IpamDriver"]});
            (Some(Ok(both)), "Err")
        }
        Some(("NetworkDriver", verb)) => (network(shared, verb, &body).await, "Err"),
        Some(("IpamDriver", verb)) => (addresses(shared, verb, &body).await, "Error"),
        _ => (None, ""),
    };
    let Some(done) = done else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let answer = done.unwrap_or_else(|error| {
        let text = with_causes(&error);
        tracing::warn!(call, error = text, "Docker was refused");
        json!({field: text})
    });
    ([(header::CONTENT_TYPE, CONTENT)], answer.to_string()).into_response()
}

/// A request to the network driver; `None` if there is none of that name.
async fn network(shared: &Shared, verb: &str, body: &[u8]) -> Option<Result<Value, PluginError>> {
    Some(match verb {
        "GetCapabilities" => Ok(json!({"Scope": "local", "ConnectivityScope": "global"})),
        "CreateNetwork" => read(body).and_then(|it| done(shared.create_network(&it))),
        "DeleteNetwork" => read(body).and_then(|it| done(shared.delete_network(&it))),
        // Only what Docker left open may be filled in, and nothing needs to be.
        "CreateEndpoint" => read(body)
            .and_then(|it| shared.create_endpoint(&it))
            .map(|()| json!({"Interface": {}})),
        "EndpointOperInfo" => Ok(json!({"Value": {}})),
        "DeleteEndpoint" => match read::<Subject>(body) {
            Ok(it) => done(shared.delete_endpoint(&it.endpoint_id).await),
            Err(error) => Err(error),
        },
        "Join" => match read(body) {
            Ok(it) => shared.join(&it).await.and_then(written),
            Err(error) => Err(error),
        },
        "ProgramExternalConnectivity" => match read(body) {
            Ok(it) => done(shared.publish(&it).await),
            Err(error) => Err(error),
        },
        "RevokeExternalConnectivity" => match read::<Subject>(body) {
            Ok(it) => done(shared.withdraw(&it.endpoint_id).await),
            Err(error) => Err(error),
        },
        // The link goes with its endpoint: until then Docker may still hold it.
        "Leave" | "DiscoverNew" | "DiscoverDelete" => Ok(json!({})),
        _ => return None,
    })
}

/// A request to the address driver; `None` if there is none of that name.
async fn addresses(shared: &Shared, verb: &str, body: &[u8]) -> Option<Result<Value, PluginError>> {
    Some(match verb {
        // Leases outlive Docker, so it need not ask again for what it restores.
        "GetCapabilities" => {
            Ok(json!({"RequiresMACAddress": false, "RequiresRequestReplay": false}))
        }
        "GetDefaultAddressSpaces" => Ok(json!({
            "LocalDefaultAddressSpace": "sealane",
            "GlobalDefaultAddressSpace": "sealane-global",
        })),
        "RequestPool" => read(body)
            .and_then(|it| shared.request_pool(&it))
            .and_then(written),
        "RequestAddress" => match read(body) {
            Ok(it) => shared
                .request_address(&it)
                .await
                .map(|address| json!({"Address": address, "Data": {}})),
            Err(error) => Err(error),
        },
        "ReleaseAddress" => match read(body) {
            Ok(it) => done(shared.release_address(&it).await),
            Err(error) => Err(error),
        },
        // A pool is a node's block, which nobody gives back for Docker's sake.
        "ReleasePool" => Ok(json!({})),
        _ => return None,
    })
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, PluginError> {
    serde_json::from_slice(body).map_err(|error| PluginError::Request(error.to_string()))
}

fn written(answer: impl Serialize) -> Result<Value, PluginError> {
    serde_json::to_value(answer).map_err(|error| PluginError::Request(error.to_string()))
}

fn done(outcome: Result<(), PluginError>) -> Result<Value, PluginError> {
    outcome.map(|()| json!({}))
}

/// An error with its causes: Docker shows one line.
fn with_causes(error: &PluginError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
