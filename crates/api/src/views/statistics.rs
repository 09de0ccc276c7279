//! What went through the link of a task, under the names of Mesos' `ResourceStatistics`.

use std::collections::BTreeMap;

use serde::Serialize;

/// What a task with isolated ports got and sent, since its start and as it sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct StatisticsView {
    /// Packets that it got.
    pub net_rx_packets: u64,
    /// Bytes that it got.
    pub net_rx_bytes: u64,
    /// Packets for it that were broken.
    pub net_rx_errors: u64,
    /// Packets for it that were dropped.
    pub net_rx_dropped: u64,
    /// Packets that it sent.
    pub net_tx_packets: u64,
    /// Bytes that it sent.
    pub net_tx_bytes: u64,
    /// Packets that it could not send.
    pub net_tx_errors: u64,
    /// Packets of it that were dropped, those of `refused` not among them.
    pub net_tx_dropped: u64,
    /// How much it may send in bytes a second; absent without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub net_tx_rate_limit: Option<u64>,
    /// The queues before its link: `bw_limit` where what it sends is limited.
    pub net_traffic_control_statistics: Vec<TrafficControlView>,
    /// The ports that its connections begin from.
    pub net_ephemeral_ports: PortsView,
    /// Packets that it sent and may not send, by the reason. Mesos does not tell of them.
    pub refused: BTreeMap<&'static str, u64>,
}

/// A queue, as Mesos' `TrafficControlStatistics`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct TrafficControlView {
    /// Which.
    pub id: &'static str,
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
    /// Packets that the link gave back.
    pub requeues: u64,
}

/// Ports in a row, as Mesos' `Value.Range`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PortsView {
    /// The first.
    pub begin: u16,
    /// The last.
    pub end: u16,
}
