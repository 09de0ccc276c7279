//! `/v2/info`, `/v2/leader`, `/ping`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde_json::{Value, json};

use crate::accept::prefers_json;
use crate::context::Api;

/// What this is. The three configuration objects are there because clients read
/// them; what has no meaning here is left out.
pub(crate) async fn info(State(api): State<Arc<Api>>) -> Json<Value> {
    let context = &api.context;
    let (host, port) = context
        .leader
        .rsplit_once(':')
        .unwrap_or((&context.leader, ""));
    Json(json!({
        "name": vip::APP_FRAMEWORK,
        "version": context.version,
        "buildref": context.version,
        "elected": true,
        "leader": context.leader,
        "frameworkId": vip::APP_FRAMEWORK,
        "marathon_config": {
            "framework_name": vip::APP_FRAMEWORK,
            "hostname": host,
            "local_port_min": context.config.local_port_min,
            "local_port_max": context.config.local_port_max,
        },
        "zookeeper_config": {},
        "http_config": { "http_port": port.parse::<u16>().ok(), "https_port": null },
    }))
}

pub(crate) async fn leader(State(api): State<Arc<Api>>) -> Json<Value> {
    Json(json!({ "leader": api.context.leader }))
}

/// `pong`, with quotes for who wants JSON: DC/OS' command line compares exactly that.
pub(crate) async fn ping(headers: HeaderMap) -> Response {
    if prefers_json(&headers) {
        Json("pong").into_response()
    } else {
        "pong".into_response()
    }
}
