//! Messages of the kernel's socket diagnosis: `linux/inet_diag.h`, `linux/sock_diag.h`.
//!
//! Everything is in the host's byte order but addresses and ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use model::Protocol;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// Attributes of a request.
const REQ_BYTECODE: u16 = 1;
const REQ_SK_BPF_STORAGES: u16 = 2;
const STORAGE_REQ_MAP_FD: u16 = 1;
/// Attributes of an answer, each in the one before.
const SK_BPF_STORAGES: u16 = 20;
const STORAGE: u16 = 1;
const STORAGE_MAP_VALUE: u16 = 3;

const BC_JMP: u8 = 1;
const BC_D_COND: u8 = 8;
/// Bytes of a jump, and of a condition on an address of IPv6.
const JUMP: usize = 4;
const CONDITION: usize = 28;

/// Conditions have to fit the 16 bits of a jump's length.
pub(super) const MAX_PEERS: usize = 512;

const HEADER: usize = 16;
const SOCKET_ID: usize = 48;
/// Where an answer's attributes begin, after its header.
const ATTRIBUTES: usize = 4 + SOCKET_ID + 20;

/// What a socket remembers, in bytes: `struct pin`.
pub(super) const PIN_BYTES: usize = 56;

/// Sockets of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Ipv4,
    /// Those connected to IPv4 addresses among them.
    Ipv6,
}

/// A socket, as the kernel tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) cookie: u64,
    /// Where it is connected to.
    pub(super) peer: SocketAddr,
    /// What it has in socket storage.
    pub(super) storage: Option<[u8; PIN_BYTES]>,
    family: u8,
    /// `struct inet_diag_sockid`: what it is known by, cookie included.
    id: [u8; SOCKET_ID],
}

/// One message of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Socket(Found),
    /// The end of a list.
    Done,
    /// 0 is success.
    Errno(i32),
}

/// Asks for sockets that are, or are being, connected to one of `peers`, with what they
/// have in the storage map `storage`.
///
/// The kernel picks them, since a socket that is told is given a cookie, and whoever
/// has one is looked at more closely when it connects and when it is closed.
pub(super) fn list(
    sequence: u32,
    family: Family,
    protocol: Protocol,
    peers: &[SocketAddr],
    storage: i32,
) -> Vec<u8> {
    let states: u32 = match protocol {
        // Established, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK
        // and CLOSING: those that are neither over nor waiting for others.
        Protocol::Tcp => 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11,
        // Connected.
        Protocol::Udp => 1 << 1,
    };
    let body = request(family.number(), protocol, states, &[0; SOCKET_ID]);
    let storage = attribute(STORAGE_REQ_MAP_FD, &storage.to_ne_bytes());
    let attributes = [
        attribute(REQ_BYTECODE, &connected_to(peers)),
        attribute(REQ_SK_BPF_STORAGES, &storage),
    ];
    let body = [body, attributes.concat()].concat();
    message(
        SOCK_DIAG_BY_FAMILY,
        NLM_F_REQUEST | NLM_F_DUMP,
        sequence,
        &body,
    )
}

/// Asks to end a socket, this one and no other: its cookie is compared.
pub(super) fn destroy(sequence: u32, protocol: Protocol, found: &Found) -> Vec<u8> {
    let body = request(found.family, protocol, 0, &found.id);
    message(SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK, sequence, &body)
}

/// The messages in what was received that answer the request of this number. What
/// cannot be read is passed over.
pub(super) fn answers(sequence: u32, mut received: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some(length) = u32_at(received, 0) {
        let Some((message, _)) = received.split_at_checked(length as usize) else {
            break;
        };
        if message.len() < HEADER {
            break;
        }
        if u32_at(message, 8) == Some(sequence) {
            answers.extend(answer(message));
        }
        received = received.get(aligned(message.len())..).unwrap_or_default();
    }
    answers
}

/// Reads what was received and asks to end every socket in it; for `fuzz/`.
#[cfg(feature = "fuzzing")]
pub(crate) fn read_all(sequence: u32, received: &[u8]) -> usize {
    let answers = answers(sequence, received);
    for answer in &answers {
        if let Answer::Socket(found) = answer {
            let request = destroy(sequence, Protocol::Tcp, found);
            assert!(request.ends_with(&found.id), "another socket than was told");
        }
    }
    answers.len()
}

