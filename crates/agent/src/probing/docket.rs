//! Whom to probe when, and what follows from an answer. No input or output.
//!
//! An ejected backend is a *case*: probed at once, and again after a quarter of the time
//! that it has been failing, so that it is back soon after its process is and a host
//! that is gone for hours is asked every few seconds. Meanwhile it is kept out, and the
//! kernel lets no client try it.
//!
//! A backend that answers at once was ejected by clients that failed by their own fault,
//! or is shaky. It is given *credit*: that many failures are ignored. Whoever goes on
//! failing is contradicted again and the credit grows, so that a hostile client shuts a
//! healthy backend out for milliseconds, ever more rarely. Credit is a debt all the
//! same, since a process that dies now is believed later: while credit is being used up
//! the backend is probed, and once nobody fails any more it is taken back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use datapath::Ejected;
use model::Protocol;
use vip::ServiceKey;

/// Failures ignored after the first contradiction, and at most.
const CREDIT: (u32, u32) = (100, 10_000);

/// How long contradictions are remembered.
const MEMORY: Duration = Duration::from_secs(300);

/// How long credit stays that nobody uses.
const UNUSED: Duration = Duration::from_secs(10);

/// Shortest and longest time between two probes of a failing backend.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Pause after a probe that says nothing, since this host failed itself.
const CONFUSED: Duration = Duration::from_secs(1);

/// A backend in the kernel.
pub(super) type Who = (ServiceKey, u64);

/// What a probe showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It took the connection.
    Yes,
    /// It refused, or did not answer.
    No,
    /// This host could not ask.
    Unknown,
}

/// What follows from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// New connections may go there again, and so many failures are ignored.
    Readmit { credit: u32 },
    /// They keep away for this long, or until the next probe.
    KeepOut(Duration),
    /// Failures count again.
    Withdraw,
}

/// Everything that is going on.
#[derive(Debug, Default)]
pub(super) struct Docket {
    cases: BTreeMap<Who, Case>,
    trusted: BTreeMap<Who, Trust>,
}

/// An ejected backend.
#[derive(Debug)]
struct Case {
    address: SocketAddr,
    /// When it was first seen failing by us; nothing before the first probe.
    failing: Option<Instant>,
    due: Instant,
    under_way: bool,
}

/// A backend that answered although clients failed.
#[derive(Debug)]
struct Trust {
    address: SocketAddr,
    /// What it was given last.
    credit: u32,
    /// When that was.
    contradicted: Instant,
    /// What was left of it at the last look; 0 is nothing to look after.
    left: u32,
    /// When some of it was last used.
    used: Instant,
    under_way: bool,
}

impl Docket {
    /// Takes over which backends are ejected.
    pub(super) fn see(&mut self, ejected: Vec<Ejected>, now: Instant) {
        let mut cases = BTreeMap::new();
        for backend in ejected {
            let who = (backend.service, backend.identity);
            let address = backend.near.or(backend.far);
            // UDP does not answer by itself.
            let Some(address) = address.filter(|_| who.0.protocol == Protocol::Tcp) else {
                continue;
            };
            let fresh = Case {
                address,
                failing: None,
                due: now,
                under_way: false,
            };
            cases.insert(who, self.cases.remove(&who).unwrap_or(fresh));
        }
        self.cases = cases;
        self.trusted
            .retain(|_, trust| now.saturating_duration_since(trust.contradicted) < MEMORY);
    }

    /// How many backends are ejected.
    pub(super) fn cases(&self) -> usize {
        self.cases.len()
    }

    /// All that something is known of.
    pub(super) fn known(&self) -> impl Iterator<Item = &Who> {
        self.cases.keys().chain(self.trusted.keys())
    }

    /// Whose credit to look at.
    pub(super) fn credited(&self) -> Vec<Who> {
        let held = self.trusted.iter().filter(|(_, trust)| trust.left > 0);
        held.map(|(who, _)| *who).collect()
    }

