//! Watching what the datapath decides.
//!
//! One JSON object a line, for `jq` and `grep`, over a connection that stays open.
//! Server-sent events were refused: their framing helps browsers alone, and those
//! that read a stream can read lines as well.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use http::header;

use crate::context::Api;
use crate::params::Params;
use crate::refusal::Refusal;
use crate::views::{TraceTarget, TraceView, TraceWish};
use crate::vip_ref::VipRef;

const JSON_LINES: &str = "application/x-ndjson";

/// `GET /v1/trace?vip=…&every=N`.
pub(crate) async fn follow(
    State(api): State<Arc<Api>>,
    params: Params,
) -> Result<Response, Refusal> {
    let every = params
        .parsed("every", "a number from 1 on")?
        .unwrap_or(1_u32);
    if every == 0 {
        let message = "parameter every must be a number from 1 on, not '0'";
        return Err(Refusal::BadRequest(message.to_owned()));
    }
    let only = params
        .text("vip")
        .map(|text| targets(&api, text))
        .transpose()?;
    let lines = api
        .context
        .views
        .trace(TraceWish { only, every })
        .map_err(Refusal::Unavailable)?
        .map(|view| Ok::<_, Infallible>(line(&view)));
    let kind = [(header::CONTENT_TYPE, JSON_LINES)];
    Ok((kind, Body::from_stream(lines)).into_response())
}

fn line(view: &TraceView) -> Bytes {
    let mut line = serde_json::to_vec(view).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

/// What is meant by a name or address. Without a port that is the whole VIP, ports
/// that no service has included: being refused there is what somebody may look for.
fn targets(api: &Api, text: &str) -> Result<Vec<TraceTarget>, Refusal> {
    let wanted: VipRef = text.parse()?;
    let target = |address| TraceTarget {
        address,
        port: wanted.port(),
        protocol: wanted.protocol(),
    };
    if let Some(address) = wanted.address() {
        return Ok(vec![target(address)]);
    }
    let all = api.context.views.vips().vips;
    let found: BTreeSet<_> = wanted
        .select(all.iter().map(|vip| &vip.at))
        .into_iter()
        .filter_map(|index| all.get(index))
        .map(|vip| target(vip.at.address))
        .collect();
    if found.is_empty() {
        return Err(Refusal::NoVip(text.to_owned()));
    }
    Ok(found.into_iter().collect())
}
