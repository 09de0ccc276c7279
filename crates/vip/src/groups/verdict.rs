//! Whether two addresses may talk, and why: what the datapath does, for people.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{DEFAULT, GroupTable};

/// What is known of one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// A task's container in these groups.
    Task(BTreeSet<String>),
    /// An address of a virtual network that no task has: the default group.
    Unknown,
    /// A node's own address.
    Node,
    /// An address outside of all virtual networks.
    Outside,
}

impl Side {
    /// Its groups; nothing for one that groups do not concern.
    #[must_use]
    pub fn groups(&self) -> Option<BTreeSet<String>> {
        match self {
            Self::Task(groups) => Some(groups.clone()),
            Self::Unknown => Some(BTreeSet::from([DEFAULT.to_owned()])),
            Self::Node | Self::Outside => None,
        }
    }
}

/// Whether two addresses may talk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The one.
    pub from: Side,
    /// And the other.
    pub to: Side,
    /// Groups of both.
    pub shared: BTreeSet<String>,
    /// Whether they may.
    pub allowed: bool,
}

impl GroupTable {
    /// What is known of an address.
    #[must_use]
    pub fn side(&self, address: IpAddr) -> Side {
        let address = address.to_canonical();
        if self.open.contains(&address) {
            Side::Node
        } else if let Some(holder) = self.holders.get(&address) {
            Side::Task(holder.groups.clone())
        } else if self.is_inside(address) {
            Side::Unknown
        } else {
            Side::Outside
        }
    }

    /// Whether two addresses may talk; the same both ways.
    #[must_use]
    pub fn verdict(&self, from: IpAddr, to: IpAddr) -> Verdict {
        let (from, to) = (self.side(from), self.side(to));
        let (shared, allowed) = match (from.groups(), to.groups()) {
            (Some(a), Some(b)) => {
                let shared: BTreeSet<_> = a.intersection(&b).cloned().collect();
                let allowed = !shared.is_empty();
                (shared, allowed)
            }
            _ => (BTreeSet::new(), true),
        };
        Verdict {
            from,
            to,
            shared,
            allowed,
        }
    }
}
