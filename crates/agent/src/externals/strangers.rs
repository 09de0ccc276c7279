//! What is known of the containers that somebody else started.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use engines::{News, Sighting};

use super::looks::{Found, Looked};

/// How long a container that was told to end and goes on counts as ending. Longer than
/// anybody's grace period; and one that does not heed the signal is used again.
const ENDING: Duration = Duration::from_secs(600);

/// SIGINT, SIGKILL and SIGTERM, which end most programs. Others are orders to some:
/// SIGHUP is "read your configuration again" to every second daemon.
const ENDING_SIGNALS: [i32; 3] = [2, 9, 15];

/// Containers as they were last seen.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    seen: BTreeMap<String, Sighting>,
    /// Those that run and were not seen yet.
    unseen: BTreeSet<String>,
    /// Processes that were told to end, by container, and when.
    ending: BTreeMap<String, (Option<u32>, Instant)>,
    /// Why the latest look at a container failed.
    failures: BTreeMap<String, Failure>,
    /// Whether the engine has told once what runs.
    listed: bool,
}

#[derive(Debug)]
struct Failure {
    text: String,
    /// Looking again soon may help.
    retry: bool,
}

impl Strangers {
    /// Those that run, with whether they were told to end.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Sighting, bool)> {
        let seen = self.seen.iter();
        seen.map(|(id, sighting)| (sighting, self.ending.contains_key(id)))
    }

    /// Whether it is known if the container runs, and how.
    pub(super) fn knows(&self, container: &str) -> bool {
        self.listed && !self.unseen.contains(container)
    }

    /// What failed, for people.
    pub(super) fn failures(&self) -> Vec<String> {
        let mut texts: Vec<_> = self.failures.values().map(|it| it.text.clone()).collect();
        texts.sort_unstable();
        texts.dedup();
        texts
    }

    /// Containers to look at again soon.
    pub(super) fn failed(&self) -> Vec<String> {
        let failed = self.failures.iter().filter(|(_, failure)| failure.retry);
        failed.map(|(id, _)| id.clone()).collect()
    }

    /// The engine tells which containers run.
    pub(super) fn list(&mut self, running: &BTreeSet<String>) {
        self.listed = true;
        self.seen.retain(|id, _| running.contains(id));
        self.failures.retain(|id, _| running.contains(id));
        let unseen = running.iter().filter(|id| !self.seen.contains_key(*id));
        self.unseen = unseen.cloned().collect();
    }

    /// The engine tells that something happened; yields which containers may look
    /// different because of it.
    pub(super) fn hear(&mut self, news: Vec<News>, now: Instant) -> BTreeSet<String> {
        let mut changed = BTreeSet::new();
        for News { container, signal } in news {
            if let (Some(signal), Some(sighting)) = (signal, self.seen.get(&container))
                && (ENDING_SIGNALS.contains(&signal) || signal == sighting.stop_signal)
            {
                let told = (sighting.pid, now);
                self.ending.insert(container.clone(), told);
            }
            let sharing = self.seen.values();
            changed.extend(
                sharing
                    .filter(|it| it.shares.as_ref() == Some(&container))
                    .map(|it| it.id.clone()),
            );
            changed.insert(container);
        }
        changed
    }

    /// Takes over what was seen. A container that could not be looked at stays as it was.
    pub(super) fn see(&mut self, looked: Vec<Looked>, now: Instant) {
        for Looked { container, found } in looked {
            let failure = match found {
                Found::Runs(sighting) => {
                    self.settle(&container);
                    self.seen.insert(container, *sighting);
                    continue;
                }
                Found::Nothing => {
                    self.settle(&container);
                    self.seen.remove(&container);
                    continue;
                }
                Found::Failure(text) => Failure { text, retry: true },
                Found::Stuck => Failure {
                    text: format!(
                        "Docker does not answer about container {container}; see its log"
                    ),
                    retry: false,
                },
            };
            if !self.seen.contains_key(&container) {
                self.unseen.insert(container.clone());
            }
            self.failures.insert(container, failure);
        }
        self.forget_endings(now);
    }

    fn settle(&mut self, container: &str) {
        self.unseen.remove(container);
        self.failures.remove(container);
    }

    /// Drops marks of processes that ended after all, or that went on for too long.
    fn forget_endings(&mut self, now: Instant) {
        let seen = &self.seen;
        self.ending.retain(|id, (pid, since)| {
            let lives = seen.get(id).is_some_and(|sighting| sighting.pid == *pid);
            lives && now.saturating_duration_since(*since) < ENDING
        });
    }
}
