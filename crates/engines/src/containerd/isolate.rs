//! Tasks on the host's network whose ports are isolated.
//!
//! To everybody else such a task is one of the host's network: it has the host's address,
//! name and files, and is reported with the host's address. Only its namespace is another.

use std::collections::BTreeSet;

use isolation::{Isolated, IsolationError, Rate, Wanted};
use model::{Protocol, Task, TaskId};
use vip::PortRule;

use super::client::ENGINE;
use super::{ContainerdEngine, chain};
use crate::EngineError;

impl ContainerdEngine {
    /// The task's namespace, if its app asks for isolated ports.
    pub(super) async fn isolate(&self, task: &Task) -> Result<Option<Isolated>, EngineError> {
        let Some(wanted) = wanted(task) else {
            return Ok(None);
        };
        let isolation = self.isolation.as_ref().map_err(|reason| {
            EngineError::Unsupported(format!(
                "task {} asks for isolated ports, which this node cannot give: {reason}",
                task.id
            ))
        })?;
        let attached = isolation.attach(task.id.as_str(), &wanted).await;
        attached
            .map(Some)
            .map_err(|error| isolation_error(&task.id, error))
    }

    /// Removes the task's namespace, if it has one by isolated ports.
    pub(super) async fn end_isolation(&self, task: &TaskId) -> Result<(), EngineError> {
        let Ok(isolation) = &self.isolation else {
            return Ok(());
        };
        let ended = isolation.detach(task.as_str()).await;
        ended.map_err(|error| failed("give back the isolated ports of", task, &error))
    }
}

/// What the task's app asks for; nothing if its ports are not isolated. A label that makes
/// no sense was refused with its app.
fn wanted(task: &Task) -> Option<Wanted> {
    let rule = vip::port_rule(&task.labels).ok().flatten();
    let rate = vip::egress_rate(&task.labels).ok().flatten();
    (rule == Some(PortRule::Isolate)).then(|| Wanted {
        ports: ports(task),
        egress: rate.map(Rate::new),
    })
}

/// The host ports that the task was given.
fn ports(task: &Task) -> BTreeSet<(Protocol, u16)> {
    let ports = task.ports.iter();
    ports
        .filter_map(|port| Some((port.protocol, port.host_port?)))
        .collect()
}

/// The engines' word for what `isolation` says.
fn isolation_error(task: &TaskId, error: IsolationError) -> EngineError {
    match error {
        IsolationError::Owned { port, .. } | IsolationError::InUse { port, .. } => {
            EngineError::PortInUse {
                port,
                detail: chain(&error),
            }
        }
        error => failed("isolate the ports of", task, &error),
    }
}

fn failed(action: &str, task: &TaskId, error: &IsolationError) -> EngineError {
    EngineError::Failed {
        engine: ENGINE,
        action: format!("{action} task {task}"),
        detail: chain(error),
    }
}

#[cfg(test)]
mod tests;
