//! CNI networks.

use engines::EngineError;
use futures::FutureExt;
use mesos::{ContainerInfo, NetworkInfo};

use super::image;
use crate::suite::{Body, Case};

pub(super) const CASES: &[(&str, Body)] = &[
    ("two networks, in order", |c| two_networks(c).boxed_local()),
    (
        "a command on the host's files and a network of its own",
        |c| own_network(c).boxed_local(),
    ),
    ("a network named twice", |c| named_twice(c).boxed_local()),
];

async fn two_networks(case: &Case<'_>) {
    let mut task = case.plain("ip -o -4 addr | awk '{print $2, $4}'; cat /etc/hosts /etc/hostname /etc/resolv.conf; echo done; sleep 1000");
    task.container.network_infos = vec![NetworkInfo::named("web"), NetworkInfo::named("back")];
    task.container.hostname = Some("pair".to_owned());
    let container = case.engine.start(&task).await.unwrap();
    assert_eq!(container.networks, ["web", "back"]);
    let addresses: Vec<_> = container
        .network_infos
        .iter()
        .map(|network| network.addresses().next().unwrap())
        .collect();
    let printed = case.printed(&task, "done").await;
    assert!(
        printed.contains(&format!(
            "eth0 {}/24\neth1 {}/24\n",
            addresses[0], addresses[1]
        )),
        "{printed}"
    );
    assert!(
        printed.contains(&format!(
            "{}\tpair\n{}\tpair\npair\n",
            addresses[0], addresses[1]
        )),
        "{printed}"
    );
    assert!(printed.contains("nameserver 198.51.100.1\n"), "{printed}");
}

async fn own_network(case: &Case<'_>) {
    let mut task = case.plain("hostname; cat /etc/hostname; tail -1 /etc/hosts; echo $MESOS_CONTAINER_IP; echo done; sleep 1000");
    task.container = ContainerInfo {
        network_infos: vec![NetworkInfo::named("web")],
        ..ContainerInfo::native()
    };
    let container = case.engine.start(&task).await.unwrap();
    let address = container.network_infos[0].addresses().next().unwrap();
    let id = &container.id;
    assert_eq!(
        case.printed(&task, "done").await,
        format!("{id}\n{id}\n{address}\t{id}\n{address}\ndone\n")
    );
    let own = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    assert!(!own.contains(id.as_str()), "the host's files are its own");
}

async fn named_twice(case: &Case<'_>) {
    let mut task = case.plain("true");
    task.container = ContainerInfo {
        network_infos: vec![NetworkInfo::named("web"), NetworkInfo::named("web")],
        mesos: Some(image(super::IMAGE)),
        ..ContainerInfo::native()
    };
    let error = case.engine.start(&task).await.unwrap_err();
    assert!(
        matches!(&error, EngineError::Unsupported(text) if text.contains("multiple times")),
        "{error}"
    );
    assert!(case.is_gone(&task).await);
}
