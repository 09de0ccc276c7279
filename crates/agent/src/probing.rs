//! Backends that new connections keep away from: asked whether that is right.
//!
//! The kernel ejects a backend when connects to it fail, whoever they come from. Here
//! the host itself connects to it, at once, and its word is final: see [`docket`] for
//! what follows. The kernel does without: while this is not running, one client's
//! connect tries an ejected backend from time to time.
//!
//! The host asks where it would connect itself: at the near address, or at the far one
//! where there is none. A far address that is broken for containers alone is thus not
//! noticed, and their failures are forgiven up to the credit.

mod docket;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datapath::Ejected;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use vip::{ServiceKey, ServiceTable};

use crate::counts::Counts;
use crate::report::Reports;
use crate::services::Kernel;
use docket::{Answer, Docket, Verdict, Who};

/// How long a backend may take to answer.
const LIMIT: Duration = Duration::from_secs(1);

/// Probes under way at a time. A vanished host with thousands of backends must not take
/// all sockets.
const AT_ONCE: usize = 64;

/// How often the kernel is asked while something is ejected, and otherwise: events tell
/// at once, and are lost where nobody reads them in time.
const PERIOD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// How often credit is looked at: what a backend that dies with credit may cost.
const GLANCE: Duration = Duration::from_millis(100);

/// Ejections that wait to be counted.
pub(crate) const WAITING: usize = 1_024;

/// The reconciler.
pub(crate) struct Probing {
    pub(crate) kernel: Kernel,
    /// What was ejected, by identity.
    pub(crate) ejected: mpsc::Receiver<u64>,
    /// Which VIP ports there are, with the store's revision; 0 is not known yet.
    pub(crate) table: watch::Receiver<(u64, Arc<ServiceTable>)>,
    pub(crate) counts: Counts,
    pub(crate) reports: Reports,
}

/// Probes under way.
type Probes = FuturesUnordered<BoxFuture<'static, (Who, Answer)>>;

/// What happened in a round.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    back: usize,
    contradicted: usize,
    failing: usize,
}

