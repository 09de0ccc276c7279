//! Containers that somebody else started and labelled: this node's records of them.
//!
//! A container with a label such as `VIP_0=web:80` serves like an instance of an app,
//! though no task is behind it. This reconciler keeps one record of each that runs,
//! with its addresses, its ports and its health as its engine sees them, and with what
//! is wrong with its labels. Events of the engine wake it; since those may be lost, all
//! containers are looked at every [`PERIOD`] and whenever events begin anew.
//!
//! Nobody else writes this node's records, so what is found there and belongs to no
//! container that runs was left by a daemon before this one, and is deleted. An engine
//! that is away unlearns nothing.

mod bystanders;
mod labels;
mod looks;
mod ports;
mod record;
mod strangers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engines::{Discovery, EngineError, News};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use model::{External, NodeId};
use store::{Change, Expect, Mirror, Outcome, Records, State};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use bystanders::Bystanders;
use looks::Looks;
use record::record;
#[doc(hidden)] // A door for `fuzz/`.
pub use record::record as external;
use strangers::Strangers;

use crate::node::NodeOptions;
use crate::placing::Placing;
use crate::report::Reports;

/// How often all containers are looked at although the engine said nothing.
const PERIOD: Duration = Duration::from_secs(30);

/// Pause before the engine is asked again for its events, and before what failed is
/// tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How long listing containers may take.
const LIST_LIMIT: Duration = Duration::from_secs(5);

/// Events that are answered by one round.
const BATCH: usize = 256;

/// The reconciler.
pub(crate) struct Externals {
    records: Records,
    mirror: Mirror,
    node: NodeOptions,
    bystanders: Bystanders,
    placing: Placing,
    reports: Reports,
}

impl Externals {
    pub(crate) fn new(
        records: Records,
        mirror: &Mirror,
        node: NodeOptions,
        placing: &Placing,
        reports: &Reports,
    ) -> Self {
        Self {
            records,
            mirror: mirror.clone(),
            node,
            bystanders: Bystanders::default(),
            placing: placing.clone(),
            reports: reports.clone(),
        }
    }

    /// Where all containers of others are found, as last seen.
    pub(crate) fn bystanders(&self) -> &Bystanders {
        &self.bystanders
    }

