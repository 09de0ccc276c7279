//! `sealane network list`.

use super::PATH;
use super::shapes::{Block, Network, Networks, Other};
use crate::cli::Session;
use crate::cli::client::shaped;
use crate::cli::failure::Failure;
use crate::cli::table::{joined, render};

pub(super) async fn list(session: &mut Session<'_>) -> Result<(), Failure> {
    let value = session.client.get(PATH).await?;
    session.print(&value, || Ok(describe(&shaped(PATH, &value)?)))
}

fn describe(all: &Networks) -> String {
    let heading = [
        "NETWORK",
        "SUBNETS",
        "BLOCK",
        "FREE BLOCKS",
        "NODES",
        "USED HERE",
        "PROBLEMS",
    ];
    let mut text = render(heading, all.networks.iter().map(row));
    let mut more = |table: String| {
        text.push('\n');
        text.push_str(&table);
    };
    if !all.others.is_empty() {
        let heading = ["OTHER NETWORK", "ENGINE", "PLUGINS"];
        more(render(heading, all.others.iter().map(other)));
    }
    let rows = problems(all);
    if !rows.is_empty() {
        more(render(["ABOUT", "PROBLEM"], rows));
    }
    text
}

fn row(network: &Network) -> [String; 7] {
    let subnets = &network.subnets;
    [
        network.name.clone(),
        joined(subnets.iter().map(|it| it.net.clone())),
        joined(subnets.iter().map(|it| format!("/{}", it.block))),
        joined(
            subnets
                .iter()
                .map(|it| format!("{}/{}", it.free, it.blocks)),
        ),
        network.nodes.len().to_string(),
        joined(
            network
                .nodes
                .iter()
                .flat_map(|it| &it.blocks)
                .filter_map(used),
        ),
        match network.problems.len() {
            0 => "-".to_owned(),
            problems => format!("{problems} !"),
        },
    ]
}

/// `3/253`: addresses in use, of those that there are; unknown of other nodes' blocks.
pub(super) fn used(block: &Block) -> Option<String> {
    let (used, capacity) = (block.used?, block.capacity?);
    Some(match u32::try_from(capacity) {
        Ok(capacity) => format!("{used}/{capacity}"),
        // Nobody runs out of those.
        Err(_) => used.to_string(),
    })
}

fn other(other: &Other) -> [String; 3] {
    [
        other.name.clone(),
        other.engine.clone(),
        joined(other.plugins.iter().cloned()),
    ]
}

fn problems(all: &Networks) -> Vec<[String; 2]> {
    let of_networks = all.networks.iter().flat_map(|network| {
        let about = format!("network {}", network.name);
        let problems = network.problems.iter();
        problems.map(move |text| [about.clone(), text.clone()])
    });
    let of_others = all.others.iter().filter_map(|other| {
        let about = format!("network {}", other.name);
        Some([about, other.problem.clone()?])
    });
    let others = all.problems.iter();
    let others = others.map(|problem| [problem.about.clone(), problem.message.clone()]);
    of_networks.chain(of_others).chain(others).collect()
}
