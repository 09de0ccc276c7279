//! Namespaces of tasks that share the host's address by ports.
//!
//! The engine makes and removes each with its container. Here is what that leaves to do:
//! taking over what a daemon before this one made, programs on interfaces that are new, and
//! removing what a crash has left.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use engines::EngineEvent;
use isolation::{Done, Isolation, IsolationError};
use model::{NodeId, Task};
use netlink::address::Changes;
use store::{Mirror, State};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use vip::PortRule;

use crate::hints::Hints;
use crate::housekeeping::chain;
use crate::options::Engines;
use crate::report::Reports;

/// How often everything is looked at although nothing happened.
const PERIOD: Duration = Duration::from_secs(30);

/// How soon what failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How long the engine may take to list its containers.
const LIMIT: Duration = Duration::from_secs(5);

/// Tells which tasks live, when asked.
type Living = Box<dyn FnOnce() -> BTreeSet<String> + Send>;

/// Who keeps the namespaces: [`Isolation`], but for tests.
#[async_trait]
pub(crate) trait Keeper: Send + Sync {
    /// Asks who lives as late as it can: whoever is not told of loses its namespace, and
    /// tasks may begin at any time.
    async fn reconcile(&self, living: Living) -> Result<Done, IsolationError>;
}

#[async_trait]
impl Keeper for Isolation {
    async fn reconcile(&self, living: Living) -> Result<Done, IsolationError> {
        Isolation::reconcile(self, living).await
    }
}

/// The reconciler.
pub(crate) struct Isolating<K> {
    pub(crate) keeper: K,
    pub(crate) engines: Engines,
    pub(crate) mirror: Mirror,
    pub(crate) node: NodeId,
    pub(crate) reports: Reports,
}

/// Whether a task's ports are isolated. A label that makes no sense was refused with its
/// app.
pub(crate) fn is_isolated(task: &Task) -> bool {
    vip::port_rule(&task.labels) == Ok(Some(PortRule::Isolate))
}

impl<K: Keeper> Isolating<K> {
    /// Reconciles when isolated tasks come or go, and every [`PERIOD`]; as long as there are
    /// any, on each hint and each change of addresses as well, since a new container or
    /// network may mean a new interface that leads to them.
    pub(crate) async fn run(self, hints: Hints, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.work(hints.subscribe()) => {}
        }
    }

    async fn work(&self, mut hints: broadcast::Receiver<EngineEvent>) {
        let mut states = self.mirror.subscribe();
        // Namespaces of tasks must not look like leftovers before tasks are known.
        self.mirror.at_least(1).await;
        let (mut containers, mut changes) = (BTreeSet::new(), None);
        loop {
            // Listening begins before looking, so that no change falls in between.
            changes = changes.or_else(|| Changes::listen().ok());
            let isolated = self.isolated(&states.borrow_and_update());
            let again = match self.reconcile(&mut containers).await {
                true => PERIOD,
                false => RETRY,
            };
            let again = tokio::time::sleep(again);
            tokio::pin!(again);
            loop {
                tokio::select! {
                    () = &mut again => break,
                    // Falling behind is the same as a hint about everything.
                    _ = hints.recv() => if !isolated.is_empty() { break },
                    hears = heard(&mut changes) => match hears {
                        true if !isolated.is_empty() => break,
                        true => {}
                        false => changes = None,
                    },
                    changed = states.changed() => {
                        if changed.is_err() {
                            return std::future::pending().await;
                        }
                        // Most changes are about others.
                        if self.isolated(&states.borrow_and_update()) != isolated {
                            break;
                        }
                    }
                }
            }
        }
    }

    /// Tasks of this node that are isolated.
    fn isolated(&self, state: &State) -> BTreeSet<String> {
        names(state, &self.node, is_isolated)
    }

    /// Yields whether nothing failed. `containers` are the tasks whose containers the engine
    /// last listed: one whose record is gone or cannot be read keeps its namespace until its
    /// container is removed, and an engine that is away unlearns nothing.
    async fn reconcile(&self, containers: &mut BTreeSet<String>) -> bool {
        let began = Instant::now();
        if let Some(engine) = &self.engines.native
            && let Ok(Ok(listed)) = tokio::time::timeout(LIMIT, engine.list()).await
        {
            let tasks = listed.into_iter().map(|it| it.task.to_string());
            *containers = tasks.collect();
        }
        // In this order: a container that was listed is in the records, or they are older.
        let (listed, mirror, node) = (containers.clone(), self.mirror.clone(), self.node.clone());
        let living = move || {
            let mut living = names(&mirror.state(), &node, |_| true);
            living.extend(listed);
            living
        };
        let (did, failures) = match self.keeper.reconcile(Box::new(living)).await {
            Ok(done) => (told(&done), Vec::new()),
            Err(error) => (None, vec![chain(&error)]),
        };
        let done = failures.is_empty();
        self.reports.note("isolation", began, did, failures);
        done
    }
}

/// Tasks of a node that are of some kind.
fn names(state: &State, node: &NodeId, those: impl Fn(&Task) -> bool) -> BTreeSet<String> {
    let here = state.tasks.values().filter(|task| task.node == *node);
    here.filter(|task| those(task))
        .map(|task| task.id.to_string())
        .collect()
}

/// What was done, for people; nothing on a node without such tasks.
fn told(done: &Done) -> Option<String> {
    let kept = (done.kept > 0).then(|| format!("{} tasks", done.kept));
    let list = |what: &str, all: &[String]| {
        (!all.is_empty()).then(|| format!("{what} {}", all.join(", ")))
    };
    let parts = [
        kept,
        list("repaired", &done.repaired),
        list("removed what was left of", &done.collected),
        list("programs changed on", &done.interfaces),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Waits for a change of addresses; false when the kernel tells of none any more.
async fn heard(changes: &mut Option<Changes>) -> bool {
    match changes {
        Some(changes) => changes.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
