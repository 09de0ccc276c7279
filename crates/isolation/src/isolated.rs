//! What a task wants and what it gets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use model::Protocol;
use serde::{Deserialize, Serialize};

use crate::Rate;

/// What a task was given and may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The node's ports that lead to it.
    pub ports: BTreeSet<(Protocol, u16)>,
    /// How much it may send; as much as it likes if absent.
    pub egress: Option<Rate>,
}

/// A task's namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Isolated {
    /// Where it is mounted.
    pub netns: PathBuf,
    /// The address in it, which is the node's.
    pub address: Ipv4Addr,
    /// The ports that its connections begin from.
    pub ephemeral: RangeInclusive<u16>,
}

/// What a reconciliation did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// Tasks that are isolated.
    pub kept: usize,
    /// Tasks whose link, ports or limit were not what was recorded, and are now.
    pub repaired: Vec<String>,
    /// What no living task has any more: tasks by their ids, else links and namespaces.
    pub collected: Vec<String>,
    /// Interfaces of the node that have got programs, or lost them with the last task.
    pub interfaces: Vec<String>,
}

impl Done {
    /// Whether all was as it should be.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.repaired.is_empty() && self.collected.is_empty() && self.interfaces.is_empty()
    }
}

/// What went through a task's link, as the task sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    /// Packets that it got.
    pub rx_packets: u64,
    /// Bytes that it got.
    pub rx_bytes: u64,
    /// Packets for it that were broken.
    pub rx_errors: u64,
    /// Packets for it that were dropped at its link.
    pub rx_dropped: u64,
    /// Packets that it sent.
    pub tx_packets: u64,
    /// Bytes that it sent.
    pub tx_bytes: u64,
    /// Packets that it could not send.
    pub tx_errors: u64,
    /// Packets of it that were dropped at its link, those of [`Statistics::refused`]
    /// not among them.
    pub tx_dropped: u64,
    /// What limits it; absent without a limit.
    pub qdisc: Option<Qdisc>,
    /// Packets that it sent and may not send, by the reason. Every reason is there.
    pub refused: BTreeMap<&'static str, u64>,
    /// The ports that its connections begin from.
    pub ephemeral: RangeInclusive<u16>,
}

/// The queue of a task whose sending is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Qdisc {
    /// Bytes that wait.
    pub backlog: u64,
    /// Bytes that were let go.
    pub bytes: u64,
    /// Packets for which there was no room.
    pub drops: u64,
    /// How often a packet had to wait for its turn.
    pub overlimits: u64,
    /// Packets that were let go.
    pub packets: u64,
    /// Packets that wait.
    pub qlen: u64,
    /// The limit: bytes a second.
    pub rate_bps: u64,
    /// Packets that the link gave back.
    pub requeues: u64,
}
