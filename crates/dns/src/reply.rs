//! Writing answers.
//!
//! Answers are written by hand rather than through hickory's message type: the
//! question goes back byte for byte (so a client's mixed case survives), every name
//! in an answer is a pointer into it, and the space that is left is known exactly,
//! which is what truncation needs.

use hickory_proto::op::{Metadata, ResponseCode};

/// Length of a message header.
pub(crate) const HEADER: usize = 12;
/// Length of an OPT record without options.
const OPT: usize = 11;
/// What is told to clients as the largest UDP message that is taken from them.
const RECEIVE: u16 = 4096;

const QR: u8 = 0x80;
const AA: u8 = 0x04;
const TC: u8 = 0x02;
const RD: u8 = 0x01;
const RA: u8 = 0x80;
const CD: u8 = 0x10;

/// Where a record stands; sections must be written in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Answer = 0,
    Authority = 1,
    Additional = 2,
}

/// How the client speaks EDNS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extension {
    /// Whether it asked for DNSSEC records; the bit is given back (RFC 3225).
    pub(crate) dnssec_ok: bool,
}

/// A reply being written.
#[derive(Debug)]
pub(crate) struct Reply {
    bytes: Vec<u8>,
    limit: usize,
    counts: [u16; 3],
    extension: Option<Extension>,
    code: ResponseCode,
}

impl Reply {
    /// A reply to the query with this header and these bytes of question (possibly
    /// none), at most `limit` bytes long.
    pub(crate) fn new(
        request: &Metadata,
        question: &[u8],
        limit: usize,
        extension: Option<Extension>,
    ) -> Self {
        let mut bytes = Vec::with_capacity(HEADER + question.len() + 64);
        bytes.extend(request.id.to_be_bytes());
        let desired = if request.recursion_desired { RD } else { 0 };
        let unchecked = if request.checking_disabled { CD } else { 0 };
        bytes.push(QR | (u8::from(request.op_code) << 3) | desired);
        bytes.push(RA | unchecked);
        bytes.extend([0, u8::from(!question.is_empty()), 0, 0, 0, 0, 0, 0]);
        bytes.extend(question);
        let reserved = if extension.is_some() { OPT } else { 0 };
        Self {
            bytes,
            limit: limit.saturating_sub(reserved),
            counts: [0; 3],
            extension,
            code: ResponseCode::NoError,
        }
    }

    /// Sets the response code.
    pub(crate) fn code(mut self, code: ResponseCode) -> Self {
        self.code = code;
        self
    }

    /// Says that the answer has authority.
    pub(crate) fn authoritative(mut self) -> Self {
        self.bytes[2] |= AA;
        self
    }

    /// Adds a record whose owner stands at `owner` bytes from the beginning; yields where
    /// its data begin, if it fits.
    ///
    /// A record of the answer that does not fit sets the truncation bit; a client
    /// that never asks again over TCP still gets those that did fit. In the other
    /// sections it is just left out.
    pub(crate) fn record(
        &mut self,
        section: Section,
        owner: u16,
        kind: u16,
        ttl: u32,
        data: &[u8],
    ) -> Option<usize> {
        let length = 12 + data.len();
        if self.bytes.len() + length > self.limit {
            if section == Section::Answer {
                self.bytes[2] |= TC;
            }
            return None;
        }
        self.bytes.extend(pointer(owner));
        self.bytes.extend(kind.to_be_bytes());
        self.bytes.extend([0, 1]);
        self.bytes.extend(ttl.to_be_bytes());
        // Data is at most a few names, far below 65,536 bytes.
        self.bytes
            .extend(u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
        let begins = self.bytes.len();
        self.bytes.extend(data);
        self.counts[section as usize] += 1;
        Some(begins)
    }

    /// How many records the answer holds.
    pub(crate) fn answers(&self) -> u16 {
        self.counts[Section::Answer as usize]
    }

    /// Whether a record of the answer did not fit.
    pub(crate) fn is_truncated(&self) -> bool {
        self.bytes[2] & TC != 0
    }

    /// The finished message.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes[3] |= self.code.low();
        if let Some(extension) = self.extension {
            self.bytes.extend([0, 0, 41]);
            self.bytes.extend(RECEIVE.to_be_bytes());
            let flags = if extension.dnssec_ok { 0x80 } else { 0 };
            self.bytes.extend([self.code.high(), 0, flags, 0, 0, 0]);
            self.counts[Section::Additional as usize] += 1;
        }
        for (place, number) in self.bytes[6..HEADER].chunks_exact_mut(2).zip(self.counts) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        self.bytes
    }
}

/// A compressed name: the one that stands `offset` bytes from the beginning.
pub(crate) fn pointer(offset: u16) -> [u8; 2] {
    (0xc000 | offset).to_be_bytes()
}
