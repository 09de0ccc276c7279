//! How one changed key changes the state.

use std::collections::BTreeMap;
use std::sync::Arc;

use marathon::App;
use model::{
    AppId, Block, Deployment, External, Kill, Launch, Network, Node, NodeId, Task, TaskId,
    TaskStatus,
};
use serde::de::DeserializeOwned;
use vip::VipRecord;

use crate::changed::{Changed, Log};
use crate::keys::Key;
use crate::{Entry, Event, Held, Snapshot, State};

/// A decoded change of one key; applying it copies no record.
#[derive(Debug)]
pub(crate) struct Delta {
    key: String,
    revision: u64,
    /// Why the value could not become a record, which is then absent.
    unreadable: Option<String>,
    record: Record,
}

/// A record that has a value now, or none.
#[derive(Debug)]
enum Record {
    /// Nothing that a state holds.
    Other,
    App(AppId, Option<Held<App>>),
    Task(TaskId, Option<Held<Task>>),
    Status(NodeId, TaskId, Option<Held<TaskStatus>>),
    Node(NodeId, Option<Held<Node>>),
    Vip(String, Option<Held<VipRecord>>),
    Deployment(String, Option<Held<Deployment>>),
    Launch(AppId, Option<Held<Launch>>),
    Kill(TaskId, Option<Held<Kill>>),
    External((NodeId, String), Option<Held<External>>),
    Network(String, Option<Held<Network>>),
    Block((String, NodeId), Option<Held<Block>>),
}

impl Delta {
    pub(crate) fn of_event(event: &Event) -> Self {
        match event {
            Event::Put(entry) => Self::decode(&entry.key, entry.revision, Some(entry)),
            Event::Delete { key, revision } => Self::decode(key, *revision, None),
        }
    }

    fn decode(key: &str, revision: u64, entry: Option<&Entry>) -> Self {
        let mut unreadable = None;
        let record = match Key::parse(key) {
            Ok(Some(parsed)) => Record::decode(parsed, entry, &mut unreadable),
            Ok(None) => Record::Other,
            Err(reason) => {
                unreadable = entry.map(|_| reason);
                Record::Other
            }
        };
        Self {
            key: key.to_owned(),
            revision,
            unreadable,
            record,
        }
    }

    /// Notes which record it changes, if any.
    pub(crate) fn note(&self, log: &Log) {
        let changed = match &self.record {
            Record::Other => return,
            Record::App(id, _) => Changed::App(id.clone()),
            Record::Task(id, _) => Changed::Task(id.clone()),
            Record::Status(_, task, _) => Changed::Status(task.clone()),
            Record::Node(id, _) => Changed::Node(id.clone()),
            Record::Vip(name, _) => Changed::Vip(name.clone()),
            Record::Deployment(id, _) => Changed::Deployment(id.clone()),
            Record::Launch(id, _) => Changed::Launch(id.clone()),
            Record::Kill(id, _) => Changed::Kill(id.clone()),
            Record::External((node, container), _) => {
                Changed::External(node.clone(), container.clone())
            }
            Record::Network(name, _) => Changed::Network(name.clone()),
            Record::Block((network, node), _) => Changed::Block(network.clone(), node.clone()),
        };
        log.note(self.revision, changed);
    }

    pub(crate) fn apply(&self, state: &mut State) {
        state.revision = state.revision.max(self.revision);
        match &self.unreadable {
            Some(reason) => {
                state.unreadable.insert(self.key.clone(), reason.clone());
            }
            None => {
                state.unreadable.remove(&self.key);
            }
        }
        match &self.record {
            Record::Other => {}
            Record::App(id, held) => set(&mut state.apps, id, held),
            Record::Task(id, held) => set(&mut state.tasks, id, held),
            Record::Status(node, task, held) => set_status(state, node, task, held.as_ref()),
            Record::Node(id, held) => set(&mut state.nodes, id, held),
            Record::Vip(name, held) => set(&mut state.vips, name, held),
            Record::Deployment(id, held) => set(&mut state.deployments, id, held),
            Record::Launch(id, held) => set(&mut state.launches, id, held),
            Record::Kill(id, held) => set(&mut state.kills, id, held),
            Record::External(place, held) => set(&mut state.externals, place, held),
            Record::Network(name, held) => set(&mut state.networks, name, held),
            Record::Block(place, held) => set(&mut state.blocks, place, held),
        }
    }
}

