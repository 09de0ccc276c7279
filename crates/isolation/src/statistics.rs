//! What went through a task's link.

use crate::kernel::{looking, open};
use crate::shared::Shared;
use crate::{IsolationError, Qdisc, Statistics, plumb};

impl Shared {
    pub(crate) fn statistics(&self, id: &str) -> Result<Option<Statistics>, IsolationError> {
        let mut state = self.state();
        let Some(record) = state.records.get(id).cloned() else {
            return Ok(None);
        };
        self.adopt(&mut state)?;
        let socket = open()?;
        let link = plumb::index(&socket, &record.link)?;
        let Some(seen) = socket.counters(link).map_err(looking)? else {
            return Ok(None);
        };
        let programs = state.programs();
        let refused = programs.map(|programs| programs.refusals(link));
        let queue = match record.wanted.egress {
            Some(_) => plumb::queue(&record)?,
            None => None,
        };
        // The host's end receives what the task sends.
        Ok(Some(Statistics {
            rx_packets: seen.tx_packets,
            rx_bytes: seen.tx_bytes,
            rx_errors: seen.tx_errors,
            rx_dropped: seen.tx_dropped,
            tx_packets: seen.rx_packets,
            tx_bytes: seen.rx_bytes,
            tx_errors: seen.rx_errors,
            tx_dropped: seen.rx_dropped,
            qdisc: queue.map(|queue| Qdisc {
                backlog: queue.backlog.into(),
                bytes: queue.bytes,
                drops: queue.drops.into(),
                overlimits: queue.overlimits.into(),
                packets: queue.packets.into(),
                qlen: queue.qlen.into(),
                rate_bps: queue.rate,
                requeues: queue.requeues.into(),
            }),
            refused: refused.transpose()?.unwrap_or_default(),
            ephemeral: record.ephemeral(),
        }))
    }
}
