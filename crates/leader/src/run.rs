//! The loop.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use model::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use store::{Change, Expect, Mirror, Outcome, Records, State, StoreError};
use tokio_util::sync::CancellationToken;
use vip::{VipRanges, VipRecord};

use crate::claims::{self, Claims};
use crate::{commit, view};

/// Rounds in a row without waiting; a plan that never comes to an end would be a
/// defect, and must not take a whole core.
const ROUNDS: usize = 64;

/// Pause after a failure of the store, and after too many rounds.
const PAUSE: Duration = Duration::from_millis(500);

/// Longest wait without news; the clock may have been set meanwhile.
const PERIOD: Duration = Duration::from_secs(30);

/// What the leader is made of.
#[derive(Debug)]
pub struct LeaderOptions {
    /// Where changes are written.
    pub records: Records,
    /// What is there.
    pub mirror: Mirror,
    /// What shapes tasks.
    pub schedule: schedule::Config,
    /// Where VIPs' addresses come from.
    pub ranges: VipRanges,
}

/// What became of the latest round, for `/v1/status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaderReport {
    /// When it ended.
    pub at: Timestamp,
    /// Rounds since the start.
    pub rounds: u64,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// VIP names that got no address, with the reason.
    pub unclaimed: Vec<String>,
}

/// The scheduler of a fleet; one at a time.
#[derive(Debug)]
pub struct Leader {
    options: LeaderOptions,
    report: Arc<Mutex<LeaderReport>>,
}

impl Leader {
    /// A leader that has not begun.
    #[must_use]
    pub fn new(options: LeaderOptions) -> Self {
        Self {
            options,
            report: Arc::default(),
        }
    }

    /// Where the latest report is found while the leader runs.
    #[must_use]
    pub fn report(&self) -> Arc<Mutex<LeaderReport>> {
        Arc::clone(&self.report)
    }

    /// Plans until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut states = self.options.mirror.subscribe();
        let mut rng = StdRng::from_os_rng();
        loop {
            // Marked as seen before it is used: a change during the round wakes again.
            states.borrow_and_update();
            let wait = tokio::select! {
                // A store that hangs must not keep the daemon from ending.
                () = stop.cancelled() => return,
                wait = self.settle(&mut rng) => wait,
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
                changed = states.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Rounds until nothing is left to do; yields how long to wait without news.
    async fn settle(&self, rng: &mut StdRng) -> Duration {
        for _ in 0..ROUNDS {
            match self.round(rng).await {
                Ok(Round::Changed) => {}
                Ok(Round::Settled(again_at)) => {
                    self.note(None);
                    return again_at.map_or(PERIOD, |at| until(at, now()).min(PERIOD));
                }
                Err(error) => {
                    tracing::warn!(%error, "a plan could not be written; trying again");
                    self.note(Some(error.to_string()));
                    return PAUSE;
                }
            }
        }
        let failure = format!("{ROUNDS} plans in a row did not come to an end");
        tracing::error!("{failure}; pausing");
        self.note(Some(failure));
        PAUSE
    }

    async fn round(&self, rng: &mut StdRng) -> Result<Round, StoreError> {
        let state = self.options.mirror.state();
        if self.claim(&state).await? {
            return Ok(Round::Changed);
        }
        let plan = schedule::plan(&view::view(&state, now()), &self.options.schedule, rng);
        log(&plan);
        let change = commit::change(&state, &plan);
        if change.is_empty() {
            return Ok(Round::Settled(plan.again_at));
        }
        match self.options.records.commit(change).await? {
            Outcome::Committed(revision) => self.options.mirror.at_least(revision).await,
            // Somebody was quicker: what they wrote is on its way to the mirror.
            Outcome::Conflict => self.newer_than(&state).await,
        };
        Ok(Round::Changed)
    }

    /// Claims addresses for new names; yields whether the store changed. Apart from
    /// plans, so that an address that somebody else holds keeps no task from starting.
    async fn claim(&self, state: &State) -> Result<bool, StoreError> {
        let Claims {
            records,
            mut failures,
        } = claims::missing(
            state,
            &self.options.schedule.framework,
            &self.options.ranges,
        );
        let all: Vec<&VipRecord> = records.iter().collect();
        let mut claimed = self.put_vips(&all).await?;
        if !claimed {
            for record in all {
                if self.put_vips(&[record]).await? {
                    claimed = true;
                } else {
                    failures.push(format!(
                        "{}: somebody else has its address {}; free that one in the store",
                        record.name, record.ipv4
                    ));
                }
            }
        }
        self.lock().unclaimed = failures;
        Ok(claimed && !records.is_empty())
    }

    /// Writes new VIPs, all of them or none; yields whether it did.
    async fn put_vips(&self, records: &[&VipRecord]) -> Result<bool, StoreError> {
        let mut change = Change::new();
        for record in records {
            change.put_vip(record, Expect::Absent);
        }
        if change.is_empty() {
            return Ok(true);
        }
        match self.options.records.commit(change).await? {
            Outcome::Committed(revision) => {
                self.options.mirror.at_least(revision).await;
                Ok(true)
            }
            Outcome::Conflict => Ok(false),
        }
    }

    /// The state after `state`, or the same one if none comes soon.
    async fn newer_than(&self, state: &State) -> Arc<State> {
        let next = self.options.mirror.at_least(state.revision + 1);
        match tokio::time::timeout(PAUSE, next).await {
            Ok(newer) => newer,
            Err(_) => self.options.mirror.state(),
        }
    }

    fn note(&self, failure: Option<String>) {
        let mut report = self.lock();
        report.at = now();
        report.rounds += 1;
        report.failure = failure;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LeaderReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a round did.
enum Round {
    /// It changed the store: look again.
    Changed,
    /// Nothing is left to do before this point.
    Settled(Option<Timestamp>),
}

fn log(plan: &schedule::Plan) {
    for task in &plan.start {
        tracing::info!(task = %task.id, node = %task.node, version = %task.version, "starting");
    }
    for (task, reason) in &plan.stop {
        tracing::info!(%task, %reason, "stopping");
    }
    for launch in plan
        .launches
        .iter()
        .filter(|launch| !launch.reasons.is_empty())
    {
        tracing::warn!(app = %launch.app, waiting = launch.waiting, reasons = ?launch.reasons, "waiting");
    }
    for deployment in &plan.done {
        tracing::info!(%deployment, "deployment done");
    }
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    // One more millisecond, so that the clock has passed the point when it wakes.
    Duration::from_millis(u64::try_from(at.millis_since(now)).unwrap_or_default() + 1)
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