impl Record {
    fn decode(key: Key, entry: Option<&Entry>, unreadable: &mut Option<String>) -> Self {
        let read = Read { entry, unreadable };
        match key {
            // Versions are read one by one, and addresses only matter to claims.
            Key::AppVersion(..) | Key::VipAddress(_) | Key::BlockNet(..) => Self::Other,
            Key::App(id) => {
                let held = read.into_record(|app: &App| app.id == id);
                Self::App(id, held)
            }
            Key::Task(id) => {
                let held = read.into_record(|task: &Task| task.id == id);
                Self::Task(id, held)
            }
            Key::Status(node, task) => {
                let held = read
                    .into_record(|status: &TaskStatus| status.node == node && status.task == task);
                Self::Status(node, task, held)
            }
            Key::Node(id) => {
                let held = read.into_record(|node: &Node| node.id == id);
                Self::Node(id, held)
            }
            Key::Vip(name) => {
                let held = read.into_record(|vip: &VipRecord| vip.name == name);
                Self::Vip(name, held)
            }
            Key::Deployment(id) => {
                let held = read.into_record(|deployment: &Deployment| deployment.id == id);
                Self::Deployment(id, held)
            }
            Key::Launch(id) => {
                let held = read.into_record(|launch: &Launch| launch.app == id);
                Self::Launch(id, held)
            }
            Key::Kill(id) => {
                let held = read.into_record(|kill: &Kill| kill.task == id);
                Self::Kill(id, held)
            }
            Key::External(node, container) => {
                let held = read.into_record(|external: &External| {
                    external.node == node && external.container == container
                });
                Self::External((node, container), held)
            }
            Key::Network(name) => {
                let held = read.into_record(|network: &Network| network.name == name);
                Self::Network(name, held)
            }
            Key::Block(network, node) => {
                let held = read
                    .into_record(|block: &Block| block.network == network && block.node == node);
                Self::Block((network, node), held)
            }
        }
    }
}

/// A value about to become a record, and where the reason goes if it does not.
struct Read<'a> {
    entry: Option<&'a Entry>,
    unreadable: &'a mut Option<String>,
}

impl Read<'_> {
    fn into_record<T: DeserializeOwned>(self, belongs: impl Fn(&T) -> bool) -> Option<Held<T>> {
        let entry = self.entry?;
        match serde_json::from_slice(&entry.value) {
            Ok(record) if belongs(&record) => {
                return Some(Held {
                    record: Arc::new(record),
                    revision: entry.revision,
                });
            }
            Ok(_) => *self.unreadable = Some("it names another record than its key".to_owned()),
            Err(error) => *self.unreadable = Some(error.to_string()),
        }
        None
    }
}

impl State {
    /// The state that a list of all keys shows.
    #[must_use]
    pub fn from_snapshot(snapshot: &Snapshot) -> Self {
        let mut state = Self::default();
        for entry in &snapshot.entries {
            Delta::decode(&entry.key, entry.revision, Some(entry)).apply(&mut state);
        }
        state.revision = snapshot.revision;
        state
    }
}

fn set<K: Ord + Clone, T>(map: &mut BTreeMap<K, Held<T>>, key: &K, held: &Option<Held<T>>) {
    match held {
        Some(held) => {
            map.insert(key.clone(), held.clone());
        }
        None => {
            map.remove(key);
        }
    }
}

/// A task belongs to one node for life, so it has one status; should another node
/// have written one as well, the later one counts.
fn set_status(state: &mut State, node: &NodeId, task: &TaskId, held: Option<&Held<TaskStatus>>) {
    let present = state.statuses.get(task);
    match held {
        Some(held) if present.is_none_or(|present| present.revision <= held.revision) => {
            state.statuses.insert(task.clone(), held.clone());
        }
        None if present.is_some_and(|present| present.node == *node) => {
            state.statuses.remove(task);
        }
        _ => {}
    }
}
