//! Building the service table from records, all at once.
//!
//! The result depends on the input alone, not on its order: everything is collected
//! in sorted maps, and backends and problems are sorted and freed of duplicates at
//! the end. One bad label or task never keeps the others out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use model::{AppId, External, Node, Task, TaskStatus};

use super::{LiveTable, ServiceTable, Standpoint};
use crate::record::VipRecord;

/// What a service table is made from: records, in any order, each once.
#[derive(Debug, Clone)]
pub struct TableInput {
    /// For which node.
    pub standpoint: Standpoint,
    /// All tasks of the fleet.
    pub tasks: Vec<Arc<Task>>,
    /// Their statuses; one from another node than the task's is ignored.
    pub statuses: Vec<Arc<TaskStatus>>,
    /// All labelled containers of the fleet that are nobody's task.
    pub externals: Vec<Arc<External>>,
    /// All claimed names.
    pub vips: Vec<Arc<VipRecord>>,
    /// The nodes that are alive.
    pub nodes: Vec<Arc<Node>>,
    /// Record names that apps ask for (see [`wanted`](crate::wanted())), so that a name
    /// resolves from the moment when its app is accepted.
    pub declared: BTreeMap<AppId, BTreeSet<String>>,
}

impl TableInput {
    /// Each task with its status.
    pub(super) fn members(&self) -> impl Iterator<Item = (&Arc<Task>, Option<&Arc<TaskStatus>>)> {
        let statuses = self.statuses.iter();
        let statuses: HashMap<_, _> = statuses.map(|it| ((&it.task, &it.node), it)).collect();
        let tasks = self.tasks.iter();
        tasks.map(move |task| (task, statuses.get(&(&task.id, &task.node)).copied()))
    }
}

/// Derives the table of one node.
///
/// - Every VIP that a label of a task or external asks for is a service, without
///   backends if need be.
/// - A label that cannot be a VIP or a setting is a [`Problem`](super::Problem); the
///   others still count.
/// - If several ask for one VIP port with different settings, those of the first app
///   in the order of paths count, and the others have a problem.
/// - A name without a record yet is left out until somebody claims its address.
/// - A name resolves to its IPv4 address unless all its backends are IPv6 ones, and to
///   its IPv6 address as soon as an IPv6 backend is there for clients anywhere.
#[must_use]
pub fn build(input: &TableInput) -> ServiceTable {
    let (table, _) = LiveTable::from(input).settle();
    Arc::unwrap_or_clone(table)
}

impl From<&TableInput> for LiveTable {
    /// One record after the other.
    fn from(input: &TableInput) -> Self {
        let mut table = Self::new(input.standpoint.clone());
        // What others depend on comes first, so that they are added once.
        for node in &input.nodes {
            table.set_node(Arc::clone(node));
        }
        for vip in &input.vips {
            table.set_vip(Arc::clone(vip));
        }
        for (app, names) in &input.declared {
            table.set_declared(app, names.clone());
        }
        for (task, status) in input.members() {
            table.set_task(Arc::clone(task), status.cloned());
        }
        for external in &input.externals {
            table.set_external(Arc::clone(external));
        }
        table
    }
}

#[cfg(test)]
mod tests;
