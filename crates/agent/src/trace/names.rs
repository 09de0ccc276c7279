//! What people call what the kernel tells.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datapath::Decision;
use model::{NodeId, Protocol, TaskId};
use store::Mirror;
use tokio::sync::watch;
use vip::{Backend, ServiceKey, ServiceTable};

use super::TracedClient;
use crate::cgroups::container_in;

/// Cgroups whose paths are remembered.
const REMEMBERED: usize = 4_096;

/// Where names come from.
pub(crate) struct Names {
    node: NodeId,
    mirror: Mirror,
    table: watch::Receiver<(u64, Arc<ServiceTable>)>,
    /// Where cgroup v2 is mounted.
    mount: Option<PathBuf>,
    /// Ids are never used again, and what is in a cgroup's path does not change.
    paths: HashMap<u64, PathBuf>,
    /// Containers of this node's tasks and externals, as of a revision of the store.
    tasks: (u64, HashMap<String, TaskId>),
}

/// A service and the backend behind an address.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) service: Option<String>,
    pub(super) backend: Option<TaskId>,
}

impl Names {
    pub(crate) fn new(
        node: NodeId,
        mirror: &Mirror,
        table: &watch::Receiver<(u64, Arc<ServiceTable>)>,
    ) -> Self {
        Self {
            node,
            mirror: mirror.clone(),
            table: table.clone(),
            // Without one there is no datapath that could tell anything.
            mount: datapath::find_cgroup2().ok(),
            paths: HashMap::new(),
            tasks: (0, HashMap::new()),
        }
    }

    pub(super) fn service(
        &self,
        vip: SocketAddr,
        protocol: Protocol,
        peer: Option<SocketAddr>,
    ) -> Named {
        let key = ServiceKey {
            address: vip.ip(),
            port: vip.port(),
            protocol,
        };
        let table = Arc::clone(&self.table.borrow().1);
        let Some(service) = table.services.get(&key) else {
            return Named::default();
        };
        let is_it = |backend: &&Backend| {
            let near = backend.near.as_ref().map(|near| near.address);
            peer.is_some() && (near == peer || backend.far == peer)
        };
        Named {
            service: service.name.clone(),
            backend: service
                .backends
                .iter()
                .find(is_it)
                .map(|it| it.task.clone()),
        }
    }

    pub(super) fn client(&mut self, decision: &Decision) -> TracedClient {
        let cgroup = self.path(decision.cgroup);
        let (container, task) = match &cgroup {
            Some(path) => self.container(path),
            None => (None, None),
        };
        TracedClient {
            pid: decision.pid,
            comm: decision.comm.clone(),
            netns: decision.netns,
            cgroup,
            container,
            task,
        }
    }

    fn path(&mut self, id: u64) -> Option<PathBuf> {
        if let Some(known) = self.paths.get(&id) {
            return Some(known.clone());
        }
        let mount = self.mount.as_ref()?;
        let found = datapath::cgroup_path(mount, id)?;
        let path = Path::new("/").join(found.strip_prefix(mount).unwrap_or(&found));
        if self.paths.len() >= REMEMBERED {
            self.paths.clear();
        }
        self.paths.insert(id, path.clone());
        Some(path)
    }

    fn container(&mut self, cgroup: &Path) -> (Option<String>, Option<TaskId>) {
        self.learn_tasks();
        let tasks = &self.tasks.1;
        let Some(container) = container_in(cgroup, |id| tasks.contains_key(id)) else {
            return (None, None);
        };
        (Some(container.to_owned()), tasks.get(container).cloned())
    }

    fn learn_tasks(&mut self) {
        let state = self.mirror.state();
        if self.tasks.0 == state.revision {
            return;
        }
        let here = state.statuses.iter().filter(|it| it.1.node == self.node);
        let named = here.filter_map(|(id, status)| Some((status.container.clone()?, id.clone())));
        let others = state.externals.iter();
        let others = others
            .filter(|((node, _), _)| *node == self.node)
            .map(|((_, container), external)| (container.clone(), external.id()));
        self.tasks = (state.revision, named.chain(others).collect());
    }
}
