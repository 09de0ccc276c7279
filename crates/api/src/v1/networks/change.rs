//! Making and deleting virtual networks: one transaction each.

use ipnet::IpNet;
use model::{Network, NodeId, Occupied};
use store::{Change, Expect, State};

use super::shape::nets;
use super::unknown;
use super::wish::{Problems, Wish};
use crate::change::ATTEMPTS;
use crate::context::Api;
use crate::refusal::Refusal;
use crate::views::NetworksView;

/// Tasks that a refusal names.
const NAMED: usize = 5;

impl Api {
    /// Makes a network, or tells everything that is wrong with it.
    pub(super) async fn create_network(&self, wish: Wish) -> Result<Network, Refusal> {
        let Wish {
            mut network,
            mut problems,
            has_subnets,
        } = wish;
        let bridge = &self.context.config.mesos_bridge_name;
        for (path, flaw) in network.flaws(bridge) {
            if has_subnets || path != "/subnets" {
                problems.add(path, flaw.to_string());
            }
        }
        let view = self.context.views.networks().await;
        // Held until the network is visible: that no two overlap is no condition on one
        // record.
        let _alone = self.changing.lock().await;
        let state = self.state().await?;
        let exists = || Refusal::NetworkExists(network.name.clone());
        if state.networks.contains_key(&network.name) || state.has_unreadable_network(&network.name)
        {
            return Err(exists());
        }
        self.find_conflicts(&network, &state, &view, &mut problems);
        problems.into_result()?;
        network.created = (self.context.now)();
        let mut change = Change::new();
        change.put_network(&network, Expect::Absent);
        if self.commit(change, &state).await? {
            Ok(network)
        } else {
            Err(Refusal::NetworkExists(network.name))
        }
    }

    /// What others have of the network's addresses, and of its name.
    fn find_conflicts(
        &self,
        network: &Network,
        state: &State,
        view: &NetworksView,
        problems: &mut Problems,
    ) {
        let networks = state.networks.values();
        let mut others: Vec<Occupied> = networks.flat_map(|it| Occupied::by_network(it)).collect();
        let vips = self.context.vip_ranges.networks();
        others.extend(vips.map(|net| Occupied::new(net, "the VIPs")));
        others.extend(view.occupied.iter().cloned());
        others.extend(remains(network, state));
        for overlap in network.overlaps(&others) {
            let path = format!("/subnets/{}/net", overlap.subnet);
            problems.add(
                path,
                format!("{overlap}; choose addresses that nobody uses"),
            );
        }
        let cni = view
            .others
            .iter()
            .find(|it| it.engine == "cni" && it.name == network.name);
        if let Some(file) = cni.and_then(|it| it.file.as_ref()) {
            let problem = format!(
                "a CNI network of this node has this name, by {}; choose another name, or remove \
                 that file",
                file.display()
            );
            problems.add("/name", problem);
        }
    }

    /// Deletes a network that no task uses; yields the nodes that have blocks of it.
    pub(super) async fn delete_network(&self, name: &str) -> Result<Vec<NodeId>, Refusal> {
        let _alone = self.changing.lock().await;
        for _ in 0..ATTEMPTS {
            let state = self.state().await?;
            let Some(network) = state.networks.get(name) else {
                return Err(Refusal::Missing(unknown(name)));
            };
            let tasks = users(&state, name);
            if !tasks.is_empty() {
                return Err(in_use(name, tasks));
            }
            let mut change = Change::new();
            change.delete_network(name, Expect::Revision(network.revision));
            if self.commit(change, &state).await? {
                return Ok(state.blocks_of(name).map(|it| it.node.clone()).collect());
            }
        }
        Err(contended())
    }

    /// Gives back the block of a node that is not there any more; yields its nets.
    pub(super) async fn release_block(
        &self,
        name: &str,
        node: &NodeId,
    ) -> Result<Vec<IpNet>, Refusal> {
        for _ in 0..ATTEMPTS {
            let state = self.state().await?;
            let Some(block) = state.blocks.get(&(name.to_owned(), node.clone())) else {
                let text = format!("node {node} has no block of a network '{name}'");
                return Err(Refusal::Missing(text));
            };
            if state.nodes.contains_key(node) {
                return Err(Refusal::InUse {
                    message: format!(
                        "node {node} is there, and its containers may have addresses of block {}; \
                         a block can be released when its node is gone for good",
                        nets(block)
                    ),
                    tasks: Vec::new(),
                });
            }
            let mut change = Change::new();
            change.delete_block(block, Expect::Revision(block.revision));
            if self.commit(change, &state).await? {
                return Ok(block.nets.clone());
            }
        }
        Err(contended())
    }
}

/// Blocks of deleted networks, whose containers still run. Those of a network that is
/// made again as it was are its own.
fn remains(network: &Network, state: &State) -> impl Iterator<Item = Occupied> {
    let blocks = state.blocks.values();
    let blocks = blocks.filter(|it| !state.networks.contains_key(&it.network));
    let foreign = blocks.filter(|it| it.network != network.name || !network.has_given(&it.nets));
    foreign.flat_map(|block| {
        let by = format!(
            "the deleted network '{}' on node {}",
            block.network, block.node
        );
        let nets = block.nets.iter();
        nets.map(move |net| Occupied::new(*net, by.clone()))
    })
}

/// Tasks that are on the network, or are to be.
fn users(state: &State, name: &str) -> Vec<String> {
    let tasks = state.tasks.values().filter(|task| {
        let mut infos = task.container.network_infos.iter();
        infos.any(|info| info.name.as_deref() == Some(name))
    });
    tasks.map(|task| task.id.to_string()).collect()
}

fn in_use(name: &str, tasks: Vec<String>) -> Refusal {
    let named: Vec<&str> = tasks.iter().take(NAMED).map(String::as_str).collect();
    let more = match tasks.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "network '{name}' is in use by {}{more}; scale their apps to 0 or delete them first",
        named.join(", ")
    );
    Refusal::InUse { message, tasks }
}

fn contended() -> Refusal {
    Refusal::Unavailable(
        "nothing was changed: others keep changing the same record; try again".to_owned(),
    )
}
