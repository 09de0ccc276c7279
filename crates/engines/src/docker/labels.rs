//! Labels on containers: all that the engine remembers.

use std::collections::HashMap;

use mesos::NetworkInfo;
use model::Task;

use super::network::Attachment;
use crate::{EngineError, EngineOptions};

/// First part of all our labels.
pub(super) const PREFIX: &str = "sealane.";

/// Whose container it is.
pub(super) const OWNER: &str = "sealane.owner";

/// The task's id.
pub(super) const TASK: &str = "sealane.task";

/// The request's `NetworkInfo` as JSON, so that a status can repeat it with the
/// addresses assigned after a restart of ours.
pub(super) const NETWORK: &str = "sealane.network-info";

/// The labels of a task's container.
pub(super) fn of(
    task: &Task,
    options: &EngineOptions,
    attachment: &Attachment,
) -> Result<HashMap<String, String>, EngineError> {
    let network = serde_json::to_string(&attachment.info).map_err(|error| {
        EngineError::Unsupported(format!(
            "network_infos[0] cannot be written as JSON: {error}"
        ))
    })?;
    Ok(HashMap::from([
        (OWNER.to_owned(), options.owner.clone()),
        (TASK.to_owned(), task.id.to_string()),
        (NETWORK.to_owned(), network),
    ]))
}

/// The request that the labels remember; empty when there is none.
pub(super) fn network(labels: &HashMap<String, String>) -> NetworkInfo {
    labels
        .get(NETWORK)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// Whether a Sealane started the container, this one or another one.
pub(super) fn claimed(labels: Option<&HashMap<String, String>>) -> bool {
    labels.is_some_and(|labels| labels.contains_key(OWNER))
}
