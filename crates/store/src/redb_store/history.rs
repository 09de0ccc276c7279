//! Recent transactions in memory, for watches.
//!
//! Each watch holds a position in one shared ring and takes what is new when it
//! gets to it, so a slow watch costs nothing but its own history: once the ring
//! has moved past it, it ends with [`StoreError::Compacted`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{Stream, stream};
use tokio::sync::watch;

use crate::{Changes, Event, StoreError};

/// Events that are kept at most, and the bytes of their values.
const KEPT_EVENTS: usize = 10_000;
const KEPT_BYTES: usize = 16 << 20;

#[derive(Debug)]
pub(super) struct History {
    ring: Arc<Mutex<Ring>>,
    /// Counts publications; gone when the store is closed.
    wake: Mutex<Option<watch::Sender<()>>>,
    waker: watch::Receiver<()>,
}

#[derive(Debug)]
struct Ring {
    /// Of ascending revisions.
    changes: VecDeque<Changes>,
    /// Everything from this revision on is here.
    first: u64,
    events: usize,
    bytes: usize,
}

impl History {
    /// A history that knows nothing up to `revision`.
    pub(super) fn new(revision: u64) -> Self {
        let ring = Ring {
            changes: VecDeque::new(),
            first: revision + 1,
            events: 0,
            bytes: 0,
        };
        let (wake, waker) = watch::channel(());
        Self {
            ring: Arc::new(Mutex::new(ring)),
            wake: Mutex::new(Some(wake)),
            waker,
        }
    }

    /// Adds transactions in their order and wakes the watches.
    pub(super) fn publish(&self, changes: impl IntoIterator<Item = Changes>) {
        {
            let mut ring = lock(&self.ring);
            for change in changes {
                ring.push(change);
            }
        }
        self.wake_all();
    }

    /// Forgets everything up to `revision`: it happened, and nobody saw how.
    pub(super) fn restart(&self, revision: u64) {
        *lock(&self.ring) = Ring {
            changes: VecDeque::new(),
            first: revision + 1,
            events: 0,
            bytes: 0,
        };
        self.wake_all();
    }

    /// Ends all watches once they have seen everything.
    pub(super) fn close(&self) {
        lock(&self.wake).take();
    }

    pub(super) fn watch(
        &self,
        prefix: &str,
        from: u64,
    ) -> impl Stream<Item = Result<Changes, StoreError>> + use<> {
        let watcher = Watcher {
            ring: Arc::clone(&self.ring),
            waker: self.waker.clone(),
            prefix: prefix.to_owned(),
            next: from,
            ready: VecDeque::new(),
        };
        stream::try_unfold(watcher, Watcher::step)
    }

    fn wake_all(&self) {
        if let Some(wake) = &*lock(&self.wake) {
            wake.send_replace(());
        }
    }
}

impl Ring {
    fn push(&mut self, changes: Changes) {
        self.events += changes.events.len();
        self.bytes += bytes(&changes);
        self.changes.push_back(changes);
        // The newest transaction stays, however large: it must be seen once.
        while (self.events > KEPT_EVENTS || self.bytes > KEPT_BYTES) && self.changes.len() > 1 {
            if let Some(oldest) = self.changes.pop_front() {
                self.events -= oldest.events.len();
                self.bytes -= bytes(&oldest);
                self.first = oldest.revision + 1;
            }
        }
    }
}

fn bytes(changes: &Changes) -> usize {
    let size = |event: &Event| match event {
        Event::Put(entry) => entry.key.len() + entry.value.len(),
        Event::Delete { key, .. } => key.len(),
    };
    changes.events.iter().map(size).sum()
}

/// One watch's place in the ring.
#[derive(Debug)]
struct Watcher {
    ring: Arc<Mutex<Ring>>,
    waker: watch::Receiver<()>,
    prefix: String,
    /// The first revision that it has not looked at.
    next: u64,
    ready: VecDeque<Changes>,
}

impl Watcher {
    async fn step(mut self) -> Result<Option<(Changes, Self)>, StoreError> {
        loop {
            if let Some(changes) = self.ready.pop_front() {
                return Ok(Some((changes, self)));
            }
            // Marked as seen first, so that a publication after the look wakes again.
            self.waker.borrow_and_update();
            self.look()?;
            if self.ready.is_empty() {
                let closed = |_| StoreError::Unavailable("it was closed".to_owned());
                self.waker.changed().await.map_err(closed)?;
            }
        }
    }

    fn look(&mut self) -> Result<(), StoreError> {
        let ring = lock(&self.ring);
        if self.next < ring.first {
            return Err(StoreError::Compacted(self.next));
        }
        let start = ring
            .changes
            .partition_point(|changes| changes.revision < self.next);
        for changes in ring.changes.range(start..) {
            let wanted = |event: &&Event| event.key().starts_with(&self.prefix);
            let events: Vec<Event> = changes.events.iter().filter(wanted).cloned().collect();
            if !events.is_empty() {
                self.ready.push_back(Changes {
                    revision: changes.revision,
                    events,
                });
            }
            self.next = changes.revision + 1;
        }
        Ok(())
    }
}

/// Nothing that holds these locks can panic half-way, so poison means nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
