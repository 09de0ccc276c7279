use std::collections::BTreeMap;

use mesos::NetworkInfo;
use model::TaskPort;

use super::super::attach::Joined;
use super::super::{ContainerdOptions, sample};
use super::*;
use crate::EngineOptions;

fn labelled(pairs: &[(&str, &str)]) -> Task {
    let mut task = sample::task();
    let owned = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    task.labels.extend(owned);
    let port = |protocol, host_port| TaskPort {
        index: 0,
        name: None,
        protocol,
        container_port: None,
        host_port,
        service_port: 0,
        network_names: Vec::new(),
        labels: BTreeMap::new(),
    };
    task.ports = vec![
        port(Protocol::Tcp, Some(31_001)),
        port(Protocol::Udp, Some(31_001)),
        port(Protocol::Tcp, None),
    ];
    task
}

#[test]
fn an_app_asks_by_its_labels() {
    for pairs in [
        [].as_slice(),
        &[("sealane.ports", "enforce")],
        &[("sealane.ports", "ISOLATE")],
        &[("sealane.egress-rate", "1mbit")],
    ] {
        assert_eq!(wanted(&labelled(pairs)), None, "{pairs:?}");
    }
    let ports = BTreeSet::from([(Protocol::Tcp, 31_001), (Protocol::Udp, 31_001)]);
    let isolated = ("sealane.ports", "isolate");
    for (rate, egress) in [
        ("1mbit", Some(Rate::new(125_000))),
        // Refused with its app; what is there goes on without.
        ("fast", None),
    ] {
        let task = labelled(&[isolated, ("sealane.egress-rate", rate)]);
        let ports = ports.clone();
        assert_eq!(wanted(&task), Some(Wanted { ports, egress }), "{rate}");
    }
}

#[tokio::test]
async fn a_node_that_cannot_isolate_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    let networks = networks::Networks::new(networks::Options {
        state: place("networks"),
        run: place("run"),
        ..networks::Options::default()
    });
    let engine = ContainerdEngine::new(ContainerdOptions {
        socket: place("nobody.sock"),
        namespace: "sealane".to_owned(),
        snapshotter: "overlayfs".to_owned(),
        networks: networks.unwrap(),
        common: EngineOptions {
            owner: "me".to_owned(),
            cgroup_parent: None,
            dns_server: [198, 51, 100, 1].into(),
            node_addresses: Vec::new(),
            logs: place("logs"),
            state: place("engine"),
        },
    });
    let engine = engine.unwrap().isolating(Err("it is too small".to_owned()));
    assert_eq!(engine.isolate(&sample::task()).await.unwrap(), None);
    let task = labelled(&[("sealane.ports", "isolate")]);
    let error = engine.isolate(&task).await.unwrap_err();
    assert!(
        matches!(&error, EngineError::Unsupported(text) if text.ends_with(": it is too small"))
    );
    engine.end_isolation(&task.id).await.unwrap();
}

#[test]
fn who_has_the_port_is_told() {
    let task = sample::task().id;
    let error = IsolationError::Owned {
        protocol: Protocol::Tcp,
        port: 80,
        owner: "web.1".to_owned(),
    };
    let told = isolation_error(&task, error);
    assert!(matches!(told, EngineError::PortInUse { port: 80, .. }));
    assert!(told.to_string().contains("web.1"), "{told}");
    let other = isolation_error(&task, IsolationError::Panicked).to_string();
    assert!(
        other.starts_with(&format!(
            "containerd could not isolate the ports of task {task}: "
        )),
        "{other}"
    );
}

#[test]
fn it_is_one_of_the_host_with_a_namespace_of_its_own() {
    let joined = Joined::Isolated(Isolated {
        netns: "/run/x".into(),
        address: [192, 0, 2, 1].into(),
        ephemeral: 16_384..=16_639,
    });
    assert!(joined.attachment().is_none());
    assert_eq!(joined.netns(), Some("/run/x".as_ref()));
    let infos = joined.network_infos().unwrap();
    assert_eq!(
        infos,
        [NetworkInfo::default().assigned(&[[192, 0, 2, 1].into()])]
    );
    assert!(infos[0].name.is_none());
    assert!(Joined::Host.netns().is_none() && Joined::Host.network_infos().is_none());
}
