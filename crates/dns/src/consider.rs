//! What to do with a packet: a pure function of its bytes.

use hickory_proto::op::{Header, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use crate::Snapshot;
use crate::answer::{self, Authority};
use crate::key::Key;
use crate::reply::{Extension, HEADER, Reply};

/// Largest UDP answer whatever a client offers: clients are this host and its
/// containers, so fragments do not get lost as they do on the way to others.
const LARGEST_DATAGRAM: u16 = 4096;
/// Largest UDP answer to a client without EDNS (RFC 1035).
const PLAIN_DATAGRAM: u16 = 512;

/// How a client spoke, which is also how it is answered and forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A datagram: the answer is cut to what the client takes.
    Udp,
    /// A stream: up to 65,535 bytes.
    Tcp,
}

/// What is known of a packet beside its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// How it came.
    pub transport: Transport,
    /// Whether its source may ask at all; else the answer is REFUSED.
    pub allowed: bool,
    /// Which of several addresses comes first; count it up from query to query.
    pub turn: usize,
}

/// What to do with a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Send this back.
    Answer(Vec<u8>),
    /// Not ours: ask an upstream, and if none answers, send `failure` back.
    Forward {
        /// The SERVFAIL to this query.
        failure: Vec<u8>,
        /// Where the question section ends in the packet; it begins at byte 12.
        question_end: usize,
    },
    /// Not a query: no answer, or two servers might answer each other for ever.
    Drop,
}

/// A query that passed the first checks.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) metadata: Metadata,
    /// The question section as it came.
    pub(crate) question: &'a [u8],
    pub(crate) name: Key,
    pub(crate) kind: RecordType,
    pub(crate) limit: usize,
    pub(crate) extension: Option<Extension>,
}

impl Request<'_> {
    /// An empty reply to it.
    pub(crate) fn reply(&self) -> Reply {
        Reply::new(&self.metadata, self.question, self.limit, self.extension)
    }
}

/// Decides over `packet`; never panics, whatever the bytes are.
#[must_use]
pub fn consider(packet: &[u8], context: Context, names: &Snapshot) -> Verdict {
    let mut decoder = BinDecoder::new(packet);
    let Ok(header) = Header::read(&mut decoder) else {
        return Verdict::Drop;
    };
    if header.message_type == MessageType::Response {
        return Verdict::Drop;
    }
    let bare = |code| {
        let limit = usize::from(PLAIN_DATAGRAM);
        Verdict::Answer(
            Reply::new(&header.metadata, &[], limit, None)
                .code(code)
                .finish(),
        )
    };
    if header.op_code != OpCode::Query {
        return bare(ResponseCode::NotImp);
    }
    // RFC 9619: a query has exactly one question.
    if header.counts.queries != 1 {
        return bare(ResponseCode::FormErr);
    }
    let Some((query, name, question)) = read_question(packet, &mut decoder) else {
        return bare(ResponseCode::FormErr);
    };
    let mut request = Request {
        metadata: header.metadata,
        question,
        name,
        kind: query.query_type,
        limit: largest(context.transport, PLAIN_DATAGRAM),
        extension: None,
    };
    let brief = |code| Verdict::Answer(request.reply().code(code).finish());
    // Zone transfers need more than one message, and other classes hold only
    // what a server tells about itself.
    if !context.allowed
        || query.query_class != DNSClass::IN
        || matches!(query.query_type, RecordType::AXFR | RecordType::IXFR)
    {
        return brief(ResponseCode::Refused);
    }
    let Some(authority) = Authority::over(&request.name, names) else {
        let failure = request.reply().code(ResponseCode::ServFail).finish();
        return Verdict::Forward {
            failure,
            question_end: HEADER + question.len(),
        };
    };
    let Some(version) = read_extension(&header, &mut decoder, context.transport, &mut request)
    else {
        return bare(ResponseCode::FormErr);
    };
    if version != 0 {
        return Verdict::Answer(request.reply().code(ResponseCode::BADVERS).finish());
    }
    Verdict::Answer(answer::answer(&request, authority, names, context.turn))
}

/// Reads the question and checks that its name is written out.
///
/// There is nothing before the first name that a pointer could mean, and a name
/// that is echoed must not refer to header bytes that differ in the reply.
fn read_question<'a>(
    packet: &'a [u8],
    decoder: &mut BinDecoder<'a>,
) -> Option<(Query, Key, &'a [u8])> {
    let query = Query::read(decoder).ok()?;
    let question = packet.get(HEADER..decoder.index())?;
    let name = Key::from_labels(query.name.iter())?;
    let written_out = question.len() == name.as_bytes().len() + 1 + 4;
    written_out.then_some((query, name, question))
}

/// Reads the rest of the query, of which only EDNS matters, into `request`; gives
/// the EDNS version, or `None` if the rest cannot be read.
fn read_extension(
    header: &Header,
    decoder: &mut BinDecoder<'_>,
    transport: Transport,
    request: &mut Request<'_>,
) -> Option<u8> {
    let counts = header.counts;
    for count in [counts.answers, counts.authorities] {
        Message::read_records(decoder, usize::from(count), false, OpCode::Query).ok()?;
    }
    let (_, edns, _) = Message::read_records(
        decoder,
        usize::from(counts.additionals),
        true,
        OpCode::Query,
    )
    .ok()?;
    let Some(edns) = edns else { return Some(0) };
    request.limit = largest(transport, edns.max_payload());
    request.extension = Some(Extension {
        dnssec_ok: edns.flags().dnssec_ok,
    });
    Some(edns.version())
}

/// The longest answer to a client that takes datagrams of `offered` bytes.
fn largest(transport: Transport, offered: u16) -> usize {
    usize::from(match transport {
        Transport::Tcp => u16::MAX,
        Transport::Udp => offered.clamp(PLAIN_DATAGRAM, LARGEST_DATAGRAM),
    })
}

#[cfg(test)]
mod tests;
