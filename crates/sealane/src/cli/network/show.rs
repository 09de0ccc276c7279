//! `sealane network show`.

use super::list::used;
use super::shapes::{Lease, Network, Node};
use super::{missing, path};
use crate::cli::Session;
use crate::cli::client::shaped;
use crate::cli::failure::Failure;
use crate::cli::table::{facts, joined, or_dash, render};

pub(super) async fn show(session: &mut Session<'_>, name: &str) -> Result<(), Failure> {
    let path = path(name);
    let value = session.client.get(&path).await.map_err(missing)?;
    session.print(&value, || Ok(describe(&shaped(&path, &value)?)))
}

fn describe(network: &Network) -> String {
    let mut pairs = vec![("name", network.name.clone())];
    for subnet in &network.subnets {
        let text = format!(
            "{}, a block of /{} a node, {} of {} free",
            subnet.net, subnet.block, subnet.free, subnet.blocks
        );
        pairs.push(("subnet", text));
    }
    let mtu = network.mtu.map(|mtu| mtu.to_string());
    pairs.push((
        "mtu",
        mtu.unwrap_or_else(|| "found by each node".to_owned()),
    ));
    let masquerade = match network.masquerade {
        true => "what leaves the network gets the node's address",
        false => "no, containers keep their addresses everywhere",
    };
    pairs.push(("masquerade", masquerade.to_owned()));
    pairs.push(("created", network.created.clone()));
    pairs.extend(
        network
            .problems
            .iter()
            .map(|text| ("problem", text.clone())),
    );
    let mut text = facts(pairs);
    if !network.nodes.is_empty() {
        text.push('\n');
        let heading = ["NODE", "BLOCK", "USED", "SINCE"];
        text.push_str(&render(heading, network.nodes.iter().map(row)));
    }
    let blocks = network.nodes.iter().flat_map(|node| &node.blocks);
    let leases: Vec<&Lease> = blocks.flat_map(|block| &block.leases).collect();
    if !leases.is_empty() {
        text.push('\n');
        let row = |lease: &&Lease| {
            [
                lease.address.clone(),
                lease.holder.clone(),
                lease.since.clone(),
            ]
        };
        text.push_str(&render(
            ["ADDRESS", "HOLDER", "SINCE"],
            leases.iter().map(row),
        ));
    }
    text
}

fn row(node: &Node) -> [String; 4] {
    [
        node.node.clone(),
        joined(node.blocks.iter().map(|block| block.net.clone())),
        joined(node.blocks.iter().filter_map(used)),
        or_dash(Some(&node.since)),
    ]
}
