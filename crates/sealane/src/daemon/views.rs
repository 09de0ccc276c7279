//! What the API shows of this node, gathered from the parts that know it.

mod clients;
mod explain;
mod groups;
mod networks;
mod problems;
mod statistics;
mod trace;
pub(super) mod vips;

pub(super) use problems::stranger;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ::vip::ServiceTable;
use agent::View;
use api::{
    Client, ExplainError, ExplanationView, GroupWhyError, GroupWhyView, LogStream, NetworksView,
    ProblemView, StatisticsView, TraceView, TraceWish, Views, VipPort, VipsView,
};
use async_trait::async_trait;
use bytes::Bytes;
use datapath::{Ability, Foreign, ServiceUsage};
use futures::stream::BoxStream;
use leader::LeaderReport;
use model::TaskId;
use serde_json::{Value, json};
use store::{Mirror, State};
use tokio_util::sync::CancellationToken;

use super::config::Capacities;
use super::metrics::{self, DatapathFacts, Means, Metrics};
use super::rooms::{Room, rooms};

/// All parts of a running daemon that have something to show.
pub(super) struct NodeViews {
    pub(super) agent: View,
    pub(super) leader: Arc<Mutex<LeaderReport>>,
    pub(super) dns: Option<Arc<dns::Statistics>>,
    pub(super) mirror: Mirror,
    pub(super) metrics: Metrics,
    /// Virtual networks that are not as the configuration says, for people.
    pub(super) misconfigured: Vec<String>,
    /// Absent on a node that translates nothing.
    pub(super) datapath: Option<DatapathPlace>,
    /// Ends answers that go on.
    pub(super) stop: CancellationToken,
}

/// Where the datapath runs, what it can do there, and how much fits into it.
#[derive(Debug, Clone)]
pub(super) struct DatapathPlace {
    pub(super) cgroup: PathBuf,
    pub(super) capacities: Capacities,
    /// Asked once: it takes a while, and a kernel does not learn.
    pub(super) abilities: [Ability; 2],
}

impl DatapathPlace {
    /// How sweeps end sockets there.
    fn means(&self) -> Means {
        let [_, sweeping] = &self.abilities;
        match sweeping.there {
            true => Means::Iterator,
            false => Means::Diagnosis,
        }
    }
}

impl NodeViews {
    fn leader(&self) -> LeaderReport {
        self.leader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn table(&self) -> Arc<ServiceTable> {
        Arc::clone(&self.agent.table.borrow().1)
    }

    /// What the kernel counts; nothing on a node that translates nothing.
    fn usage(&self) -> Option<Vec<ServiceUsage>> {
        self.datapath.as_ref().map(|_| self.agent.usage())
    }

    fn vips_of(&self, state: &State, usage: Option<&[ServiceUsage]>) -> VipsView {
        vips::vips(vips::Sources {
            table: &self.table(),
            usage,
            omissions: &self.agent.omissions.load(),
            state,
        })
    }

    fn rooms(&self, usage: Option<&[ServiceUsage]>) -> Vec<Room> {
        let place = self.datapath.as_ref().zip(usage);
        place.map_or_else(Vec::new, |(place, usage)| {
            rooms(usage, &self.table().addresses, place.capacities).to_vec()
        })
    }

    /// What is known of the kernel side beside its services; nothing without one.
    fn datapath_state(&self) -> Option<Value> {
        let refused = self.agent.refused_elsewhere()?;
        let left_out = self.agent.omissions.load().all().count();
        Some(json!({ "refusedElsewhere": refused, "leftOut": left_out }))
    }

    /// Programs of others at the datapath's hooks. What cannot be read there is a
    /// finding of the self-check.
    fn foreign(&self) -> Vec<Foreign> {
        let place = self.datapath.as_ref();
        place
            .and_then(|place| datapath::foreign_programs(&place.cgroup).ok())
            .unwrap_or_default()
    }
}

#[async_trait]
impl Views for NodeViews {
    fn vips(&self) -> VipsView {
        self.vips_of(&self.mirror.state(), self.usage().as_deref())
    }

    async fn explain(
        &self,
        vip: &VipPort,
        client: &Client,
    ) -> Result<ExplanationView, ExplainError> {
        let state = self.mirror.state();
        let meant = clients::meant(client, &state, &self.agent.node)?;
        explain::explain(&self.agent, &state, vip, meant).await
    }

