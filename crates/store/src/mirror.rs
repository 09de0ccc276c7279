//! A copy of all records in memory that follows the store.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::changed::Log;
use crate::delta::Delta;
use crate::{Changed, Records, State, StoreError, Watch};

/// Pauses between attempts to follow a store that fails: the first and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Changes after which a long burst is published, though more are ready.
const BURST: usize = 4096;

/// All records as the store last showed them; cheap to clone.
///
/// A change of several records appears as a whole. While the store does not answer
/// the last state stays. The copy stops being followed when the last handle is gone.
#[derive(Debug, Clone)]
pub struct Mirror {
    states: watch::Receiver<Arc<State>>,
    log: Log,
    _follower: Arc<Follower>,
}

/// The task that follows; aborted on drop.
#[derive(Debug)]
struct Follower(JoinHandle<()>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Mirror {
    /// Begins to follow `records`; must be called inside a tokio runtime.
    ///
    /// The state is empty and of revision 0 until the store has been listed once;
    /// `mirror.at_least(1).await` waits for that.
    #[must_use]
    pub fn start(records: Records) -> Self {
        let (publish, states) = watch::channel(Arc::new(State::default()));
        let log = Log::default();
        let follower = tokio::spawn(follow(records, publish, log.clone()));
        Self {
            states,
            log,
            _follower: Arc::new(Follower(follower)),
        }
    }

    /// The state as last seen.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.states.borrow())
    }

    /// A receiver that wakes when the state changed.
    ///
    /// It sees the latest state, not each one on the way there.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<State>> {
        self.states.clone()
    }

    /// Which records changed after the state of revision `since` and up to that of
    /// `until`, some perhaps more than once. `None` when nobody knows, because the store
    /// had to be listed anew or it is too long ago: any record may have changed.
    #[must_use]
    pub fn changed(&self, since: u64, until: u64) -> Option<Vec<Changed>> {
        self.log.between(since, until)
    }

    /// The state once it shows `revision` or a later one.
    ///
    /// Waits as long as the store does not answer. With the revision of one's own
    /// commit this reads one's own write.
    pub async fn at_least(&self, revision: u64) -> Arc<State> {
        let mut states = self.states.clone();
        match states.wait_for(|state| state.revision >= revision).await {
            Ok(state) => Arc::clone(&state),
            // The follower ended with its runtime: nothing newer will come.
            Err(_) => self.state(),
        }
    }
}

async fn follow(records: Records, publish: watch::Sender<Arc<State>>, log: Log) {
    let mut pause = RETRY.0;
    loop {
        let Err(error) = follow_once(&records, &publish, &log, &mut pause).await;
        match error {
            StoreError::Compacted(_) => tracing::info!(%error, "listing all records again"),
            _ => tracing::warn!(%error, ?pause, "the store is not followed; trying again"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY.1);
    }
}

/// Lists everything, then follows until the watch fails.
async fn follow_once(
    records: &Records,
    publish: &watch::Sender<Arc<State>>,
    log: &Log,
    pause: &mut Duration,
) -> Result<std::convert::Infallible, StoreError> {
    let snapshot = records.store().list("").await?;
    let mut watch = records.store().watch("", snapshot.revision + 1).await?;
    let state = Arc::new(State::from_snapshot(&snapshot));
    drop(snapshot);
    for (key, reason) in &state.unreadable {
        tracing::warn!(%key, %reason, "this record is not readable and left as it is");
    }
    // Before anybody sees the state, here and below.
    log.restart(state.revision);
    publish.send_replace(Arc::clone(&state));
    let mut copies = Copies {
        current: state,
        spare: None,
    };
    loop {
        let deltas = next_burst(&mut watch).await?;
        *pause = RETRY.0;
        deltas.iter().for_each(|delta| delta.note(log));
        publish.send_replace(copies.advance(deltas));
    }
}

/// Waits for a transaction and takes those that are there already, too.
async fn next_burst(watch: &mut Watch) -> Result<Vec<Delta>, StoreError> {
    let ended = || StoreError::Unavailable("the watch ended".to_owned());
    let mut deltas = Vec::new();
    let mut next = watch.next().await;
    loop {
        deltas.extend(next.ok_or_else(ended)??.events.iter().map(Delta::of_event));
        if deltas.len() >= BURST {
            return Ok(deltas);
        }
        next = match watch.next().now_or_never() {
            Some(ready) => ready,
            None => return Ok(deltas),
        };
    }
}

/// The published state and the one before it, which is brought up to date instead
/// of copying everything for each change, once nobody reads it any more.
#[derive(Debug)]
struct Copies {
    current: Arc<State>,
    /// The former state and what it lacks.
    spare: Option<(Arc<State>, Vec<Delta>)>,
}

impl Copies {
    fn advance(&mut self, deltas: Vec<Delta>) -> Arc<State> {
        let reused = self.spare.take().and_then(|(state, lacking)| {
            let mut state = Arc::try_unwrap(state).ok()?;
            lacking.iter().for_each(|delta| delta.apply(&mut state));
            Some(state)
        });
        let mut state = reused.unwrap_or_else(|| State::clone(&self.current));
        deltas.iter().for_each(|delta| delta.apply(&mut state));
        let next = Arc::new(state);
        self.spare = Some((
            std::mem::replace(&mut self.current, Arc::clone(&next)),
            deltas,
        ));
        next
    }
}
