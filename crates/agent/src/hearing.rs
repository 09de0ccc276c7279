//! What the datapath's programs tell, passed on to those it concerns.
//!
//! The kernel is waited for on a thread of its own, which takes no lock and never waits
//! for anybody else.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use datapath::{Decision, Event, Events};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::counts::Counts;
use crate::housekeeping::chain;
use crate::owners::Denials;
use crate::report::Reports;
use crate::services::Kernel;
use crate::trace::Trace;

/// Pause before a reader that failed is made anew. Nothing depends on it: who is
/// ejected is asked regularly, too.
const RETRY: Duration = Duration::from_secs(5);

/// How often the thread looks whether it should end.
const GLANCE: Duration = Duration::from_secs(1);

/// The reader of events.
pub(crate) struct Hearing {
    pub(crate) kernel: Kernel,
    /// Where it is told what was ejected, by identity.
    pub(crate) ejected: mpsc::Sender<u64>,
    /// Where ejections are counted that found no room.
    pub(crate) counts: Counts,
    /// Where decisions go.
    pub(crate) decisions: mpsc::Sender<Decision>,
    /// Who learns of decisions that found no room.
    pub(crate) trace: Trace,
    /// Who learns of binds that were refused.
    pub(crate) denials: Denials,
    pub(crate) reports: Reports,
}

impl Hearing {
    /// Listens until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let hearing = Arc::new(self);
        while !stop.is_cancelled() {
            let began = Instant::now();
            let failure = tokio::select! {
                () = stop.cancelled() => return,
                failure = Arc::clone(&hearing).listen(stop.clone()) => failure,
            };
            if stop.is_cancelled() {
                return;
            }
            let failures = vec![failure];
            hearing.reports.note("events", began, None, failures);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    /// Listens until that fails, and yields why; for ever on a node without a datapath.
    async fn listen(self: Arc<Self>, stop: CancellationToken) -> String {
        let began = Instant::now();
        let events = match self.kernel.with(|datapath| datapath.events()) {
            None => return std::future::pending().await,
            Some(Err(error)) => return chain(&error),
            Some(Ok(events)) => events,
        };
        let (ended, end) = oneshot::channel();
        let reports = self.reports.clone();
        let thread = thread::Builder::new().name("events".to_owned());
        let listener = thread.spawn(move || ended.send(self.follow(events, &stop)));
        if let Err(error) = listener {
            return format!("no thread for the datapath's events: {error}");
        }
        reports.note("events", began, None, Vec::new());
        end.await
            .unwrap_or_else(|_| "the thread for the datapath's events panicked".to_owned())
    }

    /// What the thread does.
    fn follow(&self, mut events: Events, stop: &CancellationToken) -> String {
        loop {
            match events.wait(GLANCE) {
                Ok(taken) => taken.into_iter().for_each(|event| self.pass_on(event)),
                Err(error) => return chain(&error),
            }
            if stop.is_cancelled() {
                return String::new();
            }
        }
    }

    fn pass_on(&self, event: Event) {
        match event {
            // Never waits: who is told looks at all that are ejected, so that one is as
            // good as many.
            Event::Ejected { identity, .. } => {
                if self.ejected.try_send(identity).is_err() {
                    self.counts.unheard();
                }
            }
            // Never waits, either: an ejection may be next.
            Event::Decision(decision) => {
                if self.decisions.try_send(decision).is_err() {
                    self.trace.miss(1);
                }
            }
            Event::Denied(denied) => self.denials.note(denied),
        }
    }
}
