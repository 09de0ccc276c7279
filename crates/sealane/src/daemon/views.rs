//! What the API shows of this node, gathered from the parts that know it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use agent::View;
use api::{BackendView, LogStream, ProblemView, Views, VipView};
use async_trait::async_trait;
use bytes::Bytes;
use datapath::{BackendUsage, ServiceUsage};
use leader::LeaderReport;
use model::TaskId;
use serde_json::{Value, json};
use store::{Mirror, State};
use vip::{Service, ServiceKey};

use super::metrics;

/// All parts of a running daemon that have something to show.
pub(super) struct NodeViews {
    agent: View,
    leader: Arc<Mutex<LeaderReport>>,
    dns: Option<Arc<dns::Statistics>>,
    mirror: Mirror,
}

impl NodeViews {
    pub(super) fn new(
        agent: View,
        leader: Arc<Mutex<LeaderReport>>,
        dns: Option<Arc<dns::Statistics>>,
        mirror: Mirror,
    ) -> Self {
        Self {
            agent,
            leader,
            dns,
            mirror,
        }
    }

    fn leader(&self) -> LeaderReport {
        self.leader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[async_trait]
impl Views for NodeViews {
    fn vips(&self) -> Vec<VipView> {
        let table = Arc::clone(&self.agent.table.borrow().1);
        let usage = self.agent.usage();
        let mut counted: BTreeMap<ServiceKey, &ServiceUsage> = BTreeMap::new();
        for service in &usage {
            counted.insert(service.key, service);
        }
        table
            .services
            .iter()
            // The resolver's address is a service of the daemon, not of anybody's app.
            .filter(|(key, _)| key.address != std::net::IpAddr::V4(dns::SERVICE_ADDRESS))
            .map(|(key, service)| vip_view(*key, service, counted.get(key).copied()))
            .collect()
    }

    fn status(&self) -> Value {
        let state = self.mirror.state();
        let node = state
            .nodes
            .get(&self.agent.node)
            .map(|node| (*node.record).clone());
        let mut problems = self.problems();
        problems.extend(problems_of_records(&state));
        json!({
            "node": node,
            "revision": state.revision,
            "apps": state.apps.len(),
            "tasks": state.tasks.len(),
            "vips": self.vips().len(),
            "deployments": state.deployments.len(),
            "reconcilers": self.agent.reports.all(),
            "leader": self.leader(),
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

    fn metrics(&self) -> String {
        metrics::text(&self.mirror.state(), &self.vips(), self.dns.as_deref())
    }

    fn problems(&self) -> Vec<ProblemView> {
        let problem = |about: &str, message: String| ProblemView {
            about: about.to_owned(),
            message,
        };
        let mut problems = Vec::new();
        for (name, report) in self.agent.reports.all() {
            problems.extend(report.failures.into_iter().map(|text| problem(name, text)));
        }
        problems.extend(
            self.agent
                .findings()
                .into_iter()
                .map(|text| problem("datapath", text)),
        );
        if self.dns.is_none() {
            problems.push(problem(
                "dns",
                "names are not served on this node".to_owned(),
            ));
        }
        let leader = self.leader();
        problems.extend(leader.failure.map(|text| problem("leader", text)));
        problems.extend(
            leader
                .unclaimed
                .into_iter()
                .map(|text| problem("vips", text)),
        );
        problems
    }
}

/// What the records themselves tell; `/v1/problems` adds the same to a node's own.
fn problems_of_records(state: &State) -> impl Iterator<Item = ProblemView> {
    let unreadable = state.unreadable.iter().map(|(key, reason)| ProblemView {
        about: format!("record {key}"),
        message: reason.clone(),
    });
    let launches = state.launches.values().flat_map(|launch| {
        launch.reasons.iter().map(|reason| ProblemView {
            about: format!("app {}", launch.app),
            message: reason.clone(),
        })
    });
    unreadable.chain(launches)
}

fn vip_view(key: ServiceKey, service: &Service, usage: Option<&ServiceUsage>) -> VipView {
    let backends = service
        .backends
        .iter()
        .map(|backend| {
            let counted: Option<&BackendUsage> = usage.and_then(|usage| {
                let same = |it: &&BackendUsage| it.task.as_ref() == Some(&backend.task);
                usage.backends.iter().find(same)
            });
            BackendView {
                task: backend.task.clone(),
                near: backend.near.as_ref().map(|near| near.address),
                far: backend.far,
                weight: backend.weight,
                state: backend.state,
                open: counted.map(|counted| u64::from(counted.open)),
                connects: counted.map(|counted| counted.total),
                failures: None,
            }
        })
        .collect();
    VipView {
        name: service.name.clone(),
        address: key.address,
        port: key.port,
        protocol: key.protocol,
        policy: service.policy,
        backends,
    }
}
