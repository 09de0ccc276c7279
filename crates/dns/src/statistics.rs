//! Counters for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::Transport;

/// Counters since the server started; every one only grows.
#[derive(Debug, Default)]
pub struct Statistics {
    /// Queries that came over UDP.
    pub udp_queries: AtomicU64,
    /// Queries that came over TCP.
    pub tcp_queries: AtomicU64,
    /// Packets that got no answer because they were no queries.
    pub dropped: AtomicU64,
    /// Answers by the code in their header, own and foreign ones.
    pub answers: [AtomicU64; 16],
    /// Queries handed to an upstream.
    pub forwarded: AtomicU64,
    /// Attempts at an upstream that failed: refused, timed out, or a reply that
    /// passes the question on (SERVFAIL, REFUSED, NOTIMP).
    pub upstream_failures: AtomicU64,
    /// Queries answered with SERVFAIL because too many were in flight.
    pub overloaded: AtomicU64,
    /// TCP connections closed at once because too many were open.
    pub connections_refused: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Queries that came over UDP.
    pub udp_queries: u64,
    /// Queries that came over TCP.
    pub tcp_queries: u64,
    /// Packets that got no answer because they were no queries.
    pub dropped: u64,
    /// Answers by code: NOERROR 0, FORMERR 1, SERVFAIL 2, NXDOMAIN 3, NOTIMP 4,
    /// REFUSED 5; the codes above are other servers'.
    pub answers: [u64; 16],
    /// Queries handed to an upstream.
    pub forwarded: u64,
    /// Attempts at an upstream that failed.
    pub upstream_failures: u64,
    /// Queries answered with SERVFAIL because too many were in flight.
    pub overloaded: u64,
    /// TCP connections closed at once because too many were open.
    pub connections_refused: u64,
}

impl Statistics {
    /// Reads all counters; they are not read at the same instant.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            udp_queries: read(&self.udp_queries),
            tcp_queries: read(&self.tcp_queries),
            dropped: read(&self.dropped),
            answers: std::array::from_fn(|code| read(&self.answers[code])),
            forwarded: read(&self.forwarded),
            upstream_failures: read(&self.upstream_failures),
            overloaded: read(&self.overloaded),
            connections_refused: read(&self.connections_refused),
        }
    }

    /// Notes a query.
    pub(crate) fn asked(&self, transport: Transport) {
        count(match transport {
            Transport::Udp => &self.udp_queries,
            Transport::Tcp => &self.tcp_queries,
        });
    }

    /// Notes an answer by the code in its header (the lower four bits).
    pub(crate) fn answered(&self, reply: &[u8]) {
        let code = reply.get(3).copied().unwrap_or(0) & 0x0f;
        count(&self.answers[usize::from(code)]);
    }
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
