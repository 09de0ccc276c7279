//! Answers with authority.

use std::collections::HashSet;
use std::net::IpAddr;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::consider::Request;
use crate::key::Key;
use crate::reply::{HEADER, Reply, Section, pointer};
use crate::snapshot::{Found, Snapshot};
use crate::zone::{self, Zone};
use crate::{Source, reverse};

/// Seconds that addresses may be kept (DC/OS's).
const TTL: u32 = 5;
/// Seconds that "no such name" may be kept: a name may be deployed any moment.
const NEGATIVE_TTL: u32 = 1;
/// Seconds that the name server's own name may be kept.
const SERVER_TTL: u32 = 3600;
/// Times in the SOA record, for secondaries that do not exist: refresh, retry,
/// expire, and the negative TTL.
const SOA_TIMES: [u32; 4] = [60, 10, 86_400, NEGATIVE_TTL];

const A: u16 = 1;
const NS: u16 = 2;
const SOA: u16 = 6;
const PTR: u16 = 12;
const HINFO: u16 = 13;
const AAAA: u16 = 28;
const SRV: u16 = 33;

/// What ANY gets (RFC 8482, 4.2): a list of everything helps only those who make a
/// victim's address ask for it.
const MINIMAL: &[u8] = b"\x07RFC8482\x00";

/// Offsets that a pointer can name.
const LAST_POINTER: u16 = 0x3fff;

/// By what right a name is answered here.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Authority {
    /// It lies in a zone of ours.
    Zone(&'static Zone),
    /// It is the name of an address, or of a network of ours.
    Reverse {
        /// Length of the zone's apex at the end of the name.
        apex: usize,
    },
}

impl Authority {
    /// That over `name`; `None` for what is forwarded.
    pub(crate) fn over(name: &Key, names: &Snapshot) -> Option<Self> {
        if let Some(zone) = zone::holding(name) {
            return Some(Self::Zone(zone));
        }
        if let Some(apex) = reverse::apex(name, names.ranges()) {
            return Some(Self::Reverse { apex });
        }
        // A container's address on a network of this node alone.
        let known = reverse::address(name).is_some() && names.find(name.as_bytes()).is_some();
        let apex = name.as_bytes().len();
        known.then_some(Self::Reverse { apex })
    }

    fn apex_length(self) -> usize {
        match self {
            Self::Zone(zone) => zone.apex.len(),
            Self::Reverse { apex } => apex,
        }
    }

    fn fixed(self, canonical: Option<&Key>) -> Option<&'static [IpAddr]> {
        let canonical = canonical?;
        match self {
            Self::Zone(zone) => zone.fixed(canonical),
            Self::Reverse { apex } => {
                let name = canonical.as_bytes();
                let host = name.get(..name.len().checked_sub(apex)?)?;
                (host == b"\x02ns").then_some(&zone::SERVER)
            }
        }
    }

    fn canonical(self, name: &Key) -> Option<Key> {
        match self {
            Self::Zone(zone) => zone.canonical_name(name),
            Self::Reverse { .. } => Some(*name),
        }
    }

    /// Whether its names are still to come.
    fn awaits(self, names: &Snapshot) -> bool {
        match self {
            Self::Zone(zone) => zone.published() && names.awaits(zone.source()),
            Self::Reverse { .. } => names.awaits(Source::Vips) || names.awaits(Source::Tasks),
        }
    }

    /// Whether a name of which nothing is known does not exist. Networks between a
    /// range and its addresses are not followed one by one; there is just nothing.
    fn denies(self, name: &Key) -> bool {
        match self {
            Self::Zone(_) => true,
            Self::Reverse { .. } => !reverse::is_network(name),
        }
    }
}

/// The answer to a query for a name in a zone of ours.
pub(crate) fn answer(
    request: &Request<'_>,
    authority: Authority,
    names: &Snapshot,
    turn: usize,
) -> Vec<u8> {
    let mut reply = request.reply().authoritative();
    let canonical = authority.canonical(&request.name);
    let fixed = authority.fixed(canonical.as_ref());
    let published = canonical
        .as_ref()
        .and_then(|name| names.find(name.as_bytes()));
    let apex = apex_offset(request, authority);
    let at_apex = usize::from(apex) == HEADER;

    if fixed.is_none() && published.is_none() && !at_apex && authority.awaits(names) {
        return request.reply().code(ResponseCode::ServFail).finish();
    }
    let leads = fixed.is_some() || published.is_some_and(|found| !found.is_empty());
    if request.kind == RecordType::ANY && (leads || at_apex) {
        own(&mut reply, HINFO, MINIMAL);
    } else if let Some(fixed) = fixed {
        fixed_addresses(&mut reply, request.kind, fixed);
    } else if let Some(found) = published {
        records(&mut reply, request.kind, found, authority, names, turn);
    }
    if at_apex {
        apex_records(&mut reply, request.kind, apex, names.serial());
    }
    if reply.answers() == 0 && !reply.is_truncated() {
        let data = start_of_authority(apex, names.serial());
        reply.record(Section::Authority, apex, SOA, NEGATIVE_TTL, &data);
        let exists = fixed.is_some() || published.is_some() || at_apex;
        if !exists && authority.denies(&request.name) {
            reply = reply.code(ResponseCode::NXDomain);
        }
    }
    reply.finish()
}

