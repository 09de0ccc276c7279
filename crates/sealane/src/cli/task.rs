//! `sealane task list`.

use model::AppId;

use super::Session;
use super::client::shaped;
use super::failure::Failure;
use super::shapes::{Task, Tasks};
use super::table::{joined, or_dash, render};

pub(super) async fn list(session: &mut Session<'_>, app: Option<&AppId>) -> Result<(), Failure> {
    let path = match app {
        Some(app) => format!("/v2/apps{app}/tasks"),
        None => "/v2/tasks".to_owned(),
    };
    let value = session.client.get(&path).await?;
    session.print(&value["tasks"], || {
        let Tasks { tasks } = shaped(&path, &value)?;
        Ok(as_table(&tasks))
    })
}

/// Tasks, one a row.
pub(super) fn as_table(tasks: &[Task]) -> String {
    let heading = [
        "TASK",
        "APP",
        "STATE",
        "HEALTH",
        "NODE",
        "ADDRESSES",
        "HOST PORTS",
        "STARTED",
    ];
    render(heading, tasks.iter().map(row))
}

fn row(task: &Task) -> [String; 8] {
    [
        task.id.clone(),
        task.app_id.clone(),
        state(&task.state),
        health(task).to_owned(),
        or_dash(Some(&task.host)),
        joined(
            task.ip_addresses
                .iter()
                .map(|address| address.ip_address.clone()),
        ),
        joined(task.ports.iter().map(ToString::to_string)),
        or_dash(task.started_at.as_deref()),
    ]
}

/// `TASK_RUNNING` as `running`.
fn state(state: &str) -> String {
    state
        .strip_prefix("TASK_")
        .unwrap_or(state)
        .to_ascii_lowercase()
}

fn health(task: &Task) -> &'static str {
    let results = &task.health_check_results;
    if results.iter().any(|result| result.alive == Some(false)) {
        "failing"
    } else if results.is_empty() {
        "-"
    } else if results.iter().all(|result| result.alive == Some(true)) {
        "ok"
    } else {
        "unknown"
    }
}
