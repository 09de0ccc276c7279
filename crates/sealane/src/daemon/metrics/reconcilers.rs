//! What the reconcilers did last.

use std::collections::BTreeMap;

use agent::Report;

use super::exposition::{Exposition, Kind, Labels};

pub(super) fn write(text: &mut Exposition, reports: &BTreeMap<&'static str, Report>) {
    let labels = |name: &&str| Labels::default().and("reconciler", name);
    let name = "sealane_reconciler_runs_total";
    text.family(Kind::Counter, name, "Runs since the daemon's start.");
    for (reconciler, report) in reports {
        text.sample(name, &labels(reconciler), report.runs);
    }
    let name = "sealane_reconciler_seconds";
    text.family(Kind::Gauge, name, "How long the last run took.");
    for (reconciler, report) in reports {
        let seconds = std::time::Duration::from_micros(report.micros).as_secs_f64();
        text.sample(name, &labels(reconciler), seconds);
    }
    let name = "sealane_reconciler_failures";
    text.family(Kind::Gauge, name, "What the last run could not do.");
    for (reconciler, report) in reports {
        text.sample(name, &labels(reconciler), report.failures.len());
    }
}
