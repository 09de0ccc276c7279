//! Who watches, and how much of it each gets.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};

use super::{TraceWish, Traced, TracedDecision};

/// Decisions that wait for a slow watcher.
const KEPT: usize = 1_024;

/// What comes to a watcher.
type Decisions = mpsc::Receiver<Arc<TracedDecision>>;

/// Everybody who watches.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    all: Mutex<Vec<Watcher>>,
    added: AtomicU64,
    changed: Notify,
}

#[derive(Debug)]
struct Watcher {
    id: u64,
    wish: TraceWish,
    /// Programs tell one of so many for everybody, a multiple or not of what this one
    /// wishes; this is how much of the next one is already there.
    share: u64,
    decisions: mpsc::Sender<Arc<TracedDecision>>,
    missed: u64,
    /// Whether more may have been decided than programs tell.
    limited: bool,
    /// Wakes a watcher to whom nothing else comes.
    lost: Arc<Notify>,
}

impl Watchers {
    /// Yields its number, its decisions, and what wakes it when some are lost.
    pub(super) fn add(&self, wish: TraceWish) -> (u64, Decisions, Arc<Notify>) {
        let (decisions, receiver) = mpsc::channel(KEPT);
        let lost = Arc::new(Notify::new());
        let id = self.added.fetch_add(1, Relaxed);
        self.lock().push(Watcher {
            id,
            wish,
            share: 0,
            decisions,
            missed: 0,
            limited: false,
            lost: Arc::clone(&lost),
        });
        self.changed.notify_one();
        (id, receiver, lost)
    }

    pub(super) fn remove(&self, id: u64) {
        self.lock().retain(|watcher| watcher.id != id);
        self.changed.notify_one();
    }

    /// Returns when somebody came or went.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// One of how many decisions programs should tell; nothing while nobody watches.
    pub(super) fn every(&self) -> Option<u32> {
        least(&self.lock())
    }

    /// Who gets a decision about this VIP.
    pub(super) fn wanted(&self, vip: SocketAddr) -> Vec<u64> {
        let mut all = self.lock();
        let told = u64::from(least(&all).unwrap_or(1));
        let mut wanted = Vec::new();
        for watcher in all.iter_mut().filter(|watcher| watcher.wish.covers(vip)) {
            let every = u64::from(watcher.wish.every.max(1));
            watcher.share += told;
            if watcher.share >= every {
                // Who came later may have made programs tell more.
                watcher.share = (watcher.share - every).min(every);
                wanted.push(watcher.id);
            }
        }
        wanted
    }

    pub(super) fn deliver(&self, wanted: &[u64], decision: &Arc<TracedDecision>) {
        let mut all = self.lock();
        for watcher in all.iter_mut().filter(|it| wanted.contains(&it.id)) {
            if watcher.decisions.try_send(Arc::clone(decision)).is_err() {
                watcher.missed += 1;
            }
        }
    }

    /// So many were lost before anybody knew whom they concern.
    pub(super) fn miss(&self, count: u64) {
        for watcher in self.lock().iter_mut() {
            watcher.missed += count;
            watcher.lost.notify_one();
        }
    }

    /// Some may have been lost of which nobody knows.
    pub(super) fn limit(&self) {
        for watcher in self.lock().iter_mut() {
            watcher.limited = true;
            watcher.lost.notify_one();
        }
    }

    /// What a watcher has lost since it was told last.
    pub(super) fn lost(&self, id: u64) -> Option<Traced> {
        let mut all = self.lock();
        let watcher = all.iter_mut().find(|watcher| watcher.id == id)?;
        match std::mem::take(&mut watcher.missed) {
            0 => std::mem::take(&mut watcher.limited).then_some(Traced::Limited),
            missed => Some(Traced::Missed(missed)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Watcher>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TraceWish {
    fn covers(&self, vip: SocketAddr) -> bool {
        let address = self.address.is_none_or(|address| address == vip.ip());
        address && self.port.is_none_or(|port| port == vip.port())
    }
}

fn least(all: &[Watcher]) -> Option<u32> {
    all.iter().map(|watcher| watcher.wish.every.max(1)).min()
}
