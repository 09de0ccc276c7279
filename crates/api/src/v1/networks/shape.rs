//! The JSON of virtual networks.

use model::{Block, Network, NodeId, Occupied, Subnet};
use serde_json::{Value, json};
use store::State;

use crate::views::{NetworksView, ProblemView};

/// A network, and what each node has of it. How full a block is, only its own node
/// knows; `leases` tells whether to say who has it as well.
pub(super) fn network(
    state: &State,
    network: &Network,
    view: &NetworksView,
    here: &NodeId,
    leases: bool,
) -> Value {
    let blocks: Vec<&Block> = state
        .blocks_of(&network.name)
        .map(|it| &*it.record)
        .collect();
    let taken: Vec<Occupied> = blocks
        .iter()
        .flat_map(|block| {
            block
                .nets
                .iter()
                .map(|net| Occupied::new(*net, &*block.node.0))
        })
        .collect();
    let nodes: Vec<Value> = blocks
        .iter()
        .map(|block| node(block, view, *here == block.node, leases))
        .collect();
    json!({
        "name": network.name,
        "subnets": network.subnets.iter().map(|it| subnet(it, &taken)).collect::<Vec<_>>(),
        "mtu": network.mtu,
        "masquerade": network.masquerade,
        "created": network.created,
        "nodes": nodes,
        "problems": view.problems.get(&network.name).map_or(&[][..], Vec::as_slice),
    })
}

fn subnet(subnet: &Subnet, taken: &[Occupied]) -> Value {
    // Nobody can tell larger numbers apart.
    let number = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
    json!({
        "net": subnet.net,
        "block": subnet.block,
        "blocks": number(subnet.blocks()),
        "free": number(subnet.free(taken)),
    })
}

fn node(block: &Block, view: &NetworksView, here: bool, leases: bool) -> Value {
    let shown = block.nets.iter().map(|net| {
        let known = view.blocks.iter();
        let mut known = known.filter(|it| here && it.network == block.network && it.net == *net);
        match known.next() {
            None => json!({ "net": net }),
            Some(known) if leases => json!(known),
            Some(known) => json!({ "net": net, "capacity": known.capacity, "used": known.used }),
        }
    });
    json!({
        "node": block.node,
        "since": block.since,
        "blocks": shown.collect::<Vec<_>>(),
    })
}

/// Blocks that nodes still have of networks that were deleted.
pub(super) fn remains(state: &State) -> Vec<ProblemView> {
    let blocks = state.blocks.values();
    let remains = blocks.filter(|it| {
        !state.networks.contains_key(&it.network) && !state.has_unreadable_network(&it.network)
    });
    remains
        .map(|block| ProblemView {
            about: format!("network {}", block.network),
            message: format!(
                "it was deleted, and node {} still has block {} of it; it is given back when the \
                 node's last container with such an address ends",
                block.node,
                nets(block)
            ),
        })
        .collect()
}

/// A block's nets for people.
pub(super) fn nets(block: &Block) -> String {
    let nets: Vec<_> = block.nets.iter().map(ToString::to_string).collect();
    nets.join(" and ")
}
