//! What keeps containers from joining virtual networks here, or from being reached.

use std::collections::BTreeMap;

use model::Occupied;
use networks::{NetworkSummary, Usage};
use store::State;

/// A block is nearly full when so many of a hundred addresses are leased.
const NEARLY_FULL: u64 = 90;

/// What is wrong with virtual networks on a node, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Troubles {
    by_network: BTreeMap<String, Vec<String>>,
}

impl Troubles {
    /// What is wrong with a network.
    #[must_use]
    pub fn of(&self, network: &str) -> &[String] {
        self.by_network.get(network).map_or(&[], Vec::as_slice)
    }

    /// All of it, each with its network.
    pub(super) fn told(&self) -> impl Iterator<Item = String> {
        self.by_network.iter().flat_map(|(network, texts)| {
            let told = move |text| format!("network '{network}': {text}");
            texts.iter().map(told)
        })
    }

    pub(super) fn add(&mut self, network: &str, text: impl Into<String>) {
        let texts = self.by_network.entry(network.to_owned()).or_default();
        texts.push(text.into());
    }

    /// Addresses of a network that this host, or another network, uses as well.
    pub(super) fn find_overlaps(&mut self, state: &State, occupied: &[Occupied]) {
        for network in state.networks.values() {
            let others = state.networks.values();
            let others = others.filter(|it| it.name != network.name);
            let others: Vec<_> = others.flat_map(|it| Occupied::by_network(it)).collect();
            for overlap in network.overlaps(others.iter().chain(occupied)) {
                let text = format!(
                    "{overlap}, so that either may be out of reach here; delete the network and \
                     make it with other addresses"
                );
                self.add(&network.name, text);
            }
        }
    }

    /// Blocks of this node in which there is little or no room.
    pub(super) fn find_full_blocks(&mut self, usage: &[Usage]) {
        for block in usage {
            let Usage { used, capacity, .. } = *block;
            // In whole numbers, and large ones.
            if u128::from(used) * 100 < u128::from(capacity) * u128::from(NEARLY_FULL) {
                continue;
            }
            let text = format!(
                "{used} of {capacity} addresses of block {} are leased; end containers here, run \
                 them on other nodes, or make a network with larger blocks",
                block.block
            );
            self.add(&block.network, text);
        }
    }

    /// Configurations of other CNI networks that go by a virtual network's name.
    pub(super) fn find_namesakes<'a>(
        &mut self,
        state: &State,
        others: impl Iterator<Item = &'a NetworkSummary>,
    ) {
        for other in others.filter(|it| state.networks.contains_key(&it.name)) {
            let text = format!(
                "native containers join the CNI network of this name instead, which {} configures; \
                 remove that file, or give the virtual network another name",
                other.file.display()
            );
            self.add(&other.name, text);
        }
    }
}
