//! What went through the links of tasks.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use model::TaskId;
use serde::Serialize;

use crate::StatisticsView;
use crate::context::Api;
use crate::refusal::Refusal;

/// An answer.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    /// When it was counted so far: seconds since 1970, as Mesos has it.
    timestamp: f64,
    #[serde(flatten)]
    statistics: StatisticsView,
}

/// `GET /v1/tasks/{id}/statistics`: of a task with isolated ports, which has a link.
pub(crate) async fn of_task(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
) -> Result<Json<Answer>, Refusal> {
    let state = api.state().await?;
    let known = id.parse::<TaskId>().ok();
    let known = known.filter(|task| state.tasks.contains_key(task));
    let task = known.ok_or(Refusal::NoTask(id))?;
    api.is_here(&state, &task)?;
    let found = api.context.views.statistics(&task).await;
    let statistics = found.map_err(Refusal::Unavailable)?.ok_or_else(|| {
        Refusal::Unprocessable(format!(
            "task {task} has no link of its own that is counted; apps with the label \
             sealane.ports=isolate do, as long as their tasks run"
        ))
    })?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "there are fewer milliseconds than 2^52"
    )]
    let timestamp = (api.context.now)().as_millis() as f64 / 1000.0;
    Ok(Json(Answer {
        timestamp,
        statistics,
    }))
}
