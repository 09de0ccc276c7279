//! A blocking netlink socket, for work on a thread of its own.
//!
//! The kernel answers while it takes the request, so there is nothing to wait for and
//! an event loop would only add turns. A socket belongs to the namespace of the thread
//! that opened it, for good.

use std::io;

use rtnetlink::packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::sys::{self, SocketAddr, protocols::NETLINK_ROUTE};

use crate::NetlinkError;
use crate::batch::{Batch, Step, append, encode};
use crate::conntrack::{code, message};

/// The kernel sends no longer message than this.
const LONGEST: usize = 64 * 1024;
/// Changes sent at once: that many refusals fit the socket's buffer.
const AT_ONCE: usize = 64;
/// The kernel sets this when a table changed while it was listed.
const INTERRUPTED: u16 = 0x10;
/// Length of a message's header.
const HEADER: usize = 16;
/// Looks at a table that keeps changing.
const LOOKS: usize = 10;

/// An open socket; see the module's documentation.
pub struct Socket(sys::Socket);

impl Socket {
    /// Opens one in the calling thread's namespace.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn open() -> Result<Self, NetlinkError> {
        let mut socket = sys::Socket::new(NETLINK_ROUTE).map_err(NetlinkError::Socket)?;
        socket.bind_auto().map_err(NetlinkError::Socket)?;
        socket
            .connect(&SocketAddr::new(0, 0))
            .map_err(NetlinkError::Socket)?;
        Ok(Self(socket))
    }

    /// Makes all changes, in order. The kernel goes on after a refusal; the first one
    /// is returned.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`] with the first change that failed.
    pub fn run(&self, batch: &Batch) -> Result<(), NetlinkError> {
        let mut first = None;
        for steps in batch.steps.chunks(AT_ONCE) {
            self.send(&encode(steps))?;
            let refused = self.outcomes(steps)?;
            first = first.or(refused);
        }
        first.map_or(Ok(()), Err)
    }

    /// Reads answers until the last of `steps` is answered.
    fn outcomes(&self, steps: &[Step]) -> Result<Option<NetlinkError>, NetlinkError> {
        let mut first = None;
        loop {
            for message in self.receive()? {
                let number = message.header.sequence_number;
                let NetlinkPayload::Error(answer) = message.payload else {
                    continue;
                };
                let at = usize::try_from(number).unwrap_or(0).wrapping_sub(1);
                let Some(step) = steps.get(at) else { continue };
                let errno = answer.raw_code().abs();
                if errno != 0 && step.fine != Some(errno) && first.is_none() {
                    first = Some(NetlinkError::Refused {
                        step: step.what.clone(),
                        source: io::Error::from_raw_os_error(errno),
                    });
                }
                if at + 1 == steps.len() {
                    return Ok(first);
                }
            }
        }
    }

    /// Asks for one thing; `None` if the kernel says `absent`.
    pub(crate) fn ask(
        &self,
        what: &'static str,
        message: RouteNetlinkMessage,
        absent: i32,
    ) -> Result<Option<RouteNetlinkMessage>, NetlinkError> {
        let mut bytes = Vec::new();
        append(&mut bytes, 1, NLM_F_REQUEST, message);
        self.send(&bytes)?;
        for answer in self.receive()? {
            match answer.payload {
                NetlinkPayload::InnerMessage(found) => return Ok(Some(found)),
                NetlinkPayload::Error(error) if error.raw_code() == -absent => return Ok(None),
                NetlinkPayload::Error(error) => {
                    return Err(NetlinkError::Look {
                        what,
                        source: error.to_io(),
                    });
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Lists a table; begins again if it changed meanwhile.
    pub(crate) fn list(
        &self,
        what: &'static str,
        request: &RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        let mut found = Vec::new();
        for _ in 0..LOOKS {
            found.clear();
            let mut bytes = Vec::new();
            append(&mut bytes, 1, NLM_F_REQUEST | NLM_F_DUMP, request.clone());
            self.send(&bytes)?;
            if self.listing(what, &mut found)? {
                break;
            }
        }
        // A table that never rests is returned as it was seen.
        Ok(found)
    }

    /// As [`Socket::list`], without the library: the body of each message, whatever is in it.
    pub(crate) fn list_raw(
        &self,
        what: &'static str,
        kind: u16,
        request: &[u8],
    ) -> Result<Vec<Vec<u8>>, NetlinkError> {
        let length = u32::try_from(HEADER + request.len()).unwrap_or(u32::MAX);
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
        bytes.extend(1_u32.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(request);
        self.send(&bytes)?;
        let mut found = Vec::new();
        loop {
            let mut buffer = Vec::with_capacity(LONGEST);
            retried(|| self.0.recv(&mut buffer, 0))?;
            let mut rest = buffer.as_slice();
            while let Some((kind, body, next)) = message(rest) {
                match i32::from(kind) {
                    libc::NLMSG_DONE => return Ok(found),
                    libc::NLMSG_ERROR => {
                        let refused = |source| NetlinkError::Look { what, source };
                        return code(body).map_err(refused).map(|()| found);
                    }
                    _ => found.push(body.to_vec()),
                }
                rest = next;
            }
        }
    }

    /// Reads a whole listing; false if the table changed meanwhile.
    fn listing(
        &self,
        what: &'static str,
        found: &mut Vec<RouteNetlinkMessage>,
    ) -> Result<bool, NetlinkError> {
        let mut steady = true;
        loop {
            for message in self.receive()? {
                steady &= message.header.flags & INTERRUPTED == 0;
                match message.payload {
                    NetlinkPayload::InnerMessage(entry) => found.push(entry),
                    NetlinkPayload::Done(_) => return Ok(steady),
                    NetlinkPayload::Error(error) => {
                        let source = error.to_io();
                        return Err(NetlinkError::Look { what, source });
                    }
                    _ => {}
                }
            }
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), NetlinkError> {
        retried(|| self.0.send(bytes, 0)).map(drop)
    }

    /// The messages of one datagram.
    fn receive(&self) -> Result<Vec<NetlinkMessage<RouteNetlinkMessage>>, NetlinkError> {
        let mut buffer = Vec::with_capacity(LONGEST);
        retried(|| self.0.recv(&mut buffer, 0))?;
        let mut messages = Vec::new();
        let mut rest = buffer.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(|error| NetlinkError::Socket(io::Error::other(error.to_string())))?;
            let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            messages.push(message);
        }
        Ok(messages)
    }
}

fn retried<T>(mut call: impl FnMut() -> io::Result<T>) -> Result<T, NetlinkError> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map_err(NetlinkError::Socket),
        }
    }
}
