//! Networks and owners as only Docker has them.

use std::net::{IpAddr, TcpListener};

use engines::{EngineError, Phase};
use futures::FutureExt;
use mesos::{DockerNetwork, IpAddress};

use crate::suite::{Body, Case, Place, Wish};

pub(super) const CASES: &[(&str, Body)] = &[
    ("both families are reported", |c| {
        both_families(c).boxed_local()
    }),
    ("no network", |c| no_network(c).boxed_local()),
    ("a wished address is honoured or refused", |c| {
        wished_address(c).boxed_local()
    }),
    ("a port that a process holds is named", |c| {
        port_of_a_process(c).boxed_local()
    }),
    ("a container of somebody else keeps its name", |c| {
        name_of_somebody_else(c).boxed_local()
    }),
    ("a wrong program is told and leaves nothing", |c| {
        wrong_program(c).boxed_local()
    }),
    ("Docker is probed", |c| probe(c).boxed_local()),
];

async fn both_families(case: &Case<'_>) {
    let container = case.engine.start(&case.plain("sleep 1000")).await.unwrap();
    let addresses: Vec<IpAddr> = container.network_infos[0].addresses().collect();
    let families: Vec<_> = addresses.iter().map(IpAddr::is_ipv4).collect();
    assert_eq!(families, [true, false], "{addresses:?}");
}

async fn no_network(case: &Case<'_>) {
    let mut task = case.plain("ip -o link | wc -l; echo done; sleep 1000");
    task.container.network_infos = Vec::new();
    task.container.docker.as_mut().unwrap().network = DockerNetwork::None;
    let container = case.engine.start(&task).await.unwrap();
    assert_eq!(
        (container.network_infos.len(), container.networks.len()),
        (0, 0)
    );
    let printed = case.printed(&task, "done").await;
    assert_eq!(container.phase, Phase::Running, "{printed}");
}

async fn wished_address(case: &Case<'_>) {
    let with = |address: &str| {
        let mut task = case.plain("sleep 1000");
        let wish = IpAddress {
            protocol: None,
            ip_address: Some(address.to_owned()),
        };
        task.container.network_infos[0].ip_addresses = vec![wish];
        task
    };
    let task = with("10.98.0.77");
    let container = case.engine.start(&task).await.unwrap();
    let got = container.network_infos[0].addresses().next().unwrap();
    assert_eq!(got.to_string(), "10.98.0.77");
    for refused in ["10.98.0.77", "192.0.2.1"] {
        let task = with(refused);
        let error = case.engine.start(&task).await.unwrap_err();
        assert!(
            matches!(&error, EngineError::Network { network, .. } if network == "web"),
            "{error:?}"
        );
        assert!(case.is_gone(&task).await);
    }
}

async fn port_of_a_process(case: &Case<'_>) {
    let host = case.fixture.host();
    let listener = host
        .inside(|| TcpListener::bind("0.0.0.0:0"))
        .unwrap()
        .unwrap();
    let held = listener.local_addr().unwrap().port();
    let task = case.task(&Wish::on(Place::Bridge(vec![(held, 80)])), "sleep 1000");
    let error = case.engine.start(&task).await.unwrap_err();
    assert!(
        matches!(error, EngineError::PortInUse { port, .. } if port == held),
        "{error:?}"
    );
    assert!(case.is_gone(&task).await);
}

async fn name_of_somebody_else(case: &Case<'_>) {
    let task = case.plain("sleep 1000");
    let stranger = case.fixture.engine("stranger");
    stranger.start(&task).await.unwrap();
    let error = case.engine.start(&task).await.unwrap_err();
    assert!(error.to_string().contains("somebody else"), "{error}");
    assert!(
        stranger.inspect(&task.id).await.unwrap().is_some(),
        "it is left alone"
    );
    stranger.remove(&task.id).await.unwrap();
}

async fn wrong_program(case: &Case<'_>) {
    let mut task = case.plain("");
    task.command.shell = None;
    task.command.args = vec!["/no/such/program".to_owned()];
    let error = case.engine.start(&task).await.unwrap_err();
    assert!(error.to_string().contains("/no/such/program"), "{error}");
    assert!(case.is_gone(&task).await);
}

async fn probe(case: &Case<'_>) {
    let info = case.engine.probe().await.unwrap();
    assert_eq!(info.name, "docker");
    assert!(info.version.contains('.'), "{info:?}");
}
