//! Which containers may talk to each other.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::context::Api;
use crate::params::Params;
use crate::refusal::Refusal;
use crate::views::GroupWhyError;

/// `GET /v1/groups/why?from=A&to=B`: addresses, ids of tasks, or ids of apps.
pub(crate) async fn why(
    State(api): State<Arc<Api>>,
    params: Params,
) -> Result<Json<Value>, Refusal> {
    let name = |parameter| {
        let missing = || {
            Refusal::BadRequest(format!(
                "parameter {parameter} is missing: an address, or the id of a task or an app"
            ))
        };
        params.text(parameter).ok_or_else(missing)
    };
    let answers = api.context.views.group_why(name("from")?, name("to")?)?;
    Ok(Json(json!({ "answers": answers })))
}

impl From<GroupWhyError> for Refusal {
    fn from(error: GroupWhyError) -> Self {
        match error {
            GroupWhyError::Nobody(text) => Self::Missing(text),
            GroupWhyError::Apart(text) => Self::Unprocessable(text),
        }
    }
}
