//! Connections that the kernel tracks, looked through and forgotten.
//!
//! A tracked flow keeps the translation that it began with. A flow of datagrams that
//! never rests therefore goes on to where a rule led once, however often the rule
//! changes; forgetting it makes the next datagram ask the rules again.
//!
//! The messages are few and simple, so no library is drawn in for them: a request for
//! all flows, and one to delete a flow by its own description.
//!
//! Everything here blocks; from async code call it through `spawn_blocking`.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

use crate::NetlinkError;

/// A tracked flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Number of its protocol in IP headers: 6 or 17; others are not looked at.
    pub protocol: u8,
    /// Who began it.
    pub source: SocketAddr,
    /// What the first packet was sent to.
    pub destination: SocketAddr,
    /// Who answers: another than `destination` if the flow is translated.
    pub answers: SocketAddr,
}

impl Flow {
    /// Whether its destination was translated.
    #[must_use]
    pub fn is_redirected(&self) -> bool {
        self.destination != self.answers
    }
}

/// Only flows of this family and protocol to this port. The kernel then leaves out all
/// others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Narrow {
    /// Whether they are of IPv4.
    pub ipv4: bool,
    /// Protocol number.
    pub protocol: u8,
    /// Port of the original destination.
    pub port: u16,
}

/// Forgets the flows of this namespace that `chosen` says yes to, and says how many.
///
/// # Errors
/// When the kernel refuses, which without `CAP_NET_ADMIN` it does.
pub fn forget(
    narrow: Option<Narrow>,
    chosen: impl Fn(&Flow) -> bool,
) -> Result<usize, NetlinkError> {
    if is_nothing_tracked() {
        return Ok(0);
    }
    let kernel = Kernel::open().map_err(failed("open a socket for"))?;
    let mut count = 0;
    for (family, ipv4) in [(libc::AF_INET, true), (libc::AF_INET6, false)] {
        if narrow.is_some_and(|narrow| narrow.ipv4 != ipv4) {
            continue;
        }
        let family = u8::try_from(family).unwrap_or_default();
        let found = kernel
            .list(family, narrow, &chosen)
            .map_err(failed("list"))?;
        for name in found {
            count += usize::from(kernel.delete(family, &name).map_err(failed("delete"))?);
        }
    }
    Ok(count)
}

/// Whether there is no flow, or no tracking: walking the kernel's table takes
/// milliseconds also when it is empty.
fn is_nothing_tracked() -> bool {
    let count = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count");
    count.map_or_else(
        |error| error.kind() == io::ErrorKind::NotFound,
        |count| count.trim() == "0",
    )
}

fn failed(action: &'static str) -> impl FnOnce(io::Error) -> NetlinkError {
    move |source| NetlinkError::Flows { action, source }
}

const SUBSYSTEM: u16 = 1 << 8;
const NEW: u16 = SUBSYSTEM;
const GET: u16 = SUBSYSTEM | 1;
const DELETE: u16 = SUBSYSTEM | 2;

const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const ID: u16 = 12;
const ZONE: u16 = 18;
const FILTER: u16 = 25;

const TUPLE_IP: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const SOURCE_PORT: u16 = 2;
const DESTINATION_PORT: u16 = 3;

const FILTER_ORIGINAL_FLAGS: u16 = 1;
/// Bits of the filter's flags, as the kernel orders the parts of a tuple.
const BY_PROTOCOL: u32 = 1 << 3;
const BY_DESTINATION_PORT: u32 = 1 << 5;

/// Marks an attribute that holds others.
const NESTED: u16 = 0x8000;
/// Lengths of the two headers.
const HEADER: usize = 16;
const FAMILY_HEADER: usize = 4;

struct Kernel(OwnedFd);

impl Kernel {
    fn open() -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkNetFilter,
        )?;
        Ok(Self(socket))
    }

    /// What deletes each flow that was chosen.
    fn list(
        &self,
        family: u8,
        narrow: Option<Narrow>,
        chosen: impl Fn(&Flow) -> bool,
    ) -> io::Result<Vec<Vec<u8>>> {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_DUMP;
        self.send(GET, flags, family, &narrow.map(filter).unwrap_or_default())?;
        let mut found = Vec::new();
        self.answers(|kind, body| {
            let attributes = body.get(FAMILY_HEADER..).unwrap_or_default();
            if kind == NEW
                && let Some(flow) = flow(attributes)
                && narrow.is_none_or(|narrow| narrow.fits(&flow))
                && chosen(&flow)
            {
                found.push(name(attributes));
            }
        })?;
        Ok(found)
    }

    /// Whether the flow was there still.
    fn delete(&self, family: u8, name: &[u8]) -> io::Result<bool> {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK;
        self.send(DELETE, flags, family, name)?;
        match self.answers(|_, _| {}) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn send(&self, kind: u16, flags: libc::c_int, family: u8, rest: &[u8]) -> io::Result<()> {
        let length = u32::try_from(HEADER + FAMILY_HEADER + rest.len()).unwrap_or(u32::MAX);
        let flags = u16::try_from(flags).unwrap_or_default();
        let mut message = Vec::new();
        message.extend_from_slice(&length.to_ne_bytes());
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(&flags.to_ne_bytes());
        // Sequence and sender: a socket with one request at a time needs neither.
        message.extend_from_slice(&[0; 8]);
        message.extend_from_slice(&[family, 0, 0, 0]);
        message.extend_from_slice(rest);
        let kernel = NetlinkAddr::new(0, 0);
        sendto(self.0.as_raw_fd(), &message, &kernel, MsgFlags::empty())?;
        Ok(())
    }

    /// Shows all messages of an answer, which ends with a code.
    fn answers(&self, mut seen: impl FnMut(u16, &[u8])) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let length = match recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => continue,
                outcome => outcome?,
            };
            let mut rest = buffer.get(..length).unwrap_or_default();
            while let Some((kind, body, next)) = message(rest) {
                match i32::from(kind) {
                    libc::NLMSG_DONE => return Ok(()),
                    libc::NLMSG_ERROR => return code(body),
                    _ => seen(kind, body),
                }
                rest = next;
            }
        }
    }
}

