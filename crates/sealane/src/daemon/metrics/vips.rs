//! What each port of a VIP has come to.

use agent::{Counted, ServiceCounts};
use api::{BackendStanding, VipView};
use datapath::Connects;
use vip::ServiceKey;

use super::OTHER;
use super::exposition::{Exposition, Kind, Labels};
use super::ledger::{KINDS, Ledger, Totals};

/// Samples of the first `limit` ports of VIPs, and the sums of all others.
pub(super) fn write(text: &mut Exposition, vips: &[VipView], known: &Known<'_>, limit: usize) {
    let rows = rows(vips, known, limit);
    counters(text, &rows);
    failures(text, &rows, known.counted.unknown);
    gauges(text, &rows);
    histogram(text, &rows);
}

/// What was counted of VIPs.
pub(super) struct Known<'a> {
    /// By the kernel.
    pub(super) ledger: &'a Ledger,
    /// By the agent.
    pub(super) counted: &'a Counted,
}

/// A VIP's port, or all that are summed up.
#[derive(Default)]
struct Row {
    labels: Labels,
    totals: Totals,
    counts: ServiceCounts,
    open: u64,
    ejected: u64,
    /// In the order of [`STATES`].
    states: [u64; STATES.len()],
    /// Whether handshakes are counted at all.
    handshakes: bool,
}

/// Stands for a VIP that was gone before anybody looked.
const UNKNOWN: &str = "unknown";

const STATES: [(BackendStanding, &str); 4] = [
    (BackendStanding::Ready, "ready"),
    (BackendStanding::Second, "second"),
    (BackendStanding::Draining, "draining"),
    (BackendStanding::Gone, "gone"),
];

impl Row {
    fn add(&mut self, vip: &VipView, totals: Totals, counts: ServiceCounts) {
        self.totals += totals;
        self.counts += counts;
        self.handshakes |= vip.at.protocol == model::Protocol::Tcp;
        for backend in &vip.backends {
            for ((state, _), count) in STATES.iter().zip(&mut self.states) {
                *count += u64::from(*state == backend.state);
            }
            if let Some(counts) = &backend.counts {
                self.open += u64::from(counts.open);
                self.ejected += u64::from(counts.ejection.is_some());
            }
        }
    }
}

fn rows(vips: &[VipView], known: &Known<'_>, limit: usize) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (index, vip) in vips.iter().enumerate() {
        if index <= limit {
            let labels = if index < limit {
                labels(vip)
            } else {
                Labels::default().and("vip", OTHER)
            };
            rows.push(Row {
                labels,
                ..Row::default()
            });
        }
        let key = ServiceKey {
            address: vip.at.address,
            port: vip.at.port,
            protocol: vip.at.protocol,
        };
        if let Some(row) = rows.last_mut() {
            let counts = known.counted.services.get(&key).copied();
            row.add(vip, known.ledger.totals(&key), counts.unwrap_or_default());
        }
    }
    rows
}

/// What tells a VIP's port from all others.
pub(super) fn labels(vip: &VipView) -> Labels {
    let at = &vip.at;
    let address = at.address.to_string();
    Labels::default()
        .and("vip", at.name.as_deref().unwrap_or(&address))
        .and("address", &address)
        .and("port", at.port)
        .and("protocol", at.protocol)
}

fn counters(text: &mut Exposition, rows: &[Row]) {
    let name = "sealane_vip_connects_total";
    text.family(
        Kind::Counter,
        name,
        "Connections and pinned UDP sockets of this node's clients.",
    );
    for row in rows {
        text.sample(name, &row.labels, row.totals.connects);
    }
    let name = "sealane_vip_refused_total";
    text.family(
        Kind::Counter,
        name,
        "Connections and datagrams refused for want of a backend.",
    );
    for row in rows {
        text.sample(name, &row.labels, row.totals.refused);
    }
}

/// Of TCP alone, since nothing is learned from UDP. Ejections that are nobody's make the
/// sum over all VIPs right.
fn failures(text: &mut Exposition, rows: &[Row], unknown: u64) {
    let name = "sealane_vip_connect_failures_total";
    text.family(
        Kind::Counter,
        name,
        "TCP connects to backends that did not succeed; aborted ones by the client's doing.",
    );
    for row in rows.iter().filter(|row| row.handshakes) {
        for (kind, value) in KINDS.iter().zip(row.totals.failures) {
            text.sample(name, &row.labels.clone().and("kind", kind), value);
        }
    }
    let name = "sealane_vip_ejections_total";
    let help = "How often a backend was ejected because connects to it failed.";
    text.family(Kind::Counter, name, help);
    for row in rows.iter().filter(|row| row.handshakes) {
        text.sample(name, &row.labels, row.counts.ejections);
    }
    text.sample(name, &Labels::default().and("vip", UNKNOWN), unknown);
    let name = "sealane_vip_probes_total";
    text.family(
        Kind::Counter,
        name,
        "Probes of ejected backends by this host: answered; failed; unclear, where this host \
         could not ask.",
    );
    for row in rows.iter().filter(|row| row.handshakes) {
        let counts = &row.counts;
        for (result, value) in [
            ("answered", counts.answered),
            ("failed", counts.failed),
            ("unclear", counts.unclear),
        ] {
            text.sample(name, &row.labels.clone().and("result", result), value);
        }
    }
}

fn gauges(text: &mut Exposition, rows: &[Row]) {
    let name = "sealane_vip_open_connections";
    let help = "Open connections and pinned UDP sockets of this node's clients.";
    text.family(Kind::Gauge, name, help);
    for row in rows {
        text.sample(name, &row.labels, row.open);
    }
    let name = "sealane_vip_backends";
    text.family(
        Kind::Gauge,
        name,
        "Backends by state: ready; second, used when no ready one can be; draining; gone, with \
         connections still open.",
    );
    for row in rows {
        for ((_, state), value) in STATES.iter().zip(row.states) {
            text.sample(name, &row.labels.clone().and("state", state), value);
        }
    }
    let name = "sealane_vip_ejected_backends";
    let help = "Backends that new connections keep away from because connects to them failed.";
    text.family(Kind::Gauge, name, help);
    for row in rows {
        text.sample(name, &row.labels, row.ejected);
    }
}

/// Without a sum: the kernel counts buckets alone, and none is made up.
fn histogram(text: &mut Exposition, rows: &[Row]) {
    let name = "sealane_vip_connect_seconds";
    text.family(
        Kind::Histogram,
        name,
        "Time of TCP handshakes with backends.",
    );
    let bucket = format!("{name}_bucket");
    for row in rows.iter().filter(|row| row.handshakes) {
        let mut sum = 0;
        let bounds = Connects::BOUNDS
            .iter()
            .map(|bound| bound.as_secs_f64().to_string());
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(row.totals.times) {
            sum += count;
            text.sample(&bucket, &row.labels.clone().and("le", bound), sum);
        }
        text.sample(&format!("{name}_count"), &row.labels, sum);
    }
}
