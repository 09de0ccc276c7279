//! The node's record under engines that misbehave.

use std::sync::Arc;

use store::{Mirror, RedbStore};

use super::*;
use crate::scripted::Scripted;

#[tokio::test]
async fn a_node_whose_engine_hangs_is_alive_without_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = RedbStore::open(directory.path().join("store.redb")).await;
    let records = Records::new(Arc::new(store.unwrap()));
    let mirror = Mirror::start(records.clone());
    let (hanging, answering) = (Scripted::new(), Scripted::new());
    hanging.script().holds_probes = true;
    let engines = Engines {
        docker: Some(Arc::new(hanging)),
        native: Some(Arc::new(answering)),
    };
    let options = NodeOptions {
        id: NodeId("n1".into()),
        addresses: Vec::new(),
        resources: Resources::default(),
        ports: Vec::new(),
        zone: None,
        version: "1".into(),
    };
    let (reports, stop) = (Reports::default(), CancellationToken::new());
    let running = tokio::spawn(run(
        options,
        engines,
        records,
        reports.clone(),
        stop.clone(),
    ));
    let mut states = mirror.subscribe();
    let found = states.wait_for(|state| !state.nodes.is_empty());
    let limit = Duration::from_secs(LEASE_SECONDS / 2);
    let state = tokio::time::timeout(limit, found).await.unwrap().unwrap();
    assert_eq!(state.nodes[&NodeId("n1".into())].engines, ["containerd"]);
    drop(state);
    stop.cancel();
    running.await.unwrap();
    let failures = reports.all()["node"].failures.clone();
    assert!(failures[0].contains("took longer than 2 s"), "{failures:?}");
}