impl Narrow {
    fn fits(&self, flow: &Flow) -> bool {
        flow.protocol == self.protocol && flow.destination.port() == self.port
    }
}

/// The outcome that a message of kind `NLMSG_ERROR` tells.
pub(crate) fn code(body: &[u8]) -> io::Result<()> {
    match body.first_chunk().map(|code| i32::from_ne_bytes(*code)) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The first message of a buffer: its kind, what it holds, and what follows.
pub(crate) fn message(buffer: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(*buffer.first_chunk()?);
    let length = usize::try_from(length).ok()?;
    let kind = u16::from_ne_bytes(*buffer.get(4..)?.first_chunk()?);
    let body = buffer.get(HEADER..length)?;
    Some((
        kind,
        body,
        buffer.get(aligned(length)..).unwrap_or_default(),
    ))
}

/// Each attribute's kind, content and whole bytes.
fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8], &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let kind = u16::from_ne_bytes(*rest.get(2..)?.first_chunk()?);
        let (content, whole) = (rest.get(4..length)?, rest.get(..length)?);
        rest = rest.get(aligned(length)..).unwrap_or_default();
        Some((kind & !NESTED, content, whole))
    })
}

pub(crate) fn content(of: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(of).find_map(|(kind, content, _)| (kind == wanted).then_some(content))
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn flow(of: &[u8]) -> Option<Flow> {
    let (protocol, source, destination) = tuple(content(of, ORIGINAL)?)?;
    let (_, answers, _) = tuple(content(of, REPLY)?)?;
    Some(Flow {
        protocol,
        source,
        destination,
        answers,
    })
}

/// Protocol, source and destination of one direction.
fn tuple(of: &[u8]) -> Option<(u8, SocketAddr, SocketAddr)> {
    let mut addresses = attributes(content(of, TUPLE_IP)?).filter_map(|(_, bytes, _)| ip(bytes));
    let (source, destination) = (addresses.next()?, addresses.next()?);
    let ports = content(of, TUPLE_PROTOCOL)?;
    let port = |kind| Some(u16::from_be_bytes(*content(ports, kind)?.first_chunk()?));
    Some((
        *content(ports, PROTOCOL_NUMBER)?.first()?,
        SocketAddr::new(source, port(SOURCE_PORT)?),
        SocketAddr::new(destination, port(DESTINATION_PORT)?),
    ))
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(*bytes.first_chunk::<4>()?)),
        16 => Some(IpAddr::from(*bytes.first_chunk::<16>()?)),
        _ => None,
    }
}

/// The attributes by which a flow is deleted: it and no later one with its addresses.
fn name(of: &[u8]) -> Vec<u8> {
    let mut name = Vec::new();
    for (kind, _, whole) in attributes(of) {
        if [ORIGINAL, ID, ZONE].contains(&kind) {
            name.extend_from_slice(whole);
            name.resize(aligned(name.len()), 0);
        }
    }
    name
}

fn filter(narrow: Narrow) -> Vec<u8> {
    let ports = [
        attribute(PROTOCOL_NUMBER, &[narrow.protocol]),
        attribute(DESTINATION_PORT, &narrow.port.to_be_bytes()),
    ];
    let flags = (BY_PROTOCOL | BY_DESTINATION_PORT).to_ne_bytes();
    let tuple = attribute(TUPLE_PROTOCOL | NESTED, &ports.concat());
    [
        attribute(ORIGINAL | NESTED, &tuple),
        attribute(FILTER | NESTED, &attribute(FILTER_ORIGINAL_FLAGS, &flags)),
    ]
    .concat()
}

pub(crate) fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + content.len()).unwrap_or(u16::MAX);
    let mut whole = length.to_ne_bytes().to_vec();
    whole.extend_from_slice(&kind.to_ne_bytes());
    whole.extend_from_slice(content);
    whole.resize(aligned(whole.len()), 0);
    whole
}