    fn group_why(&self, from: &str, to: &str) -> Result<Vec<GroupWhyView>, GroupWhyError> {
        groups::why(&self.agent, from, to)
    }

    fn trace(&self, wish: TraceWish) -> Result<BoxStream<'static, TraceView>, String> {
        if self.datapath.is_none() {
            return Err("this node translates no VIPs; see `sealane doctor`".to_owned());
        }
        Ok(trace::trace(&self.agent, wish, self.stop.clone()))
    }

    async fn networks(&self) -> NetworksView {
        networks::networks(&self.agent, &self.mirror.state()).await
    }

    async fn readiness(&self) -> BTreeMap<String, String> {
        networks::readiness(&self.agent).await
    }

    fn status(&self) -> Value {
        let state = self.mirror.state();
        let node = state
            .nodes
            .get(&self.agent.node)
            .map(|node| (*node.record).clone());
        let mut problems = self.problems();
        problems.extend(problems::of_records(&state));
        json!({
            "node": node,
            "revision": state.revision,
            "apps": state.apps.len(),
            "tasks": state.tasks.len(),
            "externals": state.externals.len(),
            "vips": self.table().services.keys().filter(|key| !vips::is_own(key)).count(),
            "deployments": state.deployments.len(),
            "reconcilers": self.agent.reports.all(),
            "leader": self.leader(),
            "datapath": self.datapath_state(),
            "problems": problems,
        })
    }

    async fn logs(
        &self,
        task: &TaskId,
        stream: LogStream,
        tail: Option<usize>,
    ) -> Result<Option<Bytes>, String> {
        let stream = match stream {
            LogStream::Stdout => engines::LogStream::Stdout,
            LogStream::Stderr => engines::LogStream::Stderr,
        };
        match self.agent.logs(task, stream, tail).await {
            Ok(text) => Ok(Some(text)),
            Err(engines::EngineError::NoContainer(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn statistics(&self, task: &TaskId) -> Result<Option<StatisticsView>, String> {
        statistics::of_task(&self.agent, task).await
    }

    async fn metrics(&self) -> String {
        let state = self.mirror.state();
        let traffic = statistics::traffic(&self.agent, &state).await;
        let usage = self.usage();
        let vips = self.vips_of(&state, usage.as_deref()).vips;
        let datapath = DatapathFacts {
            there: self.datapath.is_some(),
            findings: self.agent.findings().len(),
            foreign: self.foreign().len(),
            rooms: self.rooms(usage.as_deref()),
            omissions: self.agent.omissions.load_full(),
            refused_elsewhere: self.agent.refused_elsewhere().unwrap_or_default(),
            dropped: self.agent.group_drops().unwrap_or_default(),
            denied: self.agent.denied_binds(),
            means: self
                .datapath
                .as_ref()
                .map_or_else(Means::default, DatapathPlace::means),
        };
        self.metrics.text(&metrics::Sources {
            state: &state,
            vips: &vips,
            usage: usage.as_deref().unwrap_or_default(),
            datapath: &datapath,
            counted: &self.agent.counts.all(),
            reports: &self.agent.reports.all(),
            traffic: &traffic,
            dns: self.dns.as_deref(),
        })
    }

    fn problems(&self) -> Vec<ProblemView> {
        let mut problems = problems::of_parts(&self.agent, &self.leader(), self.dns.is_some());
        let rooms = self.rooms(self.usage().as_deref());
        let abilities = self
            .datapath
            .as_ref()
            .map_or(&[][..], |place| &place.abilities);
        problems.extend(problems::of_datapath(&rooms, &self.foreign(), abilities));
        problems.extend(problems::of_configuration(&self.misconfigured));
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_means_sweeps_have_is_the_second_ability() {
        let mut place = DatapathPlace {
            cgroup: PathBuf::new(),
            capacities: Capacities::default(),
            abilities: datapath::abilities(),
        };
        assert_eq!(place.abilities[1].name, "ending sockets by programs");
        for (there, means) in [(true, Means::Iterator), (false, Means::Diagnosis)] {
            place.abilities[1].there = there;
            assert_eq!(place.means(), means);
        }
    }
}
