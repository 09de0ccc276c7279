//! A change of records that becomes true as a whole or not at all.

use bytes::Bytes;
use marathon::App;
use model::{
    AppId, Block, Deployment, External, Kill, Launch, Network, Node, NodeId, Task, TaskId,
    TaskStatus,
};
use serde::Serialize;
use vip::VipRecord;

use crate::keys::Key;
use crate::{Commit, Compare, LeaseId, StoreError, Write};

/// What must be true of a record for a change to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Any,
    /// It does not exist.
    Absent,
    /// It was last written by this revision ([`crate::Held::revision`]).
    Revision(u64),
}

/// Puts and deletes of records that are applied in one revision, or not at all
/// when an expectation does not hold.
///
/// Every put takes the record whole and replaces what is there.
#[derive(Debug, Default)]
pub struct Change {
    pub(crate) commit: Commit,
    /// Apps whose older versions the commit removes: all of them when deleted.
    pub(crate) apps: Vec<AppWrite>,
    /// The first record that could not be written; the commit fails with it.
    pub(crate) fault: Option<StoreError>,
}

/// An app that a change writes; its version records are settled at commit.
#[derive(Debug)]
pub(crate) struct AppWrite {
    pub(crate) app: AppId,
    pub(crate) deleted: bool,
    /// Nothing is expected of the app's own record.
    pub(crate) unconditional: bool,
}