    /// Reconciles until `stop`. Without an engine that is told of containers of others
    /// (`discovery`), no record of this node is true, and none stays.
    pub(crate) async fn run(self, discovery: Option<Arc<dyn Discovery>>, stop: CancellationToken) {
        let work = async {
            // Before the store was read once, every record would look missing.
            self.mirror.at_least(1).await;
            match discovery {
                Some(discovery) => self.follow(discovery).await,
                None => self.clear().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    }

    /// Keeps the records true; begins anew whenever the engine comes back.
    async fn follow(&self, discovery: Arc<dyn Discovery>) {
        let mut strangers = Strangers::default();
        loop {
            let began = Instant::now();
            match discovery.news().await {
                Ok(news) => self.attend(&discovery, &mut strangers, news).await,
                Err(error) => self.reports.note("externals", began, None, told(&error)),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Follows one stream of news to its end.
    async fn attend(
        &self,
        discovery: &Arc<dyn Discovery>,
        strangers: &mut Strangers,
        mut news: BoxStream<'static, News>,
    ) {
        let mut looks = Looks::new(Arc::clone(discovery));
        let [mut regularly, mut soon] = [PERIOD, RETRY].map(|period| {
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        let (mut done, mut listed) = (true, true);
        loop {
            let mut failures = Vec::new();
            tokio::select! {
                // The first tick is at once.
                _ = regularly.tick() => match list(discovery).await {
                    Ok(running) => {
                        listed = true;
                        strangers.list(&running);
                        looks.begin(running);
                    }
                    Err(error) => {
                        listed = false;
                        failures = told(&error);
                    }
                },
                _ = soon.tick(), if !(done && listed) => {
                    looks.begin(strangers.failed());
                    if !listed {
                        regularly.reset_immediately();
                    }
                }
                news = batch(&mut news) => match news {
                    Some(news) => looks.begin(strangers.hear(news, Instant::now())),
                    None => return,
                },
                looked = looks.next() => strangers.see(looked, Instant::now()),
            }
            failures.extend(strangers.failures());
            done = self.round(strangers, failures).await;
        }
    }

    /// Makes the records say what is known; yields whether nothing failed.
    async fn round(&self, strangers: &Strangers, mut failures: Vec<String>) -> bool {
        let began = Instant::now();
        if self.bystanders.set(strangers.all().map(|(seen, _)| seen)) {
            // Asks for their places and does not wait: they run already.
            let _ = self.placing.now().now_or_never();
        }
        let wanted = wanted(strangers, &self.node);
        let change = change(&self.mirror.state(), &self.node.id, &wanted, |container| {
            strangers.knows(container)
        });
        let did = self.write(change, &mut failures).await;
        let done = failures.is_empty();
        self.reports.note("externals", began, did, failures);
        done
    }

    /// Deletes all records of this node, which has no engine that could vouch for them.
    async fn clear(&self) {
        loop {
            let (began, mut failures) = (Instant::now(), Vec::new());
            let state = self.mirror.state();
            let change = change(&state, &self.node.id, &BTreeMap::new(), |_| true);
            let did = self.write(change, &mut failures).await;
            self.reports.note("externals", began, did, failures);
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Yields what it did, for people.
    async fn write(&self, change: Change, failures: &mut Vec<String>) -> Option<String> {
        if change.is_empty() {
            return None;
        }
        let count = change.len();
        match self.records.commit(change).await {
            Ok(Outcome::Committed(revision)) => {
                // The next round must see it.
                self.mirror.at_least(revision).await;
                return Some(format!("{count} records"));
            }
            Ok(Outcome::Conflict) => failures.push(
                "somebody else changed records of this node's containers; looking again".to_owned(),
            ),
            Err(error) => failures.push(error.to_string()),
        }
        None
    }
}

/// Which containers run.
async fn list(discovery: &Arc<dyn Discovery>) -> Result<BTreeSet<String>, EngineError> {
    match tokio::time::timeout(LIST_LIMIT, discovery.running()).await {
        Ok(running) => Ok(running?.into_iter().collect()),
        Err(_) => Err(EngineError::Timeout {
            what: "Docker's list of containers".to_owned(),
            seconds: LIST_LIMIT.as_secs(),
        }),
    }
}

/// An engine that is away is reported by the node's reconciler.
fn told(error: &EngineError) -> Vec<String> {
    match error {
        EngineError::Unavailable { .. } => Vec::new(),
        other => vec![other.to_string()],
    }
}

/// Waits for news and takes what is there already, too; `None` when the stream ended.
async fn batch(news: &mut BoxStream<'static, News>) -> Option<Vec<News>> {
    let mut batch = vec![news.next().await?];
    while batch.len() < BATCH
        && let Some(Some(next)) = news.next().now_or_never()
    {
        batch.push(next);
    }
    Some(batch)
}

/// The records of all containers with labels for us.
fn wanted(strangers: &Strangers, node: &NodeOptions) -> BTreeMap<String, External> {
    strangers
        .all()
        .filter_map(|(sighting, ending)| record(sighting, ending, node))
        .map(|external| (external.container.clone(), external))
        .collect()
}

/// What makes this node's records those that are wanted. Where nobody `knows` what
/// became of a container, its record is left alone.
fn change(
    state: &State,
    node: &NodeId,
    wanted: &BTreeMap<String, External>,
    knows: impl Fn(&str) -> bool,
) -> Change {
    let mut change = Change::new();
    let unreadable: Vec<String> = state.unreadable_externals(node).collect();
    for (container, external) in wanted {
        let expect = match state.externals.get(&(node.clone(), container.clone())) {
            Some(held) if *held.record == *external => continue,
            Some(held) => Expect::Revision(held.revision),
            None if unreadable.contains(container) => Expect::Any,
            None => Expect::Absent,
        };
        change.put_external(external, expect);
    }
    let unwanted = |container: &str| !wanted.contains_key(container) && knows(container);
    for ((of, container), held) in &state.externals {
        if of == node && unwanted(container) {
            change.delete_external(node, container, Expect::Revision(held.revision));
        }
    }
    for container in unreadable.iter().filter(|it| unwanted(it)) {
        change.delete_external(node, container, Expect::Any);
    }
    change
}

#[cfg(test)]
mod tests;
