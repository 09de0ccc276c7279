//! VIPs as this node has them, and why a client gets what it gets.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use crate::context::Api;
use crate::params::Params;
use crate::refusal::Refusal;
use crate::views::{Client, ExplainError, VipView, VipsView};
use crate::vip_ref::{VipRef, VipRefError};

/// `GET /v1/vips`: all of them, which may be many: they are written as they are.
pub(crate) async fn list(State(api): State<Arc<Api>>) -> Json<VipsView> {
    Json(api.context.views.vips())
}

/// `GET /v1/vips/{name or address}[:port][/protocol]`: those that are meant, since a
/// name has an address of each family.
pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    Path(vip): Path<String>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(json!({ "vips": find(&api, &vip)? })))
}

/// `GET /v1/vips/{vip}/explain?client=host|task:ID|container:ID`.
pub(crate) async fn explain(
    State(api): State<Arc<Api>>,
    Path(vip): Path<String>,
    params: Params,
) -> Result<Json<Value>, Refusal> {
    let client: Client = params
        .text("client")
        .unwrap_or("host")
        .parse()
        .map_err(Refusal::BadRequest)?;
    let mut explanations = Vec::new();
    for vip in find(&api, &vip)? {
        explanations.push(api.context.views.explain(&vip.at, &client).await?);
    }
    Ok(Json(json!({ "explanations": explanations })))
}

fn find(api: &Api, text: &str) -> Result<Vec<VipView>, Refusal> {
    let wanted: VipRef = text.parse()?;
    let mut all = api.context.views.vips().vips;
    let found = wanted.select(all.iter().map(|vip| &vip.at));
    if found.is_empty() {
        return Err(Refusal::NoVip(text.to_owned()));
    }
    // From the end, so that positions stay what they are.
    let mut vips: Vec<_> = found
        .into_iter()
        .rev()
        .map(|index| all.swap_remove(index))
        .collect();
    vips.reverse();
    Ok(vips)
}

impl From<VipRefError> for Refusal {
    fn from(error: VipRefError) -> Self {
        Self::BadRequest(error.to_string())
    }
}

impl From<ExplainError> for Refusal {
    fn from(error: ExplainError) -> Self {
        match error {
            ExplainError::NoClient(text) => Self::Missing(text),
            ExplainError::Unclear(text) => Self::Unprocessable(text),
            ExplainError::Unavailable(text) => Self::Unavailable(text),
        }
    }
}