impl Change {
    /// A change of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing would be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commit.writes.is_empty() && self.fault.is_none()
    }

    /// How many records it writes or deletes, version records not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.commit.writes.len()
    }

    /// Sets an app and keeps the definition under its version too.
    ///
    /// The app must carry its `version`; without one the commit fails. The newest
    /// [`crate::KEPT_VERSIONS`] versions are kept.
    pub fn put_app(&mut self, app: &App, expect: Expect) -> &mut Self {
        let key = Key::App(app.id.clone());
        let Some(version) = app.version else {
            return self.fail(&key, "it has no version");
        };
        self.put(
            &Key::AppVersion(app.id.clone(), version),
            app,
            Expect::Any,
            None,
        );
        self.apps.push(AppWrite {
            app: app.id.clone(),
            deleted: false,
            unconditional: false,
        });
        self.put(&key, app, expect, None)
    }

    /// Deletes an app with all its versions.
    pub fn delete_app(&mut self, app: &AppId, expect: Expect) -> &mut Self {
        let unconditional = expect == Expect::Any;
        self.apps.push(AppWrite {
            app: app.clone(),
            deleted: true,
            unconditional,
        });
        self.delete(&Key::App(app.clone()), expect)
    }

    /// Applies only while `expect` is true of an app, which stays as it is.
    pub fn require_app(&mut self, app: &AppId, expect: Expect) -> &mut Self {
        self.expect(&Key::App(app.clone()), expect)
    }

    /// Sets a task.
    pub fn put_task(&mut self, task: &Task, expect: Expect) -> &mut Self {
        self.put(&Key::Task(task.id.clone()), task, expect, None)
    }

    /// Deletes a task.
    pub fn delete_task(&mut self, task: &TaskId, expect: Expect) -> &mut Self {
        self.delete(&Key::Task(task.clone()), expect)
    }

    /// Sets the status that a node reports of a task.
    pub fn put_status(&mut self, status: &TaskStatus, expect: Expect) -> &mut Self {
        let key = Key::Status(status.node.clone(), status.task.clone());
        self.put(&key, status, expect, None)
    }

    /// Deletes what `node` reported of a task.
    pub fn delete_status(&mut self, node: &NodeId, task: &TaskId, expect: Expect) -> &mut Self {
        self.delete(&Key::Status(node.clone(), task.clone()), expect)
    }

    /// Sets a node for as long as `lease` is renewed.
    pub fn put_node(&mut self, node: &Node, lease: LeaseId, expect: Expect) -> &mut Self {
        self.put(&Key::Node(node.id.clone()), node, expect, Some(lease))
    }

    /// Deletes a node.
    pub fn delete_node(&mut self, node: &NodeId, expect: Expect) -> &mut Self {
        self.delete(&Key::Node(node.clone()), expect)
    }

    /// Claims a VIP's addresses, or sets them anew.
    ///
    /// `expect` is asked of the name; with [`Expect::Absent`] the addresses must be
    /// free as well, so that no two names ever share one.
    pub fn put_vip(&mut self, vip: &VipRecord, expect: Expect) -> &mut Self {
        let free = if expect == Expect::Absent {
            Expect::Absent
        } else {
            Expect::Any
        };
        for address in addresses(vip) {
            self.put(&address, &vip.name, free, None);
        }
        self.put(&Key::Vip(vip.name.clone()), vip, expect, None)
    }

    /// Gives a VIP's name and addresses free again.
    pub fn delete_vip(&mut self, vip: &VipRecord, expect: Expect) -> &mut Self {
        for address in addresses(vip) {
            self.delete(&address, Expect::Any);
        }
        self.delete(&Key::Vip(vip.name.clone()), expect)
    }

    /// Sets a deployment.
    pub fn put_deployment(&mut self, deployment: &Deployment, expect: Expect) -> &mut Self {
        self.put(
            &Key::Deployment(deployment.id.clone()),
            deployment,
            expect,
            None,
        )
    }

    /// Deletes a deployment.
    pub fn delete_deployment(&mut self, id: &str, expect: Expect) -> &mut Self {
        self.delete(&Key::Deployment(id.to_owned()), expect)
    }

    /// Sets what is known of an app's launches.
    pub fn put_launch(&mut self, launch: &Launch, expect: Expect) -> &mut Self {
        self.put(&Key::Launch(launch.app.clone()), launch, expect, None)
    }

    /// Deletes what is known of an app's launches.
    pub fn delete_launch(&mut self, app: &AppId, expect: Expect) -> &mut Self {
        self.delete(&Key::Launch(app.clone()), expect)
    }

    /// Sets a wish to end a task.
    pub fn put_kill(&mut self, kill: &Kill, expect: Expect) -> &mut Self {
        self.put(&Key::Kill(kill.task.clone()), kill, expect, None)
    }

    /// Deletes a wish to end a task.
    pub fn delete_kill(&mut self, task: &TaskId, expect: Expect) -> &mut Self {
        self.delete(&Key::Kill(task.clone()), expect)
    }

    /// Sets what a node says of a container that somebody else started.
    pub fn put_external(&mut self, external: &External, expect: Expect) -> &mut Self {
        let key = Key::External(external.node.clone(), external.container.clone());
        self.put(&key, external, expect, None)
    }

    /// Deletes what `node` said of a container.
    pub fn delete_external(&mut self, node: &NodeId, container: &str, expect: Expect) -> &mut Self {
        self.delete(&Key::External(node.clone(), container.to_owned()), expect)
    }

    /// Sets a virtual network.
    pub fn put_network(&mut self, network: &Network, expect: Expect) -> &mut Self {
        self.put(&Key::Network(network.name.clone()), network, expect, None)
    }

    /// Deletes a virtual network; the nodes give their blocks back.
    pub fn delete_network(&mut self, name: &str, expect: Expect) -> &mut Self {
        self.delete(&Key::Network(name.to_owned()), expect)
    }

    /// Applies only while `expect` is true of a virtual network, which stays as it is.
    pub fn require_network(&mut self, name: &str, expect: Expect) -> &mut Self {
        self.expect(&Key::Network(name.to_owned()), expect)
    }

    /// Claims a node's block of a virtual network: `expect` is asked of the block, and
    /// each of its nets must be nobody's.
    pub fn put_block(&mut self, block: &Block, expect: Expect) -> &mut Self {
        for net in &block.nets {
            let claim = Key::BlockNet(block.network.clone(), *net);
            self.put(&claim, &block.node, Expect::Absent, None);
        }
        let key = Key::Block(block.network.clone(), block.node.clone());
        self.put(&key, block, expect, None)
    }

    /// Gives a block and its nets back.
    pub fn delete_block(&mut self, block: &Block, expect: Expect) -> &mut Self {
        for net in &block.nets {
            let claim = Key::BlockNet(block.network.clone(), *net);
            self.delete(&claim, Expect::Any);
        }
        let key = Key::Block(block.network.clone(), block.node.clone());
        self.delete(&key, expect)
    }

    fn put(
        &mut self,
        key: &Key,
        record: &impl Serialize,
        expect: Expect,
        lease: Option<LeaseId>,
    ) -> &mut Self {
        match serde_json::to_vec(record) {
            Ok(value) => {
                let write = Write::Put(key.to_string(), Bytes::from(value), lease);
                self.commit.writes.push(write);
                self.expect(key, expect)
            }
            Err(error) => self.fail(key, &error.to_string()),
        }
    }

    fn delete(&mut self, key: &Key, expect: Expect) -> &mut Self {
        self.commit.writes.push(Write::Delete(key.to_string()));
        self.expect(key, expect)
    }

    fn expect(&mut self, key: &Key, expect: Expect) -> &mut Self {
        self.commit.compares.extend(match expect {
            Expect::Any => None,
            Expect::Absent => Some(Compare::Absent(key.to_string())),
            Expect::Revision(revision) => Some(Compare::Revision(key.to_string(), revision)),
        });
        self
    }

    fn fail(&mut self, key: &Key, detail: &str) -> &mut Self {
        self.fault.get_or_insert_with(|| StoreError::Record {
            key: key.to_string(),
            detail: detail.to_owned(),
        });
        self
    }
}

fn addresses(vip: &VipRecord) -> impl Iterator<Item = Key> {
    let v6 = vip.ipv6.map(|address| Key::VipAddress(address.into()));
    std::iter::once(Key::VipAddress(vip.ipv4.into())).chain(v6)
}
