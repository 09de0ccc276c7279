//! What each backend has come to.

use api::{BackendCounts, BackendView, VipView};

use super::OTHER;
use super::exposition::{Exposition, Kind, Labels};
use super::ledger::KINDS;
use super::vips::labels;
use crate::daemon::config::MetricsSection;

/// Samples of backends; yields how many are only in sums.
pub(super) fn write(text: &mut Exposition, vips: &[VipView], limits: MetricsSection) -> usize {
    let found = rows(vips, limits);
    loads(text, &found.rows);
    outcomes(text, &found.rows);
    found.summed
}

/// Backends as they are shown, and how many are only in sums.
#[derive(Default)]
struct Rows {
    rows: Vec<Row>,
    summed: usize,
}

#[derive(Default)]
struct Row {
    labels: Labels,
    open: u64,
    connects: u64,
    failures: [u64; KINDS.len()],
    ejected: u64,
    /// Absent for sums and before the first handshake.
    seconds: Option<f64>,
}

impl Row {
    fn add(&mut self, counts: &BackendCounts) {
        self.open += u64::from(counts.open);
        self.connects += counts.total;
        self.ejected += u64::from(counts.ejection.is_some());
        let failures = &counts.failures;
        let kinds = [
            failures.refused,
            failures.unanswered,
            failures.unroutable,
            failures.aborted,
        ];
        for (sum, more) in self.failures.iter_mut().zip(kinds) {
            *sum += u64::from(more);
        }
    }
}

/// A VIP's backends are shown one by one if all of them fit into what is left.
fn rows(vips: &[VipView], limits: MetricsSection) -> Rows {
    let mut found = Rows::default();
    let mut left = limits.backends;
    let mut other = Row::default();
    for (index, vip) in vips.iter().enumerate() {
        let counted = || vip.backends.iter().filter_map(with_counts);
        let number = counted().count();
        if index < limits.vips && number <= left {
            left -= number;
            for (backend, counts) in counted() {
                let mut row = Row {
                    labels: backend_labels(labels(vip), backend),
                    seconds: counts.connect_millis.map(|millis| millis / 1_000.0),
                    ..Row::default()
                };
                row.add(counts);
                found.rows.push(row);
            }
            continue;
        }
        found.summed += number;
        let mut sum = Row {
            labels: labels(vip).and("task", OTHER),
            ..Row::default()
        };
        let into = if index < limits.vips {
            &mut sum
        } else {
            &mut other
        };
        counted().for_each(|(_, counts)| into.add(counts));
        if index < limits.vips {
            found.rows.push(sum);
        }
    }
    if vips.len() > limits.vips {
        other.labels = Labels::default().and("vip", OTHER).and("task", OTHER);
        found.rows.push(other);
    }
    found
}

fn with_counts(backend: &BackendView) -> Option<(&BackendView, &BackendCounts)> {
    Some((backend, backend.counts.as_ref()?))
}

/// A task has several backends in a VIP if it is on several networks.
fn backend_labels(labels: Labels, backend: &BackendView) -> Labels {
    let task = backend.task.as_ref().map(model::TaskId::as_str);
    let labels = labels.and("task", task.unwrap_or_default());
    let labels = match backend.near {
        Some(near) => labels.and("near", near),
        None => labels,
    };
    match backend.far {
        Some(far) => labels.and("far", far),
        None => labels,
    }
}

fn loads(text: &mut Exposition, rows: &[Row]) {
    let name = "sealane_backend_open_connections";
    let help = "Open connections and pinned UDP sockets of this node's clients.";
    text.family(Kind::Gauge, name, help);
    for row in rows {
        text.sample(name, &row.labels, row.open);
    }
    let name = "sealane_backend_connects_total";
    let help = "Connections and pinned UDP sockets of this node's clients.";
    text.family(Kind::Counter, name, help);
    for row in rows {
        text.sample(name, &row.labels, row.connects);
    }
}

fn outcomes(text: &mut Exposition, rows: &[Row]) {
    let name = "sealane_backend_connect_failures_total";
    let help = "TCP connects that did not succeed; aborted ones by the client's doing.";
    text.family(Kind::Counter, name, help);
    for row in rows {
        for (kind, value) in KINDS.iter().zip(row.failures) {
            text.sample(name, &row.labels.clone().and("kind", kind), value);
        }
    }
    let name = "sealane_backend_ejected";
    let help = "Whether new connections keep away from it; of a sum, how many.";
    text.family(Kind::Gauge, name, help);
    for row in rows {
        text.sample(name, &row.labels, row.ejected);
    }
    let name = "sealane_backend_connect_seconds";
    let help = "Moving average of the TCP handshake's time.";
    text.family(Kind::Gauge, name, help);
    for row in rows {
        if let Some(seconds) = row.seconds {
            text.sample(name, &row.labels, seconds);
        }
    }
}
