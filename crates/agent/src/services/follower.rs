//! The service table as it follows the store.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use mesos::ContainerType;
use model::{AppId, Node, Protocol, TaskId};
use store::{Changed, Held, State};
use vip::{
    Backend, BackendState, Changes, LiveTable, NetworkKey, Service, ServiceKey, ServiceTable,
    Standpoint, TableInput,
};

/// A table and the revision of the state that it is made from.
#[derive(Debug)]
pub(super) struct Follower {
    standpoint: Standpoint,
    /// The node knows itself: after a long pause of the daemon the record is gone for a
    /// moment, and no backend may vanish because of that.
    here: Arc<Node>,
    live: LiveTable,
    revision: u64,
}

impl Follower {
    /// A table that has followed nothing yet; `here` is the node that it is for.
    pub(super) fn new(standpoint: Standpoint, here: Node) -> Self {
        Self {
            live: LiveTable::new(standpoint.clone()),
            here: Arc::new(here),
            standpoint,
            revision: 0,
        }
    }

    /// The revision that it has followed up to.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Takes over what changed between the state that it has followed up to and this;
    /// false if the table was made anew instead.
    pub(super) fn follow(&mut self, state: &State, changed: &[Changed]) -> bool {
        let networks = |it: &Changed| matches!(it, Changed::Network(_));
        // Any backend may be on a network that came or went, which is rare.
        if changed.iter().any(networks) && spanning(state) != self.standpoint.spanning {
            self.rebuild(state);
            return false;
        }
        for changed in changed {
            self.take(state, changed);
        }
        self.revision = state.revision;
        true
    }

    /// Takes over a state of which nothing is known.
    pub(super) fn rebuild(&mut self, state: &State) {
        self.standpoint.spanning = spanning(state);
        self.live = LiveTable::from(&self.input(state));
        self.revision = state.revision;
    }

    /// Whether the table is made of a state's records.
    pub(super) fn is_of(&self, state: &State) -> bool {
        self.revision == state.revision && self.live.is_of(&self.input(state))
    }

    /// The table, and how it differs from what the last call told, or from an empty one
    /// if it was rebuilt since.
    pub(super) fn settle(&mut self) -> (Arc<ServiceTable>, Changes) {
        self.live.settle()
    }

    fn take(&mut self, state: &State, changed: &Changed) {
        let live = &mut self.live;
        match changed {
            Changed::Task(id) | Changed::Status(id) => match state.tasks.get(id) {
                Some(task) => live.set_task(record(task), state.statuses.get(id).map(record)),
                None => live.remove_task(id),
            },
            Changed::External(node, container) => {
                match state.externals.get(&(node.clone(), container.clone())) {
                    Some(external) => live.set_external(record(external)),
                    None => live.remove_external(node, container),
                }
            }
            Changed::Node(id) if *id == self.here.id => {}
            Changed::Node(id) => match state.nodes.get(id) {
                Some(node) => live.set_node(record(node)),
                None => live.remove_node(id),
            },
            Changed::Vip(name) => match state.vips.get(name) {
                Some(vip) => live.set_vip(record(vip)),
                None => live.remove_vip(name),
            },
            Changed::App(id) => live.set_declared(id, declared(state, id)),
            Changed::Deployment(_)
            | Changed::Launch(_)
            | Changed::Kill(_)
            | Changed::Network(_)
            | Changed::Block(..) => {}
        }
    }

    fn input(&self, state: &State) -> TableInput {
        let others = state.nodes.values().filter(|it| it.id != self.here.id);
        let apps = state.apps.keys();
        TableInput {
            standpoint: self.standpoint.clone(),
            tasks: state.tasks.values().map(record).collect(),
            statuses: state.statuses.values().map(record).collect(),
            externals: state.externals.values().map(record).collect(),
            vips: state.vips.values().map(record).collect(),
            nodes: others.map(record).chain([Arc::clone(&self.here)]).collect(),
            declared: apps.map(|id| (id.clone(), declared(state, id))).collect(),
        }
    }
}

fn record<T>(held: &Held<T>) -> Arc<T> {
    Arc::clone(&held.record)
}

/// Virtual networks: their addresses are valid from everywhere, whichever engine joined a
/// container to them.
fn spanning(state: &State) -> BTreeSet<NetworkKey> {
    let engines = [ContainerType::Docker, ContainerType::Mesos];
    let keys = |name: &String| engines.map(|kind| NetworkKey::new(kind, name.clone()));
    state.networks.keys().flat_map(keys).collect()
}

/// Names that an app asks for, whether it has tasks or not.
fn declared(state: &State, app: &AppId) -> BTreeSet<String> {
    let wanted = state
        .apps
        .get(app)
        .map(|app| vip::wanted(app.port_labels(), &app.labels, vip::APP_FRAMEWORK));
    wanted.unwrap_or_default().names
}

/// The resolver's address is a VIP like any other, in front of this node's server.
pub(super) fn resolver(server: SocketAddr) -> BTreeMap<ServiceKey, Arc<Service>> {
    let Ok(task) = "sealane-dns".parse::<TaskId>() else {
        return BTreeMap::new();
    };
    let backend = Backend {
        task,
        near: None,
        far: Some(server),
        weight: 1,
        state: BackendState::Ready,
        preferred: true,
    };
    let service = Arc::new(Service {
        name: Some("dns".to_owned()),
        backends: vec![backend],
        ..Service::default()
    });
    let at = |protocol| ServiceKey {
        address: IpAddr::V4(dns::SERVICE_ADDRESS),
        port: 53,
        protocol,
    };
    [Protocol::Udp, Protocol::Tcp]
        .map(|protocol| (at(protocol), Arc::clone(&service)))
        .into()
}
