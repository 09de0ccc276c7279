//! The agent as a whole, as far as it can be had without a kernel side.

use model::Resources;
use store::{RedbStore, State};

use super::*;
use crate::scripted::Scripted;

#[tokio::test]
async fn an_agent_of_which_a_part_panics_ends_with_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let store = RedbStore::open(directory.path().join("store.redb")).await;
    let records = Records::new(Arc::new(store.unwrap()));
    let mirror = Mirror::start(records.clone());
    let engine = Arc::new(Scripted::new());
    let agent = Agent::new(AgentOptions {
        records,
        mirror: mirror.clone(),
        engines: Engines {
            docker: None,
            native: Some(Arc::clone(&engine) as _),
        },
        networks: None,
        fabric: None,
        isolation: None,
        docker_driver: None,
        plugin_files: PluginFiles::default(),
        node: NodeOptions {
            id: NodeId("n1".into()),
            addresses: Vec::new(),
            resources: Resources::default(),
            ports: Vec::new(),
            zone: None,
            version: "1".into(),
        },
        datapath: None,
        ranges: VipRanges::default(),
        dns: None,
        names: Arc::default(),
        api_port: None,
        dns_clients: Arc::default(),
        logs: directory.path().join("logs"),
        exempt: Vec::new(),
        own_ports: false,
    });
    engine.script().panics_at_probes = true;
    let stop = CancellationToken::new();
    let running = agent.run(stop.clone());
    let limit = std::time::Duration::from_secs(10);
    let ended = tokio::time::timeout(limit, running).await.unwrap();
    assert!(matches!(ended, Err(AgentError::Failed(_))), "{ended:?}");
    assert!(stop.is_cancelled(), "nothing is left half alive");
    let state: Arc<State> = mirror.state();
    assert!(state.nodes.is_empty());
}
