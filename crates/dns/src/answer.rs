//! Answers with authority.

use std::net::IpAddr;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::consider::Request;
use crate::reply::{HEADER, Reply, Section, pointer};
use crate::snapshot::{Addresses, Snapshot};
use crate::zone::Zone;

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
const AAAA: u16 = 28;

/// The answer to a query for a name in `zone`.
pub(crate) fn answer(request: &Request<'_>, zone: &Zone, names: &Snapshot, turn: usize) -> Vec<u8> {
    let mut reply = request.reply().authoritative();
    let canonical = zone.canonical_name(&request.name);
    let at_apex = request.name.as_bytes() == zone.apex;
    let fixed = canonical.as_ref().and_then(|name| zone.fixed(name));
    let published = canonical.as_ref().and_then(|name| names.find(name));
    let apex = apex_offset(request, zone);

    if let Some(fixed) = fixed {
        fixed_addresses(&mut reply, request.kind, fixed);
    } else if let Some(addresses) = published {
        published_addresses(&mut reply, request.kind, addresses, turn);
    }
    if at_apex {
        apex_records(&mut reply, request.kind, apex, names.serial());
    }
    if reply.answers() == 0 && !reply.is_truncated() {
        reply.record(
            Section::Authority,
            apex,
            SOA,
            NEGATIVE_TTL,
            &start_of_authority(apex, names.serial()),
        );
        if fixed.is_none() && published.is_none() && !at_apex {
            reply = reply.code(ResponseCode::NXDomain);
        }
    }
    reply.finish()
}

/// Where the zone's apex stands in the reply: at the end of the question's name.
fn apex_offset(request: &Request<'_>, zone: &Zone) -> u16 {
    let before = request.name.as_bytes().len() - zone.apex.len();
    // A name is shorter than 255 bytes, so this always fits.
    u16::try_from(HEADER + before).unwrap_or_default()
}

fn wants(kind: RecordType, family: RecordType) -> bool {
    kind == family || kind == RecordType::ANY
}

fn fixed_addresses(reply: &mut Reply, kind: RecordType, addresses: &[IpAddr]) {
    for address in addresses {
        match address {
            IpAddr::V4(v4) if wants(kind, RecordType::A) => own(reply, A, &v4.octets()),
            IpAddr::V6(v6) if wants(kind, RecordType::AAAA) => own(reply, AAAA, &v6.octets()),
            _ => {}
        }
    }
}

fn published_addresses(reply: &mut Reply, kind: RecordType, addresses: &Addresses, turn: usize) {
    if wants(kind, RecordType::A) {
        for v4 in rotated(&addresses.v4, turn) {
            own(reply, A, &v4.octets());
        }
    }
    if wants(kind, RecordType::AAAA) {
        for v6 in rotated(&addresses.v6, turn) {
            own(reply, AAAA, &v6.octets());
        }
    }
}

/// All of `list`, beginning with a different one at each turn, since most clients
/// take the first address.
fn rotated<T>(list: &[T], turn: usize) -> impl Iterator<Item = &T> {
    let middle = turn.checked_rem(list.len()).unwrap_or(0);
    let (head, tail) = list.split_at(middle);
    tail.iter().chain(head)
}

/// A record of the name that was asked for, in the case that it was asked in.
fn own(reply: &mut Reply, kind: u16, data: &[u8]) {
    // The question's name stands right behind the header.
    reply.record(Section::Answer, 12, kind, TTL, data);
}

fn apex_records(reply: &mut Reply, kind: RecordType, apex: u16, serial: u32) {
    if wants(kind, RecordType::SOA) {
        reply.record(
            Section::Answer,
            apex,
            SOA,
            TTL,
            &start_of_authority(apex, serial),
        );
    }
    if wants(kind, RecordType::NS) {
        reply.record(
            Section::Answer,
            apex,
            NS,
            SERVER_TTL,
            &below(b"\x02ns", apex),
        );
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
