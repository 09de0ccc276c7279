//! All records as of one revision.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use marathon::App;
use model::{
    AppId, Block, Deployment, External, Kill, Launch, Network, Node, NodeId, Task, TaskId,
    TaskStatus,
};
use vip::VipRecord;

use crate::keys::Key;

/// A record with the revision that wrote it.
#[derive(Debug)]
pub struct Held<T> {
    /// The record.
    pub record: Arc<T>,
    /// Revision of the transaction that wrote it.
    pub revision: u64,
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self {
            record: Arc::clone(&self.record),
            revision: self.revision,
        }
    }
}

impl<T> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.record
    }
}

/// Every record of the store as of `revision`.
///
/// Versions of apps are not part of it; they are read one by one.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The store's revision that this is the state of.
    pub revision: u64,
    /// Apps in their current version.
    pub apps: BTreeMap<AppId, Held<App>>,
    /// Tasks.
    pub tasks: BTreeMap<TaskId, Held<Task>>,
    /// Statuses, as their nodes reported them.
    pub statuses: BTreeMap<TaskId, Held<TaskStatus>>,
    /// Nodes that are alive.
    pub nodes: BTreeMap<NodeId, Held<Node>>,
    /// Named VIPs by `<label>.<framework>`.
    pub vips: BTreeMap<String, Held<VipRecord>>,
    /// Deployments under way, by id.
    pub deployments: BTreeMap<String, Held<Deployment>>,
    /// What the leader knows of launches.
    pub launches: BTreeMap<AppId, Held<Launch>>,
    /// Wishes to end tasks.
    pub kills: BTreeMap<TaskId, Held<Kill>>,
    /// Externals by their node and the engine's id of the container.
    pub externals: BTreeMap<(NodeId, String), Held<External>>,
    /// Virtual networks by name.
    pub networks: BTreeMap<String, Held<Network>>,
    /// Blocks by their network and node; a network that is deleted may still have some.
    pub blocks: BTreeMap<(String, NodeId), Held<Block>>,
    /// Keys whose values could not be read, with the reason. They are left as they
    /// are and disturb nobody else.
    pub unreadable: BTreeMap<String, String>,
}

impl State {
    /// Whether there is a record of this app that cannot be read: it must not pass
    /// for an app that was deleted.
    #[must_use]
    pub fn has_unreadable_app(&self, app: &AppId) -> bool {
        self.has_unreadable(&Key::App(app.clone()))
    }

    /// Whether there is a record of this task that cannot be read.
    #[must_use]
    pub fn has_unreadable_task(&self, task: &TaskId) -> bool {
        self.has_unreadable(&Key::Task(task.clone()))
    }

    /// Whether there is a record of this app's launches that cannot be read: one
    /// that expects none can never be written.
    #[must_use]
    pub fn has_unreadable_launch(&self, app: &AppId) -> bool {
        self.has_unreadable(&Key::Launch(app.clone()))
    }

    /// Whether there is a VIP record of this name that cannot be read.
    #[must_use]
    pub fn has_unreadable_vip(&self, name: &str) -> bool {
        self.has_unreadable(&Key::Vip(name.to_owned()))
    }

    /// Whether there is a record of this virtual network that cannot be read: it must not
    /// pass for one that was deleted.
    #[must_use]
    pub fn has_unreadable_network(&self, name: &str) -> bool {
        self.has_unreadable(&Key::Network(name.to_owned()))
    }

    /// Whether there is a record of this node's block that cannot be read.
    #[must_use]
    pub fn has_unreadable_block(&self, network: &str, node: &NodeId) -> bool {
        self.has_unreadable(&Key::Block(network.to_owned(), node.clone()))
    }

    /// All blocks of a virtual network, by node.
    pub fn blocks_of<'a>(&'a self, network: &'a str) -> impl Iterator<Item = &'a Held<Block>> {
        // A node's name cannot come before the empty one.
        let first = (network.to_owned(), NodeId(String::new()));
        let blocks = self.blocks.range(first..);
        blocks
            .take_while(move |((of, _), _)| of == network)
            .map(|(_, block)| block)
    }

    /// Containers of which `node` has a record that cannot be read: only that node can
    /// write it anew, or delete it.
    pub fn unreadable_externals(&self, node: &NodeId) -> impl Iterator<Item = String> {
        let keys = self
            .unreadable
            .keys()
            .filter_map(|key| Key::parse(key).ok());
        keys.filter_map(move |key| match key {
            Some(Key::External(of, container)) if of == *node => Some(container),
            _ => None,
        })
    }

    fn has_unreadable(&self, key: &Key) -> bool {
        // Building the key's text is not worth it in the usual case.
        !self.unreadable.is_empty() && self.unreadable.contains_key(&key.to_string())
    }
}
