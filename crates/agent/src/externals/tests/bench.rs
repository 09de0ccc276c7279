//! A node with its store, whose engine a test plays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use engines::{Discovery, EngineError, News, Sighting};
use futures::StreamExt;
use futures::stream::BoxStream;
use model::{External, ExternalState};
use store::{Change, Mirror, Outcome, Records, RedbStore, State, Store};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::node;
use crate::externals::Externals;
use crate::placing::{Asked, placing};
use crate::report::Reports;

/// Well below the period of looking without news, so that nothing passes because of
/// that one.
pub(super) const SOON: Duration = Duration::from_secs(8);

/// What the engine does.
#[derive(Debug, Default)]
pub(super) struct Play {
    pub(super) running: BTreeMap<String, Sighting>,
    /// Nothing is answered.
    pub(super) away: bool,
    /// Listing fails, though the engine answers.
    pub(super) confused: bool,
    /// Looking at these fails.
    pub(super) broken: BTreeSet<String>,
    /// Looking at these never returns.
    pub(super) stuck: BTreeSet<String>,
    pub(super) looks: usize,
    news: Option<mpsc::Sender<News>>,
}

#[derive(Debug, Default)]
pub(super) struct Played(Mutex<Play>);

impl Played {
    pub(super) fn play(&self) -> MutexGuard<'_, Play> {
        self.0.lock().unwrap()
    }

    fn answering(&self) -> Result<MutexGuard<'_, Play>, EngineError> {
        let play = self.play();
        if play.away {
            return Err(EngineError::Unavailable {
                engine: "docker",
                address: "/nowhere.sock".into(),
                detail: "no such file".into(),
            });
        }
        Ok(play)
    }
}

fn failed(action: &str) -> EngineError {
    EngineError::Failed {
        engine: "docker",
        action: action.into(),
        detail: "internal error".into(),
    }
}

#[async_trait]
impl Discovery for Played {
    async fn running(&self) -> Result<Vec<String>, EngineError> {
        let play = self.answering()?;
        if play.confused {
            return Err(failed("list containers"));
        }
        Ok(play.running.keys().cloned().collect())
    }

    async fn sighting(&self, container: &str) -> Result<Option<Sighting>, EngineError> {
        let sighting = {
            let mut play = self.answering()?;
            play.looks += 1;
            if play.broken.contains(container) {
                return Err(failed("inspect a container"));
            }
            let stuck = play.stuck.contains(container);
            (!stuck).then(|| play.running.get(container).cloned())
        };
        match sighting {
            Some(sighting) => Ok(sighting),
            None => std::future::pending().await,
        }
    }

    async fn news(&self) -> Result<BoxStream<'static, News>, EngineError> {
        let (sender, receiver) = mpsc::channel(64);
        self.answering()?.news = Some(sender);
        let news = futures::stream::unfold(receiver, |mut receiver| async move {
            let news = receiver.recv().await?;
            Some((news, receiver))
        });
        Ok(news.boxed())
    }
}

pub(super) struct Bench {
    pub(super) records: Records,
    pub(super) mirror: Mirror,
    pub(super) engine: Arc<Played>,
    pub(super) reports: Reports,
    pub(super) asked: Asked,
    running: Option<(JoinHandle<()>, CancellationToken)>,
    _directory: tempfile::TempDir,
    pub(super) store: Arc<RedbStore>,
}

impl Bench {
    /// A node whose agent has not begun.
    pub(super) async fn asleep() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = RedbStore::open(directory.path().join("store.redb")).await;
        let store = Arc::new(store.unwrap());
        let records = Records::new(Arc::clone(&store) as Arc<dyn Store>);
        Self {
            mirror: Mirror::start(records.clone()),
            records,
            engine: Arc::default(),
            reports: Reports::default(),
            asked: placing().1,
            running: None,
            _directory: directory,
            store,
        }
    }

    /// A node that runs beside these containers.
    pub(super) async fn with(sightings: &[Sighting]) -> Self {
        let mut bench = Self::asleep().await;
        for sighting in sightings {
            bench.begin(sighting);
        }
        bench.wake(true);
        bench
    }

    /// Starts the reconciler, with its engine or without any.
    pub(super) fn wake(&mut self, with_engine: bool) {
        let (asker, asked) = placing();
        self.asked = asked;
        let records = self.records.clone();
        let externals = Externals::new(records, &self.mirror, node(), &asker, &self.reports);
        let engine = Arc::clone(&self.engine) as Arc<dyn Discovery>;
        let stop = CancellationToken::new();
        let run = externals.run(with_engine.then_some(engine), stop.clone());
        self.running = Some((tokio::spawn(run), stop));
    }

    pub(super) async fn sleep(&mut self) {
        let (run, stop) = self.running.take().unwrap();
        stop.cancel();
        run.await.unwrap();
    }

    /// A container runs, without any news of it.
    pub(super) fn begin(&self, sighting: &Sighting) {
        let id = sighting.id.clone();
        self.engine.play().running.insert(id, sighting.clone());
    }

    /// A container looks like this now, and the engine tells that something changed.
    pub(super) async fn change(&self, sighting: &Sighting) {
        self.begin(sighting);
        self.tell(&sighting.id, None).await;
    }

    pub(super) async fn end(&self, id: &str) {
        self.engine.play().running.remove(id);
        self.tell(id, None).await;
    }

    pub(super) async fn tell(&self, id: &str, signal: Option<i32>) {
        let news = self.until("somebody who listens", |bench| {
            bench.engine.play().news.clone()
        });
        let news = news.await;
        let container = id.to_owned();
        news.send(News { container, signal }).await.unwrap();
    }

    /// The engine's stream of news ends.
    pub(super) fn cut(&self) {
        self.engine.play().news = None;
    }

    pub(super) async fn commit(&self, fill: impl FnOnce(&mut Change)) -> Arc<State> {
        let mut change = Change::new();
        fill(&mut change);
        match self.records.commit(change).await.unwrap() {
            Outcome::Committed(revision) => self.mirror.at_least(revision).await,
            Outcome::Conflict => panic!("an expectation did not hold"),
        }
    }

    pub(super) async fn until<T>(&self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let seen = async {
            loop {
                if let Some(seen) = look(self) {
                    return seen;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let seen = tokio::time::timeout(SOON, seen).await;
        seen.unwrap_or_else(|_| panic!("waited in vain for {what}: {:?}", self.mirror.state()))
    }

    /// Waits until this node's records show these containers in these states.
    pub(super) async fn shows(&self, expected: &[(&str, ExternalState)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(id, state)| ((*id).to_owned(), *state))
            .collect();
        let what = format!("{expected:?}");
        self.until(&what, |bench| (bench.states() == expected).then_some(()))
            .await;
    }

    pub(super) fn states(&self) -> Vec<(String, ExternalState)> {
        let state = self.mirror.state();
        let ours = state.externals.values().filter(|it| it.node == node().id);
        ours.map(|it| (it.container.clone(), it.state)).collect()
    }

    pub(super) fn external(&self, id: &str) -> External {
        let state = self.mirror.state();
        External::clone(&state.externals[&(node().id, id.to_owned())])
    }

    /// Rounds that the reconciler has made.
    pub(super) fn rounds(&self) -> u64 {
        self.reports.all().get("externals").map_or(0, |it| it.runs)
    }

    pub(super) fn failures(&self) -> Vec<String> {
        let reports = self.reports.all();
        reports
            .get("externals")
            .map_or_else(Vec::new, |it| it.failures.clone())
    }
}
