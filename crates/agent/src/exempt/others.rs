//! Containers that somebody else started and that have opted out.
//!
//! Docker lets whoever looks at a container wait while it is busy with it, so that looks
//! run side by side and hold up nobody.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engines::{Discovery, News, Sighting};
use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered};
use futures::{FutureExt, StreamExt};

use super::{LIMIT, of_container};

/// How often the list of containers is read although there was no news.
const PERIOD: Duration = Duration::from_secs(30);

/// What is known of them.
#[derive(Default)]
pub(super) struct Others {
    discovery: Option<Arc<dyn Discovery>>,
    news: Option<BoxStream<'static, News>>,
    listed: Option<Instant>,
    containers: BTreeMap<String, Other>,
    looks: FuturesUnordered<BoxFuture<'static, Looked>>,
    begun: u64,
    /// Whether all that were listed first have been looked at.
    known: bool,
}

/// A container, as it was last seen.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Other {
    /// The number of the latest look at it: any other that is under way is too old.
    look: u64,
    /// Its cgroup, if it has opted out.
    cgroup: Option<u64>,
    /// What is wrong with that, for people.
    failure: Option<String>,
}

/// What a look showed.
struct Looked {
    container: String,
    look: u64,
    /// Nothing if the engine did not answer, and nothing in it if the container is gone.
    found: Option<Option<Sighting>>,
}

impl Others {
    pub(super) fn new(discovery: Option<Arc<dyn Discovery>>) -> Self {
        Self {
            discovery,
            ..Self::default()
        }
    }

    /// Cgroups that are exempt.
    pub(super) fn exempt(&self) -> impl Iterator<Item = u64> {
        self.containers.values().filter_map(|other| other.cgroup)
    }

    /// Whether all have been looked at once.
    pub(super) fn are_known(&self) -> bool {
        self.known || self.discovery.is_none()
    }

    /// What failed, for people.
    pub(super) fn failures(&self) -> impl Iterator<Item = String> {
        let all = self.containers.values();
        all.filter_map(|other| other.failure.clone())
    }

    /// Listens, and lists containers from time to time. An engine that is away unlearns
    /// nothing, and is reported by the node's reconciler.
    pub(super) async fn follow(&mut self) {
        let Some(discovery) = self.discovery.clone() else {
            return;
        };
        if self.news.is_none() {
            // Before listing, so that nothing falls in between.
            let news = tokio::time::timeout(LIMIT, discovery.news()).await;
            self.news = news.ok().and_then(Result::ok);
        }
        if self.listed.is_some_and(|listed| listed.elapsed() < PERIOD) {
            return;
        }
        let running = tokio::time::timeout(LIMIT, discovery.running()).await;
        let Ok(Ok(running)) = running else {
            return;
        };
        self.listed = Some(Instant::now());
        self.containers.retain(|id, _| running.contains(id));
        for container in running {
            if !self.containers.contains_key(&container) {
                self.look_at(container);
            }
        }
        self.known |= self.looks.is_empty();
    }

    /// Returns when something that counts is different.
    pub(super) async fn changed(&mut self, mount: &Path) {
        loop {
            tokio::select! {
                told = next(&mut self.news) => match told {
                    // Most news is of signals and checks, but each may be of a start.
                    Some(News { container, .. }) => self.look_at(container),
                    None => {
                        // What happens until it is back shows when all are listed.
                        (self.news, self.listed) = (None, None);
                        return;
                    }
                },
                Some(looked) = self.looks.next(), if !self.looks.is_empty() => {
                    let differs = self.take(mount, looked);
                    let first = !self.known && self.looks.is_empty();
                    self.known |= first;
                    if differs || first {
                        return;
                    }
                }
            }
        }
    }

    fn look_at(&mut self, container: String) {
        let Some(discovery) = self.discovery.clone() else {
            return;
        };
        self.begun += 1;
        let look = self.begun;
        self.containers.entry(container.clone()).or_default().look = look;
        let looking = async move {
            let sighting = tokio::time::timeout(LIMIT, discovery.sighting(&container)).await;
            let found = sighting.ok().and_then(Result::ok);
            Looked {
                container,
                look,
                found,
            }
        };
        self.looks.push(looking.boxed());
    }

    /// Takes over what was seen; yields whether that makes a difference.
    fn take(&mut self, mount: &Path, looked: Looked) -> bool {
        let Some(known) = self.containers.get_mut(&looked.container) else {
            return false;
        };
        if known.look != looked.look {
            return false;
        }
        let before = known.clone();
        match looked.found {
            Some(Some(sighting)) => match opted_out(mount, &sighting) {
                Ok(cgroup) => (known.cgroup, known.failure) = (cgroup, None),
                Err(text) => known.failure = Some(text),
            },
            Some(None) => {
                self.containers.remove(&looked.container);
                return before.cgroup.is_some() || before.failure.is_some();
            }
            // What is known stays, and whoever is new is looked at with the next list.
            None if before.cgroup.is_none() => {
                self.containers.remove(&looked.container);
                return false;
            }
            None => return false,
        }
        *known != before
    }
}

/// The next news; waits without end while there is nobody to tell any.
async fn next(news: &mut Option<BoxStream<'static, News>>) -> Option<News> {
    match news {
        Some(news) => news.next().await,
        None => std::future::pending().await,
    }
}

/// The cgroup of a container that has opted out.
fn opted_out(mount: &Path, found: &Sighting) -> Result<Option<u64>, String> {
    match (vip::translate(&found.labels), found.pid) {
        (Ok(true), _) | (Ok(false), None) => Ok(None),
        (Ok(false), Some(pid)) => of_container(mount, &found.id, pid, None),
        (Err(error), _) => Err(format!("container {}: {error}", found.name)),
    }
}
