//! Names that follow single changes of records.
//!
//! One task's change must cost the same among ten tasks and ten thousand. So each name
//! counts what leads to what, and a change adds and takes away one task's share; only
//! names that differ afterwards are told.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::{Node, NodeId, Task, TaskId, TaskStatus};

use super::{NameRecord, NamesView, fleet, task};

/// Names and what they are made from.
#[derive(Debug)]
pub struct LiveNames {
    view: NamesView,
    nodes: BTreeMap<NodeId, Host>,
    tasks: HashMap<TaskId, Known>,
    /// Names of nodes.
    fleet: Box<[(Arc<str>, NameRecord)]>,
    names: HashMap<Arc<str>, BTreeMap<NameRecord, Count>>,
    dirty: HashSet<Arc<str>>,
}

/// A node. One whose record is gone may well run its tasks on, so what it was is kept.
#[derive(Debug)]
struct Host {
    node: Arc<Node>,
    alive: bool,
}

#[derive(Debug)]
struct Known {
    task: Arc<Task>,
    status: Option<Arc<TaskStatus>>,
    /// Whether its node's record is gone: such tasks are named while no other is.
    suspended: bool,
    names: Box<[(Arc<str>, NameRecord)]>,
}

/// How many lead a name to the same thing.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    sure: usize,
    suspended: usize,
}

impl LiveNames {
    /// Names of no records.
    #[must_use]
    pub fn new(view: NamesView) -> Self {
        Self {
            view,
            nodes: BTreeMap::new(),
            tasks: HashMap::new(),
            fleet: Box::default(),
            names: HashMap::new(),
            dirty: HashSet::new(),
        }
    }

    /// Names of these records. All of them are told by the next [`LiveNames::settle`].
    pub fn of(
        view: NamesView,
        nodes: impl IntoIterator<Item = Arc<Node>>,
        tasks: impl IntoIterator<Item = (Arc<Task>, Option<Arc<TaskStatus>>)>,
    ) -> Self {
        Self::new(view.clone()).anew(view, nodes, tasks)
    }

    /// Names of these records, and of what is known here alone: nodes whose records are
    /// gone, as long as they have tasks. All are told by the next [`LiveNames::settle`].
    #[must_use]
    pub fn anew(
        &self,
        view: NamesView,
        nodes: impl IntoIterator<Item = Arc<Node>>,
        tasks: impl IntoIterator<Item = (Arc<Task>, Option<Arc<TaskStatus>>)>,
    ) -> Self {
        let mut live = Self::new(view);
        for node in nodes {
            let host = Host { node, alive: true };
            live.nodes.insert(host.node.id.clone(), host);
        }
        let tasks: Vec<_> = tasks.into_iter().collect();
        for (task, _) in &tasks {
            if !live.nodes.contains_key(&task.node)
                && let Some(gone) = self.nodes.get(&task.node)
            {
                let node = Arc::clone(&gone.node);
                let host = Host { node, alive: false };
                live.nodes.insert(task.node.clone(), host);
            }
        }
        live.settle_fleet();
        for (task, status) in tasks {
            live.set_task(task, status);
        }
        live
    }

    /// A task is there, with its status.
    pub fn set_task(&mut self, task: Arc<Task>, status: Option<Arc<TaskStatus>>) {
        let host = self.nodes.get(&task.node);
        let node = host.map(|host| &*host.node);
        let names = task::names(&task, status.as_deref(), node, &self.view);
        let known = Known {
            suspended: task.node != self.view.node && host.is_none_or(|host| !host.alive),
            task,
            status,
            names,
        };
        self.replace(known);
    }

    /// A task is gone.
    pub fn remove_task(&mut self, id: &TaskId) {
        if let Some(known) = self.tasks.remove(id) {
            self.count(&known.names, known.suspended, false);
        }
    }