impl Probing {
    /// Probes until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut docket = Docket::default();
        let mut probes = Probes::new();
        let (mut asked, mut heard) = (None, Vec::new());
        loop {
            let (began, mut tally) = (Instant::now(), Tally::default());
            if asked.is_none_or(|asked| began >= asked + period(&docket)) {
                asked = Some(began);
                while let Ok(identity) = self.ejected.try_recv() {
                    heard.push(identity);
                }
                let ejected = self.kernel.with(|datapath| datapath.ejected());
                let ejected = ejected.unwrap_or_default();
                self.count_ejections(&docket, &ejected, std::mem::take(&mut heard));
                docket.see(ejected, began);
            }
            self.look_at_credit(&mut docket, began);
            let begun = begin(&mut docket, &probes, began);
            let wait = wait(&docket, asked, probes.len());
            tokio::select! {
                () = stop.cancelled() => return,
                Some(identity) = self.ejected.recv() => {
                    heard.push(identity);
                    asked = None;
                }
                () = tokio::time::sleep(wait) => {}
                Some((who, answer)) = probes.next() => {
                    self.judge(&mut docket, &who, answer, &mut tally);
                }
            }
            if begun > 0 || tally != Tally::default() {
                let did = Some(tally.told(&docket));
                self.reports.note("probes", began, did, Vec::new());
            }
        }
    }

    /// Counts ejections for the VIP ports that they concern: those of which something is
    /// ejected now, or was when they were last looked at.
    fn count_ejections(&self, docket: &Docket, ejected: &[Ejected], heard: Vec<u64>) {
        let (revision, table) = self.table.borrow().clone();
        let there = |service: &ServiceKey| table.services.contains_key(service);
        self.counts.keep(|service| revision == 0 || there(service));
        if heard.is_empty() {
            return;
        }
        let now = ejected.iter().map(|it| (it.service, it.identity));
        let services: HashMap<_, _> = docket
            .known()
            .copied()
            .chain(now)
            .map(|(service, identity)| (identity, service))
            .collect();
        for identity in heard {
            match services.get(&identity) {
                Some(service) => self.counts.service(*service, |it| it.ejections += 1),
                None => self.counts.unknown(),
            }
        }
    }

    fn look_at_credit(&self, docket: &mut Docket, now: Instant) {
        for who in docket.credited() {
            let left = self.kernel.with(|datapath| datapath.credit(&who.0, who.1));
            if let Some(verdict) = docket.look(&who, left.flatten(), now) {
                self.execute(&who, verdict);
            }
        }
    }

    fn judge(&self, docket: &mut Docket, who: &Who, answer: Answer, tally: &mut Tally) {
        self.counts.service(who.0, |it| match answer {
            Answer::Yes => it.answered += 1,
            Answer::No => it.failed += 1,
            Answer::Unknown => it.unclear += 1,
        });
        let Some(verdict) = docket.answer(who, answer, Instant::now()) else {
            return;
        };
        match verdict {
            Verdict::Readmit { credit: 0 } => tally.back += 1,
            Verdict::Readmit { .. } => tally.contradicted += 1,
            Verdict::KeepOut(_) | Verdict::Withdraw => tally.failing += 1,
        }
        self.execute(who, verdict);
    }

    fn execute(&self, (service, identity): &Who, verdict: Verdict) {
        let vip = SocketAddr::new(service.address, service.port);
        self.kernel.with(|datapath| match verdict {
            Verdict::Readmit { credit } => {
                if datapath.readmit(service, *identity, credit) {
                    tracing::info!(%vip, credit, "a backend that was avoided answers");
                }
            }
            Verdict::KeepOut(pause) => {
                // Until the next probe is answered, whatever it comes to.
                let time = pause + LIMIT + PERIOD.0;
                if datapath.keep_out(service, *identity, time) {
                    tracing::debug!(%vip, "a backend that is avoided does not answer");
                }
            }
            Verdict::Withdraw => datapath.withdraw_credit(service, *identity),
        });
    }
}

impl Tally {
    fn told(&self, docket: &Docket) -> String {
        format!(
            "{} backends avoided; answered: {} back, {} wrongly avoided, {} failing",
            docket.cases(),
            self.back,
            self.contradicted,
            self.failing
        )
    }
}

/// Begins what is due, as much as may be under way; yields how many.
fn begin(docket: &mut Docket, probes: &Probes, now: Instant) -> usize {
    let mut begun = 0;
    while probes.len() < AT_ONCE
        && let Some((who, address)) = docket.next(now)
    {
        probes.push(async move { (who, probe(address).await) }.boxed());
        begun += 1;
    }
    begun
}

/// How long nothing has to be done unless something happens.
fn wait(docket: &Docket, asked: Option<Instant>, under_way: usize) -> Duration {
    let now = Instant::now();
    let ask = asked.map_or(now, |asked| asked + period(docket));
    let glance = (!docket.credited().is_empty()).then(|| now + GLANCE);
    let due = docket.due().filter(|_| under_way < AT_ONCE);
    let next = [Some(ask), glance, due].into_iter().flatten().min();
    next.map_or(PERIOD.0, |next| next.saturating_duration_since(now))
}

fn period(docket: &Docket) -> Duration {
    if docket.cases() > 0 {
        PERIOD.0
    } else {
        PERIOD.1
    }
}

/// Whether somebody takes a connection. What only says that this host is in trouble is
/// no answer.
async fn probe(address: SocketAddr) -> Answer {
    let connect = TcpStream::connect(address);
    let kind = match tokio::time::timeout(LIMIT, connect).await {
        Ok(Ok(_)) => return Answer::Yes,
        Ok(Err(error)) => error.kind(),
        Err(_) => ErrorKind::TimedOut,
    };
    match kind {
        ErrorKind::ConnectionRefused
        | ErrorKind::ConnectionReset
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::TimedOut => Answer::No,
        _ => Answer::Unknown,
    }
}

#[cfg(test)]
mod tests;
