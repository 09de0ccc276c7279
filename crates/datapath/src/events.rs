//! What programs tell while they run: ejections, refused binds, and decisions if somebody
//! watches.
//!
//! Events come through a ring that the kernel fills and one reader empties. The reader
//! is apart from the [`Datapath`], so that waiting for the kernel needs no lock. What
//! finds the ring full is lost, and nobody knows: events are news, never state.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use libbpf_rs::{MapHandle, RingBuffer, RingBufferBuilder};
use model::Protocol;

use crate::layout::monotonic;
use crate::{Datapath, DatapathError};

/// So many events are taken from the ring at a time.
const BATCH: usize = 256;

/// Something that programs told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A backend was ejected.
    Ejected {
        /// When.
        at: Instant,
        /// Its service's number in the kernel, which is used again.
        service: u32,
        /// The backend.
        identity: u64,
        /// The service's protocol.
        protocol: Protocol,
    },
    /// A VIP became a backend, or was refused.
    Decision(Decision),
    /// A bind to a port that is not the task's was refused; told once a second at most
    /// for each cgroup.
    Denied(Denied),
}

/// A bind that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// When.
    pub at: Instant,
    /// Where the socket was to be bound.
    pub address: SocketAddr,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The cgroup that may not: see [`Datapath::set_owners`].
    pub cgroup: u64,
    /// Process id in the initial PID namespace.
    pub pid: u32,
    /// The thread's name.
    pub comm: String,
}

/// How a client's VIP became a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// When.
    pub at: Instant,
    /// What the client asked for.
    pub vip: SocketAddr,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The address that it got; nothing if it was refused.
    pub peer: Option<SocketAddr>,
    /// The backend that was chosen. It may be one without an address for this client,
    /// which is then refused.
    pub identity: Option<u64>,
    /// How.
    pub how: How,
    /// Process id in the initial PID namespace.
    pub pid: u32,
    /// The thread's name.
    pub comm: String,
    /// Cookie of the client's network namespace.
    pub netns: u64,
    /// Id of the client's cgroup: see [`crate::cgroup_path`].
    pub cgroup: u64,
}

/// Why it is this backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// There was none, or no such port.
    Refused,
    /// There is no other.
    Only,
    /// It was drawn.
    Drawn,
    /// It was the less loaded one of two that were drawn.
    Lighter,
    /// The hash of the client's namespace says so.
    Hash,
    /// The client's namespace had it before.
    Affinity,
    /// It was ejected, and somebody has to try whether it works.
    Trial,
    /// Those that were drawn could not be used, and this was the best of all.
    Fallback,
}

impl How {
    /// One word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Only => "only",
            Self::Drawn => "drawn",
            Self::Lighter => "lighter",
            Self::Hash => "hash",
            Self::Affinity => "affinity",
            Self::Trial => "trial",
            Self::Fallback => "fallback",
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Refused,
            1 => Self::Only,
            2 => Self::Drawn,
            3 => Self::Lighter,
            4 => Self::Hash,
            5 => Self::Affinity,
            6 => Self::Trial,
            7 => Self::Fallback,
            _ => return None,
        })
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The reader of events. It may be waited for here, or by its descriptor: that is
/// readable when there are some, and told of once, so that whoever waits for it takes
/// until nothing is left before.
#[derive(Debug)]
pub struct Events {
    ring: RingBuffer<'static>,
    taken: Arc<Mutex<Vec<Event>>>,
    map: MapHandle,
}

impl Events {
    /// What has come, oldest first, and without waiting: some of it, and nothing only
    /// if nothing is left.
    ///
    /// # Errors
    /// If the ring cannot be read.
    pub fn take(&mut self) -> Result<Vec<Event>, DatapathError> {
        loop {
            let count = self.ring.consume_raw_n(BATCH);
            if count < 0 {
                let source = libbpf_rs::Error::from_raw_os_error(-count);
                return Err(unreadable(source));
            }
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            // A batch of rubbish is no reason to wait.
            if count == 0 || !taken.is_empty() {
                return Ok(std::mem::take(&mut taken));
            }
        }
    }

    /// As [`Events::take`], after waiting for at most `limit` until there is something.
    ///
    /// # Errors
    /// If the ring cannot be read.
    pub fn wait(&mut self, limit: Duration) -> Result<Vec<Event>, DatapathError> {
        let taken = self.take()?;
        if !taken.is_empty() {
            return Ok(taken);
        }
        let count = self.ring.poll_raw(limit);
        // A signal is no failure.
        if count < 0 && count != -libc::EINTR {
            return Err(unreadable(libbpf_rs::Error::from_raw_os_error(-count)));
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut taken))
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }
}

