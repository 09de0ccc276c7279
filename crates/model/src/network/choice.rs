//! Which block a node takes.
//!
//! Nodes choose for themselves, and the store lets one of two that choose the same win.
//! So that this seldom happens, each begins to look at a place that follows from its
//! name, and goes on from there.

use std::fmt;

use ipnet::IpNet;

use super::{Network, Occupied, Subnet};
use crate::NodeId;

/// Holders that an explanation names.
const NAMED: usize = 5;

/// A subnet of which no block is left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Exhausted {
    /// The subnet.
    pub subnet: Subnet,
    /// Who has its blocks, each once, in the order of the blocks.
    pub by: Vec<String>,
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, net) = (self.subnet.blocks(), self.subnet.net);
        write!(f, "{count} of {count} blocks of {net} are taken")?;
        let named: Vec<&str> = self.by.iter().take(NAMED).map(String::as_str).collect();
        if !named.is_empty() {
            write!(f, ", by {}", named.join(", "))?;
        }
        match self.by.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl Network {
    /// A block of each subnet that is free, for `node`.
    ///
    /// # Errors
    /// Every subnet that has none left.
    pub fn choose(&self, node: &NodeId, taken: &[Occupied]) -> Result<Vec<IpNet>, Vec<Exhausted>> {
        let choices = self.subnets.iter().map(|subnet| subnet.choose(node, taken));
        let (mut nets, mut exhausted) = (Vec::new(), Vec::new());
        for choice in choices {
            match choice {
                Ok(net) => nets.push(net),
                Err(error) => exhausted.push(error),
            }
        }
        if exhausted.is_empty() {
            Ok(nets)
        } else {
            Err(exhausted)
        }
    }
}

impl Subnet {
    /// A block that overlaps nothing of what is taken.
    ///
    /// # Errors
    /// When there is none.
    pub fn choose(&self, node: &NodeId, taken: &[Occupied]) -> Result<IpNet, Exhausted> {
        let spans = self.spans(taken);
        let start = u128::from(fingerprint(&node.0))
            .checked_rem(self.blocks())
            .unwrap_or_default();
        let free = first_free(start, &spans)
            .and_then(|position| self.nth(position))
            .or_else(|| first_free(0, &spans).and_then(|position| self.nth(position)));
        free.ok_or_else(|| self.exhausted(taken))
    }

    /// How many blocks can still be taken.
    #[must_use]
    pub fn free(&self, taken: &[Occupied]) -> u128 {
        let (mut used, mut next) = (0_u128, 0);
        for (first, last) in self.spans(taken) {
            let first = first.max(next);
            if first <= last {
                used = used.saturating_add(last - first + 1);
                next = last.saturating_add(1);
            }
        }
        self.blocks().saturating_sub(used)
    }

    /// First and last position of the blocks that each of those that are taken touches,
    /// in order.
    fn spans(&self, taken: &[Occupied]) -> Vec<(u128, u128)> {
        let inside = taken.iter().filter_map(|it| self.span(it.net));
        let mut spans: Vec<_> = inside.collect();
        spans.sort_unstable();
        spans
    }

    fn span(&self, net: IpNet) -> Option<(u128, u128)> {
        if net.contains(&self.net) {
            return Some((0, self.blocks().checked_sub(1)?));
        }
        let first = self.position(net.network())?;
        Some((first, self.position(net.broadcast())?))
    }

    fn exhausted(&self, taken: &[Occupied]) -> Exhausted {
        let mut holders: Vec<_> = taken
            .iter()
            .filter_map(|it| Some((self.span(it.net)?, it.by.as_str())))
            .collect();
        holders.sort_unstable();
        let mut by: Vec<String> = Vec::new();
        for (_, holder) in holders {
            if !by.iter().any(|known| known == holder) {
                by.push(holder.to_owned());
            }
        }
        Exhausted { subnet: *self, by }
    }
}

/// The first position from `start` on that is in none of the spans, which are in order;
/// it may lie behind the last block.
fn first_free(start: u128, spans: &[(u128, u128)]) -> Option<u128> {
    let mut position = start;
    for (first, last) in spans {
        if *first > position {
            break;
        }
        if *last >= position {
            position = last.checked_add(1)?;
        }
    }
    Some(position)
}

/// FNV-1a of 64 bits: any spread of names over blocks would do, as long as it is the same
/// in every version.
fn fingerprint(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