/// Where the zone's apex stands in the reply: at the end of the question's name.
fn apex_offset(request: &Request<'_>, authority: Authority) -> u16 {
    let before = request.name.as_bytes().len() - authority.apex_length();
    // A name is shorter than 255 bytes, so this always fits.
    u16::try_from(HEADER + before).unwrap_or_default()
}

fn fixed_addresses(reply: &mut Reply, kind: RecordType, addresses: &[IpAddr]) {
    for address in addresses {
        match address {
            IpAddr::V4(v4) if kind == RecordType::A => own(reply, A, &v4.octets()),
            IpAddr::V6(v6) if kind == RecordType::AAAA => own(reply, AAAA, &v6.octets()),
            _ => continue,
        };
    }
}

fn records(
    reply: &mut Reply,
    kind: RecordType,
    found: &Found,
    authority: Authority,
    names: &Snapshot,
    turn: usize,
) {
    match kind {
        RecordType::A => {
            let mut all = rotated(&found.v4, turn);
            all.all(|v4| own(reply, A, &v4.octets()));
        }
        RecordType::AAAA => {
            let mut all = rotated(&found.v6, turn);
            all.all(|v6| own(reply, AAAA, &v6.octets()));
        }
        RecordType::SRV => ports(reply, found, authority, names, turn),
        RecordType::PTR => {
            let mut all = found.pointers.iter();
            all.all(|name| own(reply, PTR, &[&**name, &[0]].concat()));
        }
        _ => {}
    }
}

/// SRV records, and as many addresses of their targets as fit. Targets in an alias zone
/// are told as its names, so that whoever can ask the one can ask the other.
fn ports(reply: &mut Reply, found: &Found, authority: Authority, names: &Snapshot, turn: usize) {
    let mut targets: Vec<(&[u8], u16)> = Vec::new();
    let mut known: HashSet<&[u8]> = HashSet::new();
    for (port, target) in rotated(&found.ports, turn) {
        let shown = match authority {
            Authority::Zone(zone) => zone.shown_name(target),
            Authority::Reverse { .. } => target.to_vec(),
        };
        // Priority and weight are the same for all, as Mesos-DNS had them.
        let data = [&[0; 4], &port.to_be_bytes()[..], &shown, &[0]].concat();
        let Some(begins) = reply.record(Section::Answer, NAME, SRV, TTL, &data) else {
            // What does not fit is asked for again over TCP.
            break;
        };
        if let Ok(place) = u16::try_from(begins + 6)
            && place <= LAST_POINTER
            && known.insert(target)
        {
            targets.push((target, place));
        }
    }
    if reply.is_truncated() {
        return;
    }
    for (target, place) in targets {
        let Some(found) = names.find(target) else {
            continue;
        };
        for v4 in &found.v4 {
            reply.record(Section::Additional, place, A, TTL, &v4.octets());
        }
        for v6 in &found.v6 {
            reply.record(Section::Additional, place, AAAA, TTL, &v6.octets());
        }
    }
}

/// All of `list`, beginning with a different one at each turn, since most clients
/// take the first address.
///
/// Turns are spread by the golden ratio: a client that asks for A and AAAA in turn has
/// every other turn, and would see half of the list first if they were just counted.
fn rotated<T>(list: &[T], turn: usize) -> impl Iterator<Item = &T> {
    let spread = (turn as u64).wrapping_mul(0x9e37_79b9) & 0xffff_ffff;
    let middle = (spread * list.len() as u64) >> 32;
    // Below the length, by what stands above.
    let middle = usize::try_from(middle).unwrap_or(0).min(list.len());
    let (head, tail) = list.split_at(middle);
    tail.iter().chain(head)
}

/// Where the question's name stands: right behind the header.
const NAME: u16 = 12;

/// A record of the name that was asked for, in the case that it was asked in. False if
/// it does not fit: the others would not, either, and need not be tried.
fn own(reply: &mut Reply, kind: u16, data: &[u8]) -> bool {
    let begins = reply.record(Section::Answer, NAME, kind, TTL, data);
    begins.is_some()
}

fn apex_records(reply: &mut Reply, kind: RecordType, apex: u16, serial: u32) {
    if kind == RecordType::SOA {
        let data = start_of_authority(apex, serial);
        reply.record(Section::Answer, apex, SOA, TTL, &data);
    }
    if kind == RecordType::NS {
        let data = below(b"\x02ns", apex);
        reply.record(Section::Answer, apex, NS, SERVER_TTL, &data);
    }
}

fn start_of_authority(apex: u16, serial: u32) -> Vec<u8> {
    let mut data = below(b"\x02ns", apex);
    data.extend(below(b"\x0ahostmaster", apex));
    data.extend(serial.to_be_bytes());
    data.extend(SOA_TIMES.iter().flat_map(|seconds| seconds.to_be_bytes()));
    data
}

/// The name `label` in the zone.
fn below(label: &[u8], apex: u16) -> Vec<u8> {
    [label, &pointer(apex)].concat()
}
