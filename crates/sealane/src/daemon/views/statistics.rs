//! What went through the links of isolated tasks.

use agent::View;
use api::{PortsView, StatisticsView, TrafficControlView};
use isolation::{Qdisc, Statistics};
use model::TaskId;
use store::State;
use vip::PortRule;

use crate::daemon::metrics::TaskTraffic;

/// Mesos' name for the queue that limits what a task sends.
const LIMIT: &str = "bw_limit";

/// Of one task.
pub(super) async fn of_task(agent: &View, task: &TaskId) -> Result<Option<StatisticsView>, String> {
    let found = agent.statistics(task).await;
    found.map(|it| it.map(view)).map_err(|error| {
        format!("what went through the link of task {task} cannot be read: {error}")
    })
}

/// Of all tasks of this node, for metrics: what cannot be read is left out.
pub(super) async fn traffic(agent: &View, state: &State) -> Vec<TaskTraffic> {
    let mut traffic = Vec::new();
    for task in state.tasks.values().filter(|it| it.node == agent.node) {
        if vip::port_rule(&task.labels) != Ok(Some(PortRule::Isolate)) {
            continue;
        }
        if let Ok(Some(statistics)) = agent.statistics(&task.id).await {
            traffic.push(TaskTraffic {
                app: task.app.to_string(),
                task: task.id.to_string(),
                statistics,
            });
        }
    }
    traffic
}

fn view(statistics: Statistics) -> StatisticsView {
    StatisticsView {
        net_rx_packets: statistics.rx_packets,
        net_rx_bytes: statistics.rx_bytes,
        net_rx_errors: statistics.rx_errors,
        net_rx_dropped: statistics.rx_dropped,
        net_tx_packets: statistics.tx_packets,
        net_tx_bytes: statistics.tx_bytes,
        net_tx_errors: statistics.tx_errors,
        net_tx_dropped: statistics.tx_dropped,
        net_tx_rate_limit: statistics.qdisc.map(|queue| queue.rate_bps),
        net_traffic_control_statistics: statistics.qdisc.map(queue).into_iter().collect(),
        net_ephemeral_ports: PortsView {
            begin: *statistics.ephemeral.start(),
            end: *statistics.ephemeral.end(),
        },
        refused: statistics.refused,
    }
}

fn queue(queue: Qdisc) -> TrafficControlView {
    TrafficControlView {
        id: LIMIT,
        backlog: queue.backlog,
        bytes: queue.bytes,
        drops: queue.drops,
        overlimits: queue.overlimits,
        packets: queue.packets,
        qlen: queue.qlen,
        requeues: queue.requeues,
    }
}
