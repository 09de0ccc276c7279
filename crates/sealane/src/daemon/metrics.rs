//! Metrics as Prometheus reads them.
//!
//! A node may have 10,000 VIP ports with ten backends each, and no collector wants
//! millions of series. So as many are shown one by one as the configuration says, in
//! the order of addresses, which does not change from one look to the next; the rest
//! is in the sums of `other`, and a metric tells how much is only there.

mod backends;
mod datapath;
mod dns;
mod exposition;
mod ledger;
mod reconcilers;
mod sweeps;
mod traffic;
mod vips;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ::datapath::ServiceUsage;
use agent::{Counted, Report};
use api::VipView;
use model::TaskState;
use store::State;

pub(super) use self::datapath::DatapathFacts;
pub(super) use self::sweeps::Means;
pub(super) use self::traffic::TaskTraffic;
use super::config::MetricsSection;
use exposition::{Exposition, Kind, Labels};
use ledger::Ledger;
use traffic::Traffic;

/// What stands for all that is summed up.
const OTHER: &str = "other";

/// The metrics of one daemon, and what they remember from one look to the next.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    limits: MetricsSection,
    ledger: Mutex<Ledger>,
    traffic: Mutex<Traffic>,
}

/// What metrics are made of.
pub(super) struct Sources<'a> {
    pub(super) state: &'a State,
    pub(super) vips: &'a [VipView],
    pub(super) usage: &'a [ServiceUsage],
    pub(super) datapath: &'a DatapathFacts,
    pub(super) counted: &'a Counted,
    pub(super) reports: &'a BTreeMap<&'static str, Report>,
    /// Of isolated tasks, in an order that does not change from one look to the next.
    pub(super) traffic: &'a [TaskTraffic],
    pub(super) dns: Option<&'a ::dns::Statistics>,
}

impl Metrics {
    pub(super) fn new(limits: MetricsSection) -> Self {
        Self {
            limits,
            ledger: Mutex::default(),
            traffic: Mutex::default(),
        }
    }

    /// All metrics of the node.
    pub(super) fn text(&self, sources: &Sources<'_>) -> String {
        let mut text = Exposition::default();
        records(&mut text, sources.state, sources.vips.len());
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.note(sources.usage);
        let known = vips::Known {
            ledger: &ledger,
            counted: sources.counted,
        };
        vips::write(&mut text, sources.vips, &known, self.limits.vips);
        drop(ledger);
        let summed = backends::write(&mut text, sources.vips, self.limits);
        self.summed(&mut text, sources, summed);
        let mut traffic = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        traffic.write(&mut text, sources.traffic, self.limits.tasks);
        drop(traffic);
        datapath::write(&mut text, sources.datapath);
        if sources.datapath.there {
            sweeps::write(&mut text, sources.counted.sweeps, sources.datapath.means);
        }
        reconcilers::write(&mut text, sources.reports);
        if let Some(dns) = sources.dns {
            dns::write(&mut text, dns);
        }
        text.into_text()
    }

    fn summed(&self, text: &mut Exposition, sources: &Sources<'_>, backends: usize) {
        let name = "sealane_metrics_summed";
        let help = "What is not shown one by one but in the sums of \"other\".";
        text.family(Kind::Gauge, name, help);
        let what = |what: &str| Labels::default().and("what", what);
        let vips = sources.vips.len().saturating_sub(self.limits.vips);
        text.sample(name, &what("vips"), vips);
        text.sample(name, &what("backends"), backends);
        let tasks = sources.traffic.len().saturating_sub(self.limits.tasks);
        text.sample(name, &what("tasks"), tasks);
    }
}

/// How much of everything the store holds.
fn records(text: &mut Exposition, state: &State, vips: usize) {
    let running = state
        .statuses
        .values()
        .filter(|status| status.state == TaskState::Running)
        .count();
    let waiting: u64 = state
        .launches
        .values()
        .map(|launch| u64::from(launch.waiting))
        .sum();
    for (name, help, value) in [
        ("apps", "Apps.", count(state.apps.len())),
        ("tasks", "Task records.", count(state.tasks.len())),
        ("tasks_running", "Tasks that run.", count(running)),
        (
            "externals",
            "Labelled containers that somebody else started.",
            count(state.externals.len()),
        ),
        (
            "deployments",
            "Deployments under way.",
            count(state.deployments.len()),
        ),
        (
            "instances_waiting",
            "Instances that are wanted and not there.",
            waiting,
        ),
        ("vips", "VIP ports.", count(vips)),
        ("store_revision", "Revision of the store.", state.revision),
    ] {
        text.single(Kind::Gauge, &format!("sealane_{name}"), help, value);
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
