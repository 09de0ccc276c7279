//! Which address leads where.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{any, delete, get, post};
use http::{HeaderName, HeaderValue, Method, Uri, header};

use crate::context::{Api, ApiContext};
use crate::refusal::Refusal;
use crate::{v1, v2};

/// Bytes that a body may have: far more than any list of apps that people write.
pub const BODY_LIMIT: usize = 8 << 20;

const LEADER: HeaderName = HeaderName::from_static("x-marathon-leader");

/// The whole API.
///
/// Answers are JSON, errors too, except where a text is asked for.
pub fn router(context: ApiContext) -> Router {
    let api = Api::new(context);
    Router::new()
        .route("/v2/apps", any(v2::apps::all))
        .route("/v2/apps/", any(v2::apps::all))
        .route("/v2/apps/{*rest}", any(v2::app::one))
        .route("/v2/tasks", get(v2::tasks::list))
        .route("/v2/tasks/delete", post(v2::tasks::delete))
        .route("/v2/deployments", get(v2::deployments::list))
        .route("/v2/deployments/{id}", delete(v2::deployments::cancel))
        .route("/v2/queue", get(v2::queue::list))
        .route("/v2/queue/{*rest}", delete(v2::queue::reset_delay))
        .route("/v2/info", get(v2::system::info))
        .route("/v2/leader", get(v2::system::leader))
        .route("/ping", get(v2::system::ping))
        .route("/metrics", get(v1::metrics))
        .route("/v1/apps/{*id}", get(v1::app))
        .route("/v1/vips", get(v1::vips::list))
        .route("/v1/vips/{vip}", get(v1::vips::one))
        .route("/v1/vips/{vip}/explain", get(v1::vips::explain))
        .route(
            "/v1/networks",
            get(v1::networks::list).post(v1::networks::create),
        )
        .route(
            "/v1/networks/{name}",
            get(v1::networks::one).delete(v1::networks::delete),
        )
        .route(
            "/v1/networks/{name}/blocks/{node}",
            delete(v1::networks::release),
        )
        .route("/v1/groups/why", get(v1::groups::why))
        .route("/v1/trace", get(v1::trace::follow))
        .route("/v1/status", get(v1::status))
        .route("/v1/problems", get(v1::problems))
        .route("/v1/tasks/{id}/logs", get(v1::logs))
        .route("/v1/tasks/{id}/statistics", get(v1::statistics::of_task))
        .fallback(async |uri: Uri| Refusal::NoRoute(uri.path().to_owned()))
        .method_not_allowed_fallback(async |method, uri| no_method(&method, &uri))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn_with_state(Arc::clone(&api), common_headers))
        .with_state(api)
}

/// A method that an address does not have.
pub(crate) fn no_method(method: &Method, uri: &Uri) -> Refusal {
    Refusal::NoMethod {
        method: method.to_string(),
        path: uri.path().to_owned(),
    }
}

async fn common_headers(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    let fresh = HeaderValue::from_static("no-cache, no-store, must-revalidate");
    headers.insert(header::CACHE_CONTROL, fresh);
    if let Ok(leader) = format!("http://{}", api.context.leader).parse() {
        headers.insert(LEADER, leader);
    }
    answer
}
