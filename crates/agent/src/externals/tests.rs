//! The reconciler, with an engine that a test plays, over a real store.

mod bench;
mod changes;
mod following;
mod marks;

use std::collections::BTreeMap;

use engines::{Attached, Condition, ExposedPort, Sighting};
use mesos::NetworkInfo;
use model::{NodeId, Protocol, Resources};

use crate::node::NodeOptions;

/// The node at 10.0.0.1.
pub(super) fn node() -> NodeOptions {
    NodeOptions {
        id: NodeId("n1".into()),
        addresses: vec!["10.0.0.1".parse().unwrap()],
        resources: Resources::default(),
        ports: Vec::new(),
        zone: None,
        version: "1".into(),
    }
}

/// A container that runs, exposes port 8080 and asks for a VIP of its name.
pub(super) fn sighting(name: &str) -> Sighting {
    let address = "172.20.0.2".parse().unwrap();
    let network = NetworkInfo::named("front").assigned(&[address]);
    Sighting {
        id: format!("id-{name}"),
        name: name.into(),
        labels: BTreeMap::from([("VIP_0".into(), format!("{name}:80"))]),
        pid: Some(7),
        condition: Condition::Ready,
        stop_signal: 15,
        attached: Attached::Networks(vec![network]),
        shares: None,
        ports: vec![ExposedPort {
            port: 8080,
            protocol: Protocol::Tcp,
            published: Vec::new(),
        }],
    }
}