fn answer(message: &[u8]) -> Option<Answer> {
    let body = message.get(HEADER..)?;
    match u16_at(message, 4)? {
        SOCK_DIAG_BY_FAMILY => found(body).map(Answer::Socket),
        NLMSG_DONE => Some(match u32_at(body, 0) {
            // A list that could not be begun or gone on with ends with the reason.
            Some(status) if (status as i32) < 0 => Answer::Errno(errno(status)),
            _ => Answer::Done,
        }),
        NLMSG_ERROR => Some(Answer::Errno(errno(u32_at(body, 0)?))),
        _ => None,
    }
}

/// The kernel writes error numbers below zero. The lowest number of all is none, and has
/// no counterpart above.
fn errno(status: u32) -> i32 {
    (status as i32).saturating_neg()
}

fn found(body: &[u8]) -> Option<Found> {
    let family = *body.first()?;
    let id: [u8; SOCKET_ID] = *body.get(4..)?.first_chunk()?;
    let port = u16::from_be_bytes(*id.get(2..)?.first_chunk()?);
    let octets: [u8; 16] = *id.get(20..)?.first_chunk()?;
    let ip = match i32::from(family) {
        libc::AF_INET => IpAddr::V4(Ipv4Addr::from(*octets.first_chunk::<4>()?)),
        _ => Ipv6Addr::from(octets).to_canonical(),
    };
    let storages = attribute_of(body.get(ATTRIBUTES..)?, SK_BPF_STORAGES);
    let storage = storages
        .and_then(|storages| attribute_of(storages, STORAGE))
        .and_then(|storage| attribute_of(storage, STORAGE_MAP_VALUE));
    Some(Found {
        // Two words, the lower one first.
        cookie: u64::from(u32_at(&id, 40)?) | u64::from(u32_at(&id, 44)?) << 32,
        peer: SocketAddr::new(ip, port),
        storage: storage.and_then(|value| value.try_into().ok()),
        family,
        id,
    })
}

/// A program for the kernel: one condition for each peer, and from each but the last,
/// if it holds, a jump to the end, which means yes. Beyond the end is no.
fn connected_to(peers: &[SocketAddr]) -> Vec<u8> {
    let mut code = Vec::new();
    for (number, peer) in peers.iter().enumerate() {
        let last = number + 1 == peers.len();
        code.extend([BC_D_COND, CONDITION as u8]);
        code.extend(((CONDITION + JUMP) as u16).to_ne_bytes());
        let (family, prefix, octets) = match peer.ip() {
            IpAddr::V4(ip) => {
                let [a, b, c, d] = ip.octets();
                let octets = [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                (libc::AF_INET, 32, octets)
            }
            IpAddr::V6(ip) => (libc::AF_INET6, 128, ip.octets()),
        };
        code.extend([family as u8, prefix, 0, 0]);
        code.extend(u32::from(peer.port()).to_ne_bytes());
        code.extend(octets);
        if !last {
            let rest = (peers.len() - number - 1) * (CONDITION + JUMP);
            code.extend([BC_JMP, JUMP as u8]);
            code.extend((rest as u16).to_ne_bytes());
        }
    }
    code
}

/// `struct inet_diag_req_v2`.
fn request(family: u8, protocol: Protocol, states: u32, id: &[u8; SOCKET_ID]) -> Vec<u8> {
    let mut body = vec![family, protocol.number(), 0, 0];
    body.extend(states.to_ne_bytes());
    body.extend(id);
    body
}

fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + body.len());
    message.extend(((HEADER + body.len()) as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    message.extend(body);
    message
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut attribute = Vec::with_capacity(4 + value.len());
    attribute.extend(((4 + value.len()) as u16).to_ne_bytes());
    attribute.extend(kind.to_ne_bytes());
    attribute.extend(value);
    attribute.resize(aligned(attribute.len()), 0);
    attribute
}

/// The value of the first attribute of a kind.
fn attribute_of(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16_at(attributes, 0)?);
        // The two upper bits tell of nesting and byte order.
        let kind = u16_at(attributes, 2)? & 0x3fff;
        let value = attributes.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        attributes = attributes.get(aligned(length)..)?;
    }
}

impl Family {
    fn number(self) -> u8 {
        match self {
            Self::Ipv4 => libc::AF_INET as u8,
            Self::Ipv6 => libc::AF_INET6 as u8,
        }
    }
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests;
