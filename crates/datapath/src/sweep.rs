//! Ending exactly the sockets that were translated to backends which are gone.
//!
//! A connected UDP socket is told by nobody that its backend is gone, and a TCP
//! connection to one that vanished waits for minutes. What a socket remembers of its
//! translation says whose it is, so that nobody else's is touched: not one that dialled
//! the backend itself, nor one that has connected elsewhere since, nor an unconnected
//! one, which chooses anew with its next datagram and must keep its port.
//!
//! The kernel shows sockets by network namespace only. So a sweep is a job of its own:
//! it enters each namespace that is concerned, on a thread that ends with it, while the
//! datapath goes on. What is condemned is asked again for each socket: a backend that
//! has come back meanwhile keeps its sockets.
//!
//! Where iterators may end sockets (Linux 6.5) they do it all; below that the kernel's
//! socket diagnosis lists and ends them, and the same questions are asked from here.

mod concern;
mod diagnosis;
mod iterators;
mod message;
mod namespaces;
mod report;
mod witness;

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::thread;
use std::time::Instant;

use concern::{Concern, concern};
use diagnosis::Diagnosis;
use iterators::Iterators;
#[cfg(feature = "fuzzing")]
pub(crate) use message::read_all;
use namespaces::{Namespaces, enter};
pub use report::{SweepError, SweepReport};
use witness::Witness;

use crate::Datapath;

/// How sockets are found and ended.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// By programs, called for every socket.
    Iterators,
    /// By `NETLINK_SOCK_DIAG`.
    Diagnosis,
}

/// A job: ending the sockets that were translated to backends which are gone. It holds
/// nothing of the [`Datapath`], so that any thread may run it at any time.
#[derive(Debug)]
pub struct Sweep {
    ender: Result<Ender, SweepError>,
    namespaces: BTreeSet<u32>,
    /// Whether there are more, of which nobody knows where they are.
    everywhere: bool,
    hidden: u64,
}

/// What ends sockets in the namespace that the thread is in.
#[derive(Debug)]
enum Ender {
    Iterators(Iterators),
    Diagnosis(Box<Diagnosis>),
}

impl Datapath {
    /// The sweep that is due: none, at the cost of a glance, unless something is still
    /// open to a backend that is gone and whose sockets are to be ended. Run it on a
    /// thread that may block, and let [`SweepReport::rest`] pass before the next one.
    ///
    /// One sweep may not be enough: a connect that is on its way to a backend while it
    /// goes shows only after it. So ask again every few seconds, for as long as there
    /// is something to do.
    #[must_use]
    pub fn sweep(&self) -> Option<Sweep> {
        let means = match self.sweeps.is_empty() {
            true => Means::Diagnosis,
            false => Means::Iterators,
        };
        self.sweep_by(means)
    }

    /// As [`Datapath::sweep`], by means of choice.
    #[doc(hidden)]
    #[must_use]
    pub fn sweep_by(&self, means: Means) -> Option<Sweep> {
        let concern = concern(&self.kernel.book, &self.kernel.maps)?;
        let (tcp, udp) = (concern.tcp.hidden(), concern.udp.hidden());
        // The diagnosis shows what TCP sockets have in storage, and UDP ones not.
        let (ender, everywhere, hidden) = match means {
            Means::Iterators => (self.iterators(&concern), tcp + udp > 0, 0),
            Means::Diagnosis => (self.diagnosis(&concern), tcp > 0, udp),
        };
        Some(Sweep {
            ender,
            namespaces: concern.namespaces,
            everywhere,
            hidden,
        })
    }

    fn iterators(&self, concern: &Concern) -> Result<Ender, SweepError> {
        Iterators::new(&self.sweeps, concern.protocols()).map(Ender::Iterators)
    }

    fn diagnosis(&self, concern: &Concern) -> Result<Ender, SweepError> {
        let programs = self.programs.iter().map(|(_, program)| program.as_fd());
        let diagnosis = Diagnosis::new(Witness::of(programs)?, concern);
        Ok(Ender::Diagnosis(Box::new(diagnosis)))
    }
}

impl Sweep {
    /// Does it, on a thread of its own, and waits for that: milliseconds for each
    /// namespace, or longer with 100,000s of sockets.
    #[must_use]
    pub fn run(self) -> SweepReport {
        let begun = Instant::now();
        let thread = thread::Builder::new().name("sweep".to_owned());
        let outcome = thread.spawn(move || self.visit());
        let mut report = match outcome.map(thread::JoinHandle::join) {
            Ok(Ok(report)) => report,
            Ok(Err(_)) => SweepReport::failed(SweepError::Panicked),
            Err(source) => SweepReport::failed(SweepError::Thread { source }),
        };
        report.took = begun.elapsed();
        report
    }

    /// For a thread that does nothing else: it does not come back from where it goes.
    fn visit(self) -> SweepReport {
        let ender = match self.ender {
            Ok(ender) => ender,
            Err(error) => return SweepReport::failed(error),
        };
        let mut report = SweepReport {
            hidden: self.hidden,
            ..SweepReport::default()
        };
        let mut left = self.namespaces;
        for namespace in Namespaces::find() {
            if left.is_empty() && !self.everywhere {
                break;
            }
            let cookie = match namespace.and_then(|namespace| enter(&namespace)) {
                Ok(cookie) => cookie,
                Err(error) => {
                    report.failures.push(error);
                    continue;
                }
            };
            if !left.remove(&(cookie as u32)) && !self.everywhere {
                continue;
            }
            report.namespaces += 1;
            match &ender {
                Ender::Iterators(iterators) => iterators.end_here(&mut report),
                Ender::Diagnosis(diagnosis) => diagnosis.end_here(&mut report),
            }
        }
        report.unreachable = left.len();
        report
    }
}

/// It goes to another thread, and may outlive the datapath.
const _: fn() = || {
    fn sendable<T: Send + 'static>() {}
    sendable::<Sweep>();
    sendable::<SweepReport>();
};