    /// A node is there, or is not what it was.
    pub fn set_node(&mut self, node: Arc<Node>) {
        let id = node.id.clone();
        let known = self.nodes.get(&id);
        let same = known.is_some_and(|it| it.alive && it.node.addresses == node.addresses);
        self.nodes.insert(id.clone(), Host { node, alive: true });
        if !same {
            self.settle_fleet();
            self.again(|task| task.node == id);
        }
    }

    /// A node's record is gone.
    pub fn remove_node(&mut self, id: &NodeId) {
        let Some(host) = self.nodes.get_mut(id) else {
            return;
        };
        host.alive = false;
        self.settle_fleet();
        self.again(|task| task.node == *id);
        if !self.tasks.values().any(|known| known.task.node == *id) {
            self.nodes.remove(id);
        }
    }

    /// The view is another one.
    pub fn set_view(&mut self, view: NamesView) {
        if view != self.view {
            self.view = view;
            self.settle_fleet();
            self.again(|_| true);
        }
    }

    /// The names that differ since the last call, with all that they lead to now;
    /// nothing for one that is gone.
    pub fn settle(&mut self) -> BTreeMap<Arc<str>, BTreeSet<NameRecord>> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty
            .into_iter()
            .map(|name| (Arc::clone(&name), self.records(&name)))
            .collect()
    }

    /// All names.
    #[must_use]
    pub fn all(&self) -> BTreeMap<Arc<str>, BTreeSet<NameRecord>> {
        let names = self.names.keys();
        names
            .map(|name| (Arc::clone(name), self.records(name)))
            .collect()
    }

    fn records(&self, name: &str) -> BTreeSet<NameRecord> {
        let Some(counts) = self.names.get(name) else {
            return BTreeSet::new();
        };
        let surely = counts.values().any(|count| count.sure > 0);
        let shown = counts.iter().filter(|(_, it)| it.sure > 0 || !surely);
        shown.map(|(record, _)| record.clone()).collect()
    }

    /// Makes the tasks anew that `concerned` says.
    fn again(&mut self, concerned: impl Fn(&Task) -> bool) {
        let tasks = self.tasks.values().filter(|it| concerned(&it.task));
        let tasks: Vec<_> = tasks
            .map(|it| (Arc::clone(&it.task), it.status.clone()))
            .collect();
        for (task, status) in tasks {
            self.set_task(task, status);
        }
    }

    fn settle_fleet(&mut self) {
        let all = self.nodes.values().filter(|it| it.alive);
        let fleet: Box<[_]> = fleet::names(
            &self.view,
            |id| self.nodes.get(id).map(|host| &*host.node),
            all.map(|host| &*host.node),
        )
        .into();
        if fleet != self.fleet {
            let former = std::mem::replace(&mut self.fleet, fleet.clone());
            self.count(&former, false, false);
            self.count(&fleet, false, true);
        }
    }

    fn replace(&mut self, known: Known) {
        let id = known.task.id.clone();
        if let Some(former) = self.tasks.get_mut(&id)
            && former.names == known.names
            && former.suspended == known.suspended
        {
            // Most changes, such as of health, concern no name.
            (former.task, former.status) = (known.task, known.status);
            return;
        }
        self.remove_task(&id);
        self.count(&known.names, known.suspended, true);
        self.tasks.insert(id, known);
    }

    fn count(&mut self, names: &[(Arc<str>, NameRecord)], suspended: bool, more: bool) {
        for (name, record) in names {
            let counts = self.names.entry(Arc::clone(name)).or_default();
            let count = counts.entry(record.clone()).or_default();
            let count_of = if suspended {
                &mut count.suspended
            } else {
                &mut count.sure
            };
            *count_of = if more {
                *count_of + 1
            } else {
                count_of.saturating_sub(1)
            };
            if count.sure + count.suspended == 0 {
                counts.remove(record);
            }
            if counts.is_empty() {
                self.names.remove(name);
            }
            self.dirty.insert(Arc::clone(name));
        }
    }
}
