//! The loop.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use model::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use store::{Mirror, Outcome, Records, State, StoreError};
use tokio_util::sync::CancellationToken;
use vip::VipRanges;

use crate::{claims, commit, view};

/// Rounds in a row without waiting; a plan that never comes to an end would be a
/// defect, and must not take a whole core.
const ROUNDS: usize = 64;

/// Pause after a failure of the store, and after too many rounds.
const PAUSE: Duration = Duration::from_millis(500);

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
            let again_at = self.settle(&mut rng).await;
            let wait = async {
                match again_at {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = wait => {}
                changed = states.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Rounds until nothing is left to do; yields when to look again.
    async fn settle(&self, rng: &mut StdRng) -> Option<Duration> {
        for _ in 0..ROUNDS {
            match self.round(rng).await {
                Ok(Round::Changed) => {}
                Ok(Round::Settled(again_at)) => {
                    self.note(None);
                    return again_at.map(|at| until(at, now()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a plan could not be written; trying again");
                    self.note(Some(error.to_string()));
                    return Some(PAUSE);
                }
            }
        }
        tracing::error!(rounds = ROUNDS, "plans do not come to an end; pausing");
        Some(PAUSE)
    }

    async fn round(&self, rng: &mut StdRng) -> Result<Round, StoreError> {
        let state = self.options.mirror.state();
        let claims = claims::missing(
            &state,
            &self.options.schedule.framework,
            &self.options.ranges,
        );
        self.lock().unclaimed = claims.failures;
        let plan = schedule::plan(&view::view(&state, now()), &self.options.schedule, rng);
        log(&plan);
        let mut change = commit::change(&state, &plan);
        for record in &claims.records {
            change.put_vip(record, store::Expect::Absent);
        }
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
    for launch in plan.launches.iter().filter(|launch| launch.waiting > 0) {
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