    /// What is left of a credit; nothing if that backend is gone. Yields what follows.
    pub(super) fn look(&mut self, who: &Who, left: Option<u32>, now: Instant) -> Option<Verdict> {
        let Some(left) = left else {
            self.trusted.remove(who);
            return None;
        };
        let trust = self.trusted.get_mut(who)?;
        if left < trust.left {
            trust.used = now;
        }
        trust.left = left;
        let unused = now.saturating_duration_since(trust.used) >= UNUSED;
        (left > 0 && unused).then(|| {
            trust.left = 0;
            Verdict::Withdraw
        })
    }

    /// The next one to probe, which is then under way.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Who, SocketAddr)> {
        let waiting = self.cases.iter_mut().filter(|(_, case)| !case.under_way);
        // Who waits longest, so that many that fail do not keep others waiting for ever.
        let longest = waiting.min_by_key(|(_, case)| case.due);
        if let Some((who, case)) = longest.filter(|(_, case)| case.due <= now) {
            case.under_way = true;
            return Some((*who, case.address));
        }
        let cases = &self.cases;
        let mut doubted = self.trusted.iter_mut().filter(|(who, trust)| {
            // Only at the look at which some of it turned out to be used.
            let used = trust.left > 0 && trust.used == now;
            used && !trust.under_way && !cases.contains_key(*who)
        });
        let (who, trust) = doubted.next()?;
        trust.under_way = true;
        Some((*who, trust.address))
    }

    /// When the next case is due, if there is one that waits.
    pub(super) fn due(&self) -> Option<Instant> {
        let waiting = self.cases.values().filter(|case| !case.under_way);
        waiting.map(|case| case.due).min()
    }

    /// Takes over what a probe showed and yields what follows.
    pub(super) fn answer(&mut self, who: &Who, answer: Answer, now: Instant) -> Option<Verdict> {
        if let Some(trust) = self.trusted.get_mut(who) {
            trust.under_way = false;
        }
        if !self.cases.contains_key(who) {
            return self.answer_for_credit(who, answer);
        }
        match answer {
            Answer::Yes => self.cases.remove(who).map(|case| match case.failing {
                // It failed when we asked, too: nobody is contradicted.
                Some(_) => Verdict::Readmit { credit: 0 },
                None => Verdict::Readmit {
                    credit: self.trust(who, case.address, now),
                },
            }),
            Answer::No => {
                self.trusted.remove(who);
                let case = self.cases.get_mut(who)?;
                let failing = *case.failing.get_or_insert(now);
                let pause = now.saturating_duration_since(failing) / 4;
                let pause = pause.clamp(PAUSE.0, PAUSE.1);
                (case.due, case.under_way) = (now + pause, false);
                Some(Verdict::KeepOut(pause))
            }
            Answer::Unknown => {
                let case = self.cases.get_mut(who)?;
                (case.due, case.under_way) = (now + CONFUSED, false);
                None
            }
        }
    }

    /// A backend with credit was asked because clients fail.
    fn answer_for_credit(&mut self, who: &Who, answer: Answer) -> Option<Verdict> {
        if answer != Answer::No {
            return None;
        }
        // They are right: the next failures count.
        self.trusted.remove(who).map(|_| Verdict::Withdraw)
    }

    /// Notes a contradiction; yields the credit that it is worth.
    fn trust(&mut self, who: &Who, address: SocketAddr, now: Instant) -> u32 {
        let before = self.trusted.get(who).map(|trust| trust.credit);
        let credit = before.map_or(CREDIT.0, |credit| credit.saturating_mul(2).min(CREDIT.1));
        let trust = Trust {
            address,
            credit,
            contradicted: now,
            left: credit,
            used: now,
            under_way: false,
        };
        self.trusted.insert(*who, trust);
        credit
    }
}

#[cfg(test)]
mod tests;
