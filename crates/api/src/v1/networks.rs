//! Virtual networks: what there are, who has which part of them, and changes of them.

mod change;
mod shape;
mod unknown;
mod wish;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use model::NodeId;
use serde_json::{Value, json};

use crate::body::Body;
use crate::context::Api;
use crate::refusal::Refusal;

/// `GET /v1/networks`: all of them, without the leases, and the networks of others that
/// this node knows.
pub(crate) async fn list(State(api): State<Arc<Api>>) -> Result<Json<Value>, Refusal> {
    let state = api.state().await?;
    let views = &api.context.views;
    let (mut view, mut unready) = tokio::join!(views.networks(), views.readiness());
    for other in view.others.iter_mut().filter(|it| it.engine == "cni") {
        other.problem = other.problem.take().or(unready.remove(&other.name));
    }
    view.blocks
        .iter_mut()
        .for_each(|block| block.leases.clear());
    let networks = state.networks.values();
    let here = &api.context.node;
    let networks: Vec<Value> = networks
        .map(|network| shape::network(&state, network, &view, here, false))
        .collect();
    Ok(Json(json!({
        "networks": networks,
        "others": view.others,
        "problems": shape::remains(&state),
    })))
}

/// `GET /v1/networks/{name}`: one, with the leases of this node.
pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let state = api.state().await?;
    let view = api.context.views.networks().await;
    let Some(network) = state.networks.get(&name) else {
        let other = view.others.iter().find(|it| it.name == name);
        return Err(Refusal::Missing(match other {
            Some(other) => format!(
                "'{name}' is a network of {}, and no virtual network",
                other.engine
            ),
            None => unknown(&name),
        }));
    };
    let here = &api.context.node;
    Ok(Json(shape::network(&state, network, &view, here, true)))
}

/// `POST /v1/networks`: makes one.
pub(crate) async fn create(State(api): State<Arc<Api>>, body: Body) -> Result<Response, Refusal> {
    let wish = wish::read(&body.0)?;
    let network = api.create_network(wish).await?;
    let created = serde_json::to_value(&network)?;
    Ok((StatusCode::CREATED, Json(created)).into_response())
}

/// `DELETE /v1/networks/{name}`: deletes one that no task uses. Nodes give their blocks
/// back when their containers have no address of it any more.
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let nodes = api.delete_network(&name).await?;
    Ok(Json(json!({ "name": name, "nodes": nodes })))
}

/// `DELETE /v1/networks/{name}/blocks/{node}`: takes the block of a node that is gone
/// for good.
pub(crate) async fn release(
    State(api): State<Arc<Api>>,
    Path((name, node)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    let nets = api.release_block(&name, &NodeId(node.clone())).await?;
    Ok(Json(json!({ "name": name, "node": node, "nets": nets })))
}

fn unknown(name: &str) -> String {
    format!("no virtual network is called '{name}'; /v1/networks lists those that there are")
}
