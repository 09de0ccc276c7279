//! Decisions of the datapath, for people who watch.
//!
//! Programs tell what they decide as long as somebody pays: while anybody watches, the
//! account is filled ten times a second, and no more than a thousand decisions a second
//! are told, of all VIPs and for all watchers together; where that was not enough, they
//! are told so. Each decision is given the names that people know: the service, the
//! backend's task and the client's container. A watcher that is slower loses decisions
//! and is told how many.

mod budget;
mod names;
mod watchers;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use datapath::{Decision, How};
use futures::Stream;
use model::{Protocol, TaskId, Timestamp};
use tokio::sync::{Notify, mpsc};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::report::Reports;
use crate::services::Kernel;
use budget::Budget;
pub(crate) use names::Names;
use watchers::Watchers;

/// How often the account is filled.
const REFILL: Duration = Duration::from_millis(100);

/// With how many decisions: a thousand a second.
const BUDGET: u32 = 100;

/// Decisions that wait for their names.
pub(crate) const WAITING: usize = 1_024;

/// What somebody wants to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TraceWish {
    /// One of so many decisions; 0 and 1 are all.
    pub every: u32,
    /// Only those about this VIP.
    pub address: Option<IpAddr>,
    /// And this port of it.
    pub port: Option<u16>,
}

/// What a watcher gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Traced {
    /// A decision.
    Decision(Arc<TracedDecision>),
    /// So many were lost before the next one, because the watcher was slow.
    Missed(u64),
    /// As many were told as may be in a second, or the kernel had no room for more: there
    /// may have been others, and nobody counts them.
    Limited,
}

/// How a client's VIP became a backend, in the words of people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedDecision {
    /// When.
    pub at: Timestamp,
    /// What the client asked for.
    pub vip: SocketAddr,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The VIP's name, if it has one.
    pub service: Option<String>,
    /// The address that the client got; nothing if it was refused.
    pub peer: Option<SocketAddr>,
    /// Whose that is, if the table still has it.
    pub backend: Option<TaskId>,
    /// How it was chosen.
    pub how: How,
    /// Who asked.
    pub client: TracedClient,
}

/// A process that connects or sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedClient {
    /// Process id in the initial PID namespace.
    pub pid: u32,
    /// The thread's name.
    pub comm: String,
    /// Cookie of its network namespace.
    pub netns: u64,
    /// Its cgroup below the cgroup root, unless it is gone.
    pub cgroup: Option<PathBuf>,
    /// Its container's id, if it is in one.
    pub container: Option<String>,
    /// The task that the container was made for, or what stands for one if somebody
    /// else started it with labels for us.
    pub task: Option<TaskId>,
}

/// Where decisions are watched; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Trace(Arc<Watchers>);

/// A watcher. Dropping it ends the watching.
#[derive(Debug)]
pub struct TraceWatch {
    trace: Trace,
    id: u64,
    decisions: mpsc::Receiver<Arc<TracedDecision>>,
    lost: Arc<Notify>,
}

impl Trace {
    /// Begins to watch.
    #[must_use]
    pub fn watch(&self, wish: TraceWish) -> TraceWatch {
        let (id, decisions, lost) = self.0.add(wish);
        TraceWatch {
            trace: self.clone(),
            id,
            decisions,
            lost,
        }
    }

    /// So many decisions were lost for everybody.
    pub(crate) fn miss(&self, count: u64) {
        self.0.miss(count);
    }
}

impl TraceWatch {
    /// The next one; waits for it. The watching ends with the daemon alone.
    pub async fn next(&mut self) -> Traced {
        loop {
            if let Some(lost) = self.trace.0.lost(self.id) {
                return lost;
            }
            tokio::select! {
                biased;
                () = self.lost.notified() => {}
                decision = self.decisions.recv() => match decision {
                    Some(decision) => return Traced::Decision(decision),
                    // This watcher itself keeps the sender alive.
                    None => std::future::pending().await,
                },
            }
        }
    }

    /// All of them.
    pub fn into_stream(self) -> impl Stream<Item = Traced> + Send + 'static {
        futures::stream::unfold(self, |mut watch| async move {
            let next = watch.next().await;
            Some((next, watch))
        })
    }
}

impl Drop for TraceWatch {
    fn drop(&mut self) {
        self.trace.0.remove(self.id);
    }
}

/// The part that pays and names.
pub(crate) struct Tracing {
    pub(crate) kernel: Kernel,
    pub(crate) decisions: mpsc::Receiver<Decision>,
    pub(crate) trace: Trace,
    pub(crate) names: Names,
    pub(crate) reports: Reports,
}

impl Tracing {
    /// Works until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut regularly = tokio::time::interval(REFILL);
        regularly.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // A daemon before this one may have been watched.
        let mut budget = Budget::default();
        self.fill(&mut budget, None);
        loop {
            let paid = self.trace.0.every();
            tokio::select! {
                () = stop.cancelled() => return self.fill(&mut budget, None),
                _ = regularly.tick(), if paid.is_some() => self.fill(&mut budget, paid),
                () = self.trace.0.changed() => {
                    let every = self.trace.0.every();
                    self.fill(&mut budget, every);
                    let did = every.map(|every| format!("telling one decision of {every}"));
                    self.reports.note("trace", Instant::now(), did, Vec::new());
                }
                decision = self.decisions.recv() => match decision {
                    Some(decision) => self.tell(&mut budget, &decision),
                    None => return self.fill(&mut budget, None),
                },
            }
        }
    }

    fn fill(&self, budget: &mut Budget, every: Option<u32>) {
        // Before the kernel knows, so that nothing is told before it is paid for.
        match every {
            Some(_) => budget.pay(Instant::now()),
            None => budget.end(),
        }
        let (pay, every) = every.map_or((0, 1), |every| (BUDGET, every));
        self.kernel.with(|datapath| datapath.set_trace(pay, every));
    }

    fn tell(&mut self, budget: &mut Budget, decision: &Decision) {
        self.deliver(decision);
        // Whatever it was about, others find the account empty.
        if budget.spend(decision.at, Instant::now()) {
            self.trace.0.limit();
        }
    }

    fn deliver(&mut self, decision: &Decision) {
        let wanted = self.trace.0.wanted(decision.vip);
        if wanted.is_empty() {
            return;
        }
        let named = Arc::new(self.name(decision));
        self.trace.0.deliver(&wanted, &named);
    }

    fn name(&mut self, decision: &Decision) -> TracedDecision {
        let named = self
            .names
            .service(decision.vip, decision.protocol, decision.peer);
        let at = SystemTime::now().checked_sub(decision.at.elapsed());
        TracedDecision {
            at: at.unwrap_or_else(SystemTime::now).into(),
            vip: decision.vip,
            protocol: decision.protocol,
            service: named.service,
            peer: decision.peer,
            backend: named.backend,
            how: decision.how,
            client: self.names.client(decision),
        }
    }
}

#[cfg(test)]
mod tests;
