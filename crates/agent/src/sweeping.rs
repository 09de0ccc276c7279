//! Ending sockets that lead to backends which are gone.
//!
//! The datapath knows whether there is something to do, and makes a job of it that
//! takes no lock. Each table may leave such sockets behind; and a connect that was on
//! its way while its backend went shows only later, so that the datapath is asked again
//! every few seconds.

use std::time::{Duration, Instant};

use datapath::SweepReport;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::counts::Counts;
use crate::housekeeping::chain;
use crate::report::Reports;
use crate::services::Kernel;

/// How often the datapath is asked although no table was applied.
const PERIOD: Duration = Duration::from_secs(3);

/// How soon after a sweep the next one may be, at least.
const REST: Duration = Duration::from_millis(100);

/// The reconciler. `T` is what changes when a table was applied.
pub(crate) struct Sweeping<T> {
    pub(crate) kernel: Kernel,
    pub(crate) table: watch::Receiver<T>,
    pub(crate) counts: Counts,
    pub(crate) reports: Reports,
}

impl<T> Sweeping<T> {
    /// Sweeps whenever there is something to do, one sweep at a time.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let rest = tokio::select! {
                () = stop.cancelled() => return,
                rest = self.reconcile() => rest,
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PERIOD.saturating_sub(rest)) => {}
                changed = self.table.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Yields how long to wait before the next one.
    async fn reconcile(&self) -> Duration {
        let began = Instant::now();
        let due = self.kernel.with(|datapath| datapath.sweep()).flatten();
        let Some(sweep) = due else {
            self.reports.note("sweeps", began, None, Vec::new());
            return Duration::ZERO;
        };
        let swept = tokio::task::spawn_blocking(|| sweep.run()).await;
        let report = match swept {
            Ok(report) => report,
            Err(error) => {
                self.counts.sweep(0, true);
                let failures = vec![error.to_string()];
                self.reports.note("sweeps", began, None, failures);
                return PERIOD;
            }
        };
        let failed = !report.failures.is_empty();
        self.counts.sweep(report.ended, failed);
        let failures = report.failures.iter().map(|error| chain(error)).collect();
        self.reports.note("sweeps", began, did(&report), failures);
        report.rest().max(REST)
    }
}

/// What a sweep did, for people.
fn did(report: &SweepReport) -> Option<String> {
    if report.ended == 0 {
        return None;
    }
    let text = format!(
        "{} sockets ended in {} namespaces",
        report.ended, report.namespaces
    );
    tracing::info!(took = ?report.took, "{text}: their backends are gone");
    Some(text)
}

#[cfg(test)]
mod tests;
