//! Whose labels ask for a VIP.

use std::cmp::Reverse;
use std::sync::Arc;

use model::{External, NodeId, Task, TaskId};

use super::draft::{Asker, Path};
use super::wishes::Wishes;
use crate::name::EXTERNAL_FRAMEWORK;

/// What the record of a task or an external is known by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum SourceId {
    Task(TaskId),
    External(NodeId, String),
}

/// A task, or an external with its id; cheap to clone.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    Task(Arc<Task>),
    External(Arc<External>, Arc<TaskId>),
}

impl SourceId {
    pub(super) fn of_task(task: &Task) -> Self {
        Self::Task(task.id.clone())
    }

    pub(super) fn of_external(external: &External) -> Self {
        Self::External(external.node.clone(), external.container.clone())
    }
}

impl Origin {
    /// What its record is known by.
    pub(super) fn source(&self) -> SourceId {
        match self {
            Self::Task(task) => SourceId::of_task(task),
            Self::External(external, _) => SourceId::of_external(external),
        }
    }

    /// The task, if it is one.
    pub(super) fn task(&self) -> Option<&Arc<Task>> {
        match self {
            Self::Task(task) => Some(task),
            Self::External(..) => None,
        }
    }

    /// The external, if it is one.
    pub(super) fn external(&self) -> Option<&Arc<External>> {
        match self {
            Self::External(external, _) => Some(external),
            Self::Task(_) => None,
        }
    }

    /// Whether it is the same record, not just an equal one.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Task(task), Self::Task(other)) => Arc::ptr_eq(task, other),
            (Self::External(external, _), Self::External(other, _)) => Arc::ptr_eq(external, other),
            _ => false,
        }
    }

    /// What it is called among backends and in problems.
    pub(super) fn id(&self) -> &TaskId {
        match self {
            Self::Task(task) => &task.id,
            Self::External(_, id) => id,
        }
    }

    /// Where it runs.
    pub(super) fn node(&self) -> &NodeId {
        match self {
            Self::Task(task) => &task.node,
            Self::External(external, _) => &external.node,
        }
    }

    /// The framework in its VIPs' names.
    pub(super) fn framework(&self) -> &str {
        match self {
            Self::Task(task) => &task.framework,
            Self::External(..) => EXTERNAL_FRAMEWORK,
        }
    }

    /// What its labels ask for.
    pub(super) fn wishes(&self) -> Wishes<'_> {
        match self {
            Self::Task(task) => Wishes::of_task(task),
            Self::External(external, _) => Wishes::of_external(external),
        }
    }

    /// It as the one that asks for the VIPs of one of its ports.
    pub(super) fn asker(&self, port: usize) -> Asker<'_> {
        match self {
            Self::Task(task) => Asker::App {
                id: Path(&task.app),
                version: Reverse(task.version),
                port,
            },
            Self::External(external, id) => Asker::Container {
                name: &external.name,
                node: &external.node,
                id,
                port,
            },
        }
    }
}
