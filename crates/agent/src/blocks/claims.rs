//! Which blocks a node claims and gives back, and what it tells the kernel's side: pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use model::{Block, Network, NodeId, Occupied, Subnet, Timestamp};
use networks::FabricNetwork;
use store::{Change, Expect, Held, State};

use super::Troubles;

/// One transaction.
#[derive(Debug)]
pub(super) enum Step {
    /// Takes a block of a network that is as this revision says.
    Claim(Block, u64),
    /// Gives one back.
    GiveBack(Held<Block>),
}

impl Step {
    pub(super) fn change(&self) -> Change {
        let mut change = Change::new();
        match self {
            Self::Claim(block, network) => change
                .require_network(&block.network, Expect::Revision(*network))
                .put_block(block, Expect::Absent),
            Self::GiveBack(held) => change.delete_block(held, Expect::Revision(held.revision)),
        };
        change
    }
}

impl Step {
    /// What it takes, as taken by somebody.
    pub(super) fn nets(&self, by: &str) -> Vec<Occupied> {
        let nets: &[IpNet] = match self {
            Self::Claim(block, _) => &block.nets,
            Self::GiveBack(_) => &[],
        };
        nets.iter().map(|net| Occupied::new(*net, by)).collect()
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, block) = match self {
            Self::Claim(block, _) => ("took", block),
            Self::GiveBack(held) => ("gave back", &*held.record),
        };
        let nets = list(&block.nets);
        write!(f, "{verb} block {nets} of network '{}'", block.network)
    }
}

/// What is to be done, and what stands in the way.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) troubles: Troubles,
}

/// What a node has to claim and to give back. `leased` are networks of which its
/// containers have addresses; `occupied` is what the host uses otherwise, of which no
/// block is taken.
pub(super) fn plan(
    state: &State,
    node: &NodeId,
    occupied: &[Occupied],
    leased: &BTreeSet<String>,
    now: Timestamp,
) -> Plan {
    let mut plan = Plan::default();
    for held in state.networks.values() {
        let (name, network) = (&held.name, &*held.record);
        let Some(own) = state.blocks.get(&(name.clone(), node.clone())) else {
            if state.has_unreadable_block(name, node) {
                let text = "the record of this node's block cannot be read, so it has none";
                plan.troubles.add(name, text);
                continue;
            }
            let nets = network.choose(node, &taken(state, occupied));
            match nets {
                Ok(nets) => plan.steps.push(Step::Claim(
                    Block {
                        network: name.clone(),
                        node: node.clone(),
                        nets,
                        since: now,
                    },
                    held.revision,
                )),
                Err(exhausted) => exhausted.iter().for_each(|error| {
                    let text = format!(
                        "this node has no block, so that containers cannot join here: {error}; \
                         make a network with more blocks, or release those of nodes that are gone"
                    );
                    plan.troubles.add(name, text);
                }),
            }
            continue;
        };
        if !network.has_given(&own.nets) {
            plan.give_back(own, leased);
        }
    }
    for own in state.blocks.values().filter(|it| it.node == *node) {
        let name = &own.network;
        if !state.networks.contains_key(name) && !state.has_unreadable_network(name) {
            plan.give_back(own, leased);
        }
    }
    plan
}

impl Plan {
    /// Gives a block of a former network back, unless containers have addresses of it.
    fn give_back(&mut self, own: &Held<Block>, leased: &BTreeSet<String>) {
        if !leased.contains(&own.network) {
            self.steps.push(Step::GiveBack(own.clone()));
            return;
        }
        let text = format!(
            "the network was deleted, and containers of this node still have addresses of block \
             {}; it is given back when they end",
            list(&own.nets)
        );
        self.troubles.add(&own.network, text);
    }
}

/// All that no block may overlap: blocks of other nodes, of deleted networks too, and
/// what this host has.
fn taken(state: &State, occupied: &[Occupied]) -> Vec<Occupied> {
    let blocks = state.blocks.values().flat_map(|block| {
        let nets = block.nets.iter();
        nets.map(|net| Occupied::new(*net, block.node.0.clone()))
    });
    blocks.chain(occupied.iter().cloned()).collect()
}

/// What the kernel's side has to know: all networks, and those deleted ones of which
/// this node has not given its block back.
pub(super) fn networks(
    state: &State,
    node: &NodeId,
    addresses: &BTreeMap<NodeId, IpAddr>,
    former: &[Arc<FabricNetwork>],
) -> Vec<FabricNetwork> {
    let there = state.networks.values().map(|held| (*held.record).clone());
    let own = state.blocks.values().filter(|it| it.node == *node);
    let deleted = own.filter(|it| !state.networks.contains_key(&it.network));
    let deleted = deleted.map(|block| remnant(block, former));
    there
        .chain(deleted)
        .map(|network| {
            let blocks = state.blocks_of(&network.name);
            let (own, others): (Vec<_>, Vec<_>) = blocks.partition(|it| it.node == *node);
            let own = own.first().filter(|it| network.has_given(&it.nets));
            let elsewhere = others.iter().flat_map(|block| {
                let address = addresses.get(&block.node);
                let nets = block.nets.iter();
                nets.filter_map(move |net| Some((*net, *address?)))
            });
            FabricNetwork {
                block: own.map(|it| it.nets.clone()).unwrap_or_default(),
                elsewhere: elsewhere.collect(),
                network,
            }
        })
        .collect()
}

/// A network whose record is gone and whose containers are not: as it was last known,
/// and after a restart what the block tells.
fn remnant(block: &Block, former: &[Arc<FabricNetwork>]) -> Network {
    let known = former.iter().map(|it| &it.network);
    let mut known = known.filter(|it| it.name == block.network && it.has_given(&block.nets));
    known.next().cloned().unwrap_or_else(|| Network {
        name: block.network.clone(),
        subnets: block
            .nets
            .iter()
            .map(|net| Subnet {
                net: *net,
                block: net.prefix_len(),
            })
            .collect(),
        mtu: None,
        masquerade: true,
        created: block.since,
    })
}

fn list(nets: &[IpNet]) -> String {
    let nets: Vec<_> = nets.iter().map(ToString::to_string).collect();
    nets.join(" and ")
}
