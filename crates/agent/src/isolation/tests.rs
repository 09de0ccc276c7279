//! Who is kept, over a real store, by a keeper that takes note.

use std::sync::{Arc, Mutex, MutexGuard};

use engines::Engine;
use store::{Change, Expect, Outcome, Records, RedbStore};

use super::*;
use crate::kernel_lab::{eventually, task};
use crate::scripted::Scripted;

/// Notes whom it is told to keep.
#[derive(Clone, Default)]
struct Noted(Arc<Mutex<Notes>>);

#[derive(Default)]
struct Notes {
    runs: usize,
    live: BTreeSet<String>,
    fails: bool,
}

impl Noted {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl Keeper for Noted {
    async fn reconcile(&self, living: Living) -> Result<Done, IsolationError> {
        let mut notes = self.notes();
        notes.runs += 1;
        notes.live = living();
        if notes.fails {
            return Err(IsolationError::Panicked);
        }
        Ok(Done {
            kept: notes.live.len(),
            ..Done::default()
        })
    }
}

struct Site {
    noted: Noted,
    engine: Arc<Scripted>,
    hints: Hints,
    reports: Reports,
    records: Records,
    mirror: Mirror,
    stop: CancellationToken,
    _directory: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = RedbStore::open(directory.path().join("store.redb")).await;
        let records = Records::new(Arc::new(store.unwrap()));
        Self {
            noted: Noted::default(),
            engine: Arc::new(Scripted::new()),
            hints: Hints::new(),
            reports: Reports::default(),
            mirror: Mirror::start(records.clone()),
            records,
            stop: CancellationToken::new(),
            _directory: directory,
        }
    }

    fn start(&self) -> tokio::task::JoinHandle<()> {
        let isolating = Isolating {
            keeper: self.noted.clone(),
            engines: Engines {
                docker: None,
                native: Some(Arc::clone(&self.engine) as _),
            },
            mirror: self.mirror.clone(),
            node: NodeId("n1".into()),
            reports: self.reports.clone(),
        };
        tokio::spawn(isolating.run(self.hints.clone(), self.stop.clone()))
    }

    async fn commit(&self, fill: impl FnOnce(&mut Change)) {
        let mut change = Change::new();
        fill(&mut change);
        let Outcome::Committed(revision) = self.records.commit(change).await.unwrap() else {
            panic!("a conflict");
        };
        self.mirror.at_least(revision).await;
    }

    /// Waits until these and no others are kept.
    async fn keeps(&self, what: &str, tasks: &[&Task]) {
        let wanted: BTreeSet<_> = tasks.iter().map(|task| task.id.to_string()).collect();
        eventually(what, || {
            let notes = self.noted.notes();
            notes.runs > 0 && notes.live == wanted
        })
        .await;
    }
}

fn isolated(name: &str) -> Task {
    let mut task = task(name);
    task.labels
        .insert(vip::PORTS.to_owned(), "isolate".to_owned());
    task
}

#[tokio::test]
async fn tasks_and_containers_of_this_node_are_kept() {
    let site = Site::new().await;
    let (own, free, mut other) = (isolated("/own"), task("/free"), isolated("/other"));
    other.node = NodeId("n2".into());
    site.commit(|change| {
        for task in [&own, &free, &other] {
            change.put_task(task, Expect::Absent);
        }
    })
    .await;
    site.engine.script().away = true;
    let running = site.start();
    site.keeps("an engine that is away holds nothing up", &[&own, &free])
        .await;

    // A container whose record is gone keeps its namespace until it is removed itself.
    site.engine.script().away = false;
    let late = isolated("/late");
    site.engine.start(&late).await.unwrap();
    site.hints.send(EngineEvent { task: None });
    site.keeps("a container without a record", &[&own, &free, &late])
        .await;
    site.engine.script().away = true;
    site.commit(|change| {
        change.delete_task(&own.id, Expect::Any);
    })
    .await;
    site.keeps("what was listed is not unlearned", &[&free, &late])
        .await;
    site.engine.script().away = false;
    site.engine.remove(&late.id).await.unwrap();
    // The last isolated task is gone, and a new one is seen at once.
    let next = isolated("/next");
    site.commit(|change| {
        change.put_task(&next, Expect::Absent);
    })
    .await;
    site.keeps("the next one", &[&free, &next]).await;
    site.stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn hints_count_while_there_is_somebody_to_keep() {
    let site = Site::new().await;
    let own = isolated("/own");
    site.commit(|change| {
        change.put_task(&own, Expect::Absent);
    })
    .await;
    let running = site.start();
    site.keeps("it is kept", &[&own]).await;
    let before = site.noted.notes().runs;
    site.hints.send(EngineEvent {
        task: Some(task("/any").id),
    });
    eventually("somebody else's container means new links", || {
        site.noted.notes().runs > before
    })
    .await;
    site.noted.notes().fails = true;
    site.hints.send(EngineEvent { task: None });
    let failures = || site.reports.all()["isolation"].failures.clone();
    eventually("what failed is told", || failures().len() == 1).await;
    site.noted.notes().fails = false;
    eventually("and tried again soon", || failures().is_empty()).await;
    let did = site.reports.all()["isolation"].did.clone();
    assert_eq!(did.as_deref(), Some("1 tasks"));
    site.stop.cancel();
    running.await.unwrap();
}

#[test]
fn what_was_done_is_told() {
    assert_eq!(told(&Done::default()), None);
    let done = Done {
        kept: 2,
        repaired: vec!["a".into()],
        collected: vec!["b".into(), "c".into()],
        interfaces: vec!["eth0".into()],
    };
    assert_eq!(
        told(&done).as_deref(),
        Some("2 tasks; repaired a; removed what was left of b, c; programs changed on eth0")
    );
}
