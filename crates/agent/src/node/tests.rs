//! The node's record under engines that misbehave.

use std::sync::Arc;

use store::RedbStore;

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
        mirror.clone(),
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

#[tokio::test]
async fn ports_of_others_are_told() {
    let listeners = [(); 3].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let bound = std::net::UdpSocket::bind("[::1]:0").unwrap();
    let tcp = listeners
        .each_ref()
        .map(|it| it.local_addr().unwrap().port());
    let udp = bound.local_addr().unwrap().port();
    let only = |port| PortRange {
        first: port,
        last: port,
    };
    // The first is a task's, the second is not offered.
    let offered = [only(tcp[0]), only(tcp[2]), only(udp)];
    let mut expected = vec![tcp[2], udp];
    expected.sort_unstable();
    assert_eq!(busy(&offered, [tcp[0]].into()).await, expected);
}