impl AsRawFd for Events {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Datapath {
    /// A reader of what programs tell. Two at a time take each other's events.
    ///
    /// # Errors
    /// If the kernel does not give it.
    pub fn events(&self) -> Result<Events, DatapathError> {
        let map = MapHandle::try_from(&self.kernel.maps.events).map_err(unreadable)?;
        let taken = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&taken);
        let mut builder = RingBufferBuilder::new();
        // What it owns may go to another thread, as `Events` does.
        let read = move |bytes: &[u8]| {
            let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
            sink.extend(parse(bytes));
            0
        };
        builder.add(&map, read).map_err(unreadable)?;
        let ring = builder.build().map_err(unreadable)?;
        Ok(Events { ring, taken, map })
    }

    /// Pays for so many more decisions to be told, one of every `every`. What was left
    /// of an earlier budget is void; a budget of 0 ends it.
    pub fn set_trace(&self, budget: u32, every: u32) {
        if let Some(control) = self.kernel.maps.control.get(0) {
            control.every.store(every.max(1), Relaxed);
            let budget = i32::try_from(budget).unwrap_or(i32::MAX);
            control.trace.store(budget, Relaxed);
        }
    }
}

fn unreadable(source: libbpf_rs::Error) -> DatapathError {
    DatapathError::Map {
        map: "events",
        action: "read",
        source,
    }
}

/// `struct event` of `bpf/layout.h`. Nothing in the compiled object describes it, so
/// that a test has the kernel fill in every field.
#[repr(C)]
struct Layout {
    time: u64,
    netns: u64,
    cgroup: u64,
    identity: u64,
    vip: [u8; 16],
    peer: [u8; 16],
    vip_port: u16,
    peer_port: u16,
    kind: u8,
    protocol: u8,
    how: u8,
    spare: u8,
    service: u32,
    backend: u32,
    pid: u32,
    spare_too: u32,
    comm: [u8; 16],
}

const SIZE: usize = size_of::<Layout>();
const _: () = assert!(SIZE == 104);

/// Where an event has a field.
macro_rules! at {
    ($field:ident) => {
        std::mem::offset_of!(Layout, $field)
    };
}

/// Reads a `struct event`; nothing for what is none.
pub(crate) fn parse(bytes: &[u8]) -> Option<Event> {
    let event = Raw(bytes.first_chunk::<SIZE>()?);
    let protocol = match event.byte(at!(protocol)) {
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        _ => return None,
    };
    let at = instant(event.long(at!(time)));
    let identity = event.long(at!(identity));
    match event.byte(at!(kind)) {
        1 => Some(Event::Ejected {
            at,
            service: event.word(at!(service)),
            identity,
            protocol,
        }),
        2 => Some(Event::Decision(Decision {
            at,
            vip: event.endpoint(at!(vip), at!(vip_port)),
            protocol,
            peer: Some(event.endpoint(at!(peer), at!(peer_port))).filter(|peer| peer.port() != 0),
            identity: Some(identity).filter(|identity| *identity != 0),
            how: How::from_number(event.byte(at!(how)))?,
            pid: event.word(at!(pid)),
            comm: event.text(at!(comm)),
            netns: event.long(at!(netns)),
            cgroup: event.long(at!(cgroup)),
        })),
        3 => Some(Event::Denied(Denied {
            at,
            address: event.endpoint(at!(peer), at!(peer_port)),
            protocol,
            cgroup: event.long(at!(cgroup)),
            pid: event.word(at!(pid)),
            comm: event.text(at!(comm)),
        })),
        _ => None,
    }
}

/// The clock of programs is the one that `Instant` reads.
pub(crate) fn instant(nanos: u64) -> Instant {
    let ago = Duration::from_nanos(monotonic().saturating_sub(nanos));
    let now = Instant::now();
    now.checked_sub(ago).unwrap_or(now)
}

/// The bytes of an event.
struct Raw<'b>(&'b [u8; SIZE]);

impl Raw<'_> {
    fn bytes<const N: usize>(&self, offset: usize) -> [u8; N] {
        let found = self.0.get(offset..).and_then(|rest| rest.first_chunk());
        found.copied().unwrap_or([0; N])
    }

    fn byte(&self, offset: usize) -> u8 {
        self.bytes::<1>(offset)[0]
    }

    fn word(&self, offset: usize) -> u32 {
        u32::from_ne_bytes(self.bytes(offset))
    }

    fn long(&self, offset: usize) -> u64 {
        u64::from_ne_bytes(self.bytes(offset))
    }

    fn endpoint(&self, address: usize, port: usize) -> SocketAddr {
        let ip: IpAddr = Ipv6Addr::from(self.bytes::<16>(address)).to_canonical();
        SocketAddr::new(ip, u16::from_be_bytes(self.bytes(port)))
    }

    /// Text that ends in NUL. Any process names itself as it likes.
    fn text(&self, offset: usize) -> String {
        let bytes = self.bytes::<16>(offset);
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        let printable = |letter: char| {
            if letter.is_control() {
                '\u{fffd}'
            } else {
                letter
            }
        };
        String::from_utf8_lossy(text)
            .chars()
            .map(printable)
            .collect()
    }
}

const _: fn() = || {
    fn sendable<T: Send>() {}
    sendable::<Events>();
};

#[cfg(test)]
mod tests;
