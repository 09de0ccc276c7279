//! Looks at containers that are under way.
//!
//! Docker lets whoever looks wait while it is busy with the container: when one starts,
//! the first news of it comes long before it can be looked at. So looks run side by
//! side, and whatever is seen counts at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engines::{Discovery, Sighting};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::Semaphore;

/// Containers that are looked at at a time.
const TURNS: usize = 8;

/// How long one look may take.
const LIMIT: Duration = Duration::from_secs(5);

/// What a look showed.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) container: String,
    pub(super) found: Found,
}

/// What became of a container.
#[derive(Debug)]
pub(super) enum Found {
    /// It runs.
    Runs(Box<Sighting>),
    /// It does not run, or it is one of ours.
    Nothing,
    /// The engine failed.
    Failure(String),
    /// The engine does not answer about this one.
    Stuck,
}

/// Looks that are under way.
pub(super) struct Looks {
    discovery: Arc<dyn Discovery>,
    turns: Arc<Semaphore>,
    under_way: FuturesUnordered<BoxFuture<'static, Looked>>,
    /// Whose they are, and whether something happened since the look began.
    stale: BTreeMap<String, bool>,
}

impl Looks {
    pub(super) fn new(discovery: Arc<dyn Discovery>) -> Self {
        Self {
            discovery,
            turns: Arc::new(Semaphore::new(TURNS)),
            under_way: FuturesUnordered::new(),
            stale: BTreeMap::new(),
        }
    }

    /// Looks at these containers. One that is being looked at is looked at once more
    /// afterwards: the look may have been too early.
    pub(super) fn begin(&mut self, containers: impl IntoIterator<Item = String>) {
        for container in containers {
            if let Some(stale) = self.stale.get_mut(&container) {
                *stale = true;
                continue;
            }
            self.stale.insert(container.clone(), false);
            let (discovery, turns) = (Arc::clone(&self.discovery), Arc::clone(&self.turns));
            self.under_way
                .push(look(discovery, turns, container).boxed());
        }
    }

    /// What was seen meanwhile, at least one thing; waits without end while nothing is
    /// under way.
    pub(super) async fn next(&mut self) -> Vec<Looked> {
        let Some(first) = self.under_way.next().await else {
            return std::future::pending().await;
        };
        let mut seen = vec![first];
        while let Some(Some(next)) = self.under_way.next().now_or_never() {
            seen.push(next);
        }
        let again: Vec<_> = seen
            .iter()
            .filter(|looked| self.stale.remove(&looked.container) == Some(true))
            .map(|looked| looked.container.clone())
            .collect();
        self.begin(again);
        seen
    }
}

async fn look(discovery: Arc<dyn Discovery>, turns: Arc<Semaphore>, container: String) -> Looked {
    // Nobody closes it.
    let _turn = turns.acquire().await;
    let found = match tokio::time::timeout(LIMIT, discovery.sighting(&container)).await {
        Ok(Ok(Some(sighting))) => Found::Runs(Box::new(sighting)),
        Ok(Ok(None)) => Found::Nothing,
        Ok(Err(error)) => Found::Failure(error.to_string()),
        Err(_) => Found::Stuck,
    };
    Looked { container, found }
}
