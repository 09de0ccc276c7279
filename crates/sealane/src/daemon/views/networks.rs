//! Networks as this node has them: blocks and leases, and networks of others.

use std::collections::BTreeMap;
use std::time::Duration;

use agent::View;
use api::{BlockView, LeaseView, NetworksView, OtherNetworkView};
use networks::{NetworkSummary, Usage};
use store::State;

/// How long Docker may take to tell its networks; they are left out otherwise.
const PATIENCE: Duration = Duration::from_secs(2);

/// The type of our own CNI plugin.
const PLUGIN: &str = "sealane";

/// Networks of Docker that are modes of its, and are not joined by name.
const MODES: [&str; 3] = ["bridge", "host", "none"];

/// All that the node knows of networks.
pub(super) async fn networks(agent: &View, state: &State) -> NetworksView {
    let virtual_networks = &state.networks;
    let mut view = NetworksView {
        occupied: agent.occupied().await.unwrap_or_default(),
        ..NetworksView::default()
    };
    if let Some(fabric) = &agent.fabric {
        view.blocks = fabric.usage().await.into_iter().map(block).collect();
    }
    let troubles = agent.troubles.load_full();
    view.problems = virtual_networks
        .keys()
        .map(|name| (name.clone(), troubles.of(name).to_vec()))
        .filter(|(_, problems)| !problems.is_empty())
        .collect();
    if let Some(networks) = &agent.networks {
        let all = networks.names().await.into_iter();
        view.others.extend(all.filter(|it| !is_ours(it)).map(cni));
        view.engines.insert("cni");
    }
    let docker = tokio::time::timeout(PATIENCE, agent.docker_networks()).await;
    let Ok(Ok(Some(names))) = docker else {
        return view;
    };
    view.engines.insert("docker");
    let foreign = names.into_iter().filter(|name| {
        // Docker has a network of ours by its name, which is no other one.
        !MODES.contains(&name.as_str()) && !virtual_networks.contains_key(name)
    });
    view.others.extend(foreign.map(|name| OtherNetworkView {
        name,
        engine: "docker",
        plugins: Vec::new(),
        file: None,
        problem: None,
    }));
    view
}

/// What plugins say of CNI networks that would take no container now.
pub(super) async fn readiness(agent: &View) -> BTreeMap<String, String> {
    let Some(networks) = &agent.networks else {
        return BTreeMap::new();
    };
    let all = networks.survey().await.into_iter();
    all.filter_map(|it| Some((it.name, it.problem?))).collect()
}

fn is_ours(network: &NetworkSummary) -> bool {
    network.plugins.first().is_some_and(|kind| kind == PLUGIN)
}

fn cni(network: NetworkSummary) -> OtherNetworkView {
    let NetworkSummary {
        name,
        plugins,
        file,
        problem,
    } = network;
    OtherNetworkView {
        name,
        engine: "cni",
        plugins,
        file: Some(file),
        problem,
    }
}

fn block(usage: Usage) -> BlockView {
    let leases = usage.leases.into_iter();
    let leases = leases.map(|lease| LeaseView {
        address: lease.address,
        holder: lease.holder,
        since: lease.since,
    });
    BlockView {
        network: usage.network,
        net: usage.block,
        capacity: usage.capacity,
        used: usage.used,
        leases: leases.collect(),
    }
}
