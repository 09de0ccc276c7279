//! A limit on what a link sends, and what became of packets there.
//!
//! A token bucket lets through so many bytes a second; behind it packets wait in queues of
//! their own by flow, which drop early (`fq_codel`), so that a long transfer does not make
//! everybody else wait. Without that module in the kernel they wait in one queue.

use std::collections::HashMap;

use rtnetlink::packet_core::DefaultNla;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::tc::TcAttribute;

use crate::batch::{Batch, Mode};
use crate::conntrack::{attribute, content};
use crate::filter::{HEADER, header, message};
use crate::{NetlinkError, Socket};

/// Numbers of linux/rtnetlink.h, linux/pkt_sched.h and linux/gen_stats.h.
const GET_QDISC: u16 = 38;
const ROOT: u32 = 0xffff_ffff;
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const STATS2: u16 = 7;
const STATS_BASIC: u16 = 1;
const STATS_QUEUE: u16 = 3;
const TBF_PARAMETERS: u16 = 1;
const TBF_RATE64: u16 = 4;
const TBF_BURST: u16 = 6;
const ETHERNET: u8 = 1;

/// Handle of the bucket, and its only class.
const BUCKET: u32 = 0x0001_0000;
const CLASS: u32 = 0x0001_0001;

/// A bucket holds this part of a second's bytes, at least [`LEAST`] packets.
const BURST: u64 = 50;
const LEAST: u64 = 2;
/// And the queue behind it as many seconds' parts, where there is no better one.
const WAIT: u64 = 10;
const QUEUED: u64 = 16;
/// Ethernet's header.
const FRAME: u64 = 14;

/// What became of packets at a link's outer queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queue {
    /// Bytes that wait.
    pub backlog: u32,
    /// Bytes that were sent.
    pub bytes: u64,
    /// Packets that were dropped.
    pub drops: u32,
    /// How often a packet had to wait for its turn.
    pub overlimits: u32,
    /// Packets that were sent.
    pub packets: u32,
    /// Packets that wait.
    pub qlen: u32,
    /// Packets that the link gave back.
    pub requeues: u32,
    /// The limit, in bytes a second.
    pub rate: u64,
}

impl Batch {
    /// Lets a link send so many bytes a second, whatever it had before.
    pub fn limit(&mut self, link: u32, rate: u64, mtu: u32) {
        let burst = u32::try_from(rate / BURST).unwrap_or(u32::MAX);
        self.limit_with_burst(link, rate, burst, mtu);
    }

    /// The same with a bucket of so many bytes. A bucket that holds no whole packet would
    /// let none pass, so it holds some in any case.
    pub fn limit_with_burst(&mut self, link: u32, rate: u64, burst: u32, mtu: u32) {
        let frame = u64::from(mtu) + FRAME;
        let burst = u64::from(burst).max(LEAST * frame);
        let waiting = (rate / WAIT).max(QUEUED * frame) + burst;
        let short = |value: u64| u32::try_from(value).unwrap_or(u32::MAX).to_ne_bytes();
        // `tc_tbf_qopt`: two rates, and the queue's length; the rest is told below.
        let mut parameters = [0, ETHERNET, 0, 0, 0, 0, 0, 0].to_vec();
        parameters.extend(short(rate));
        parameters.extend([0; 12]);
        parameters.extend(short(waiting));
        parameters.extend([0; 8]);
        let mut options = attribute(TBF_PARAMETERS, &parameters);
        if u32::try_from(rate).is_err() {
            options.extend(attribute(TBF_RATE64, &rate.to_ne_bytes()));
        }
        options.extend(attribute(TBF_BURST, &short(burst)));
        let mut bucket = message(link, BUCKET, ROOT, "tbf");
        let options = DefaultNla::new(OPTIONS, options);
        bucket.attributes.push(TcAttribute::Other(options));
        self.push(
            format!("limit what link {link} sends to {rate} bytes a second"),
            Mode::Put,
            RouteNetlinkMessage::NewQueueDiscipline(bucket),
        );
        self.push(
            format!("part the flows of link {link}"),
            Mode::Put,
            RouteNetlinkMessage::NewQueueDiscipline(message(link, 0, CLASS, "fq_codel")),
        );
        self.unless(libc::ENOENT);
    }

    /// Lets a link send as much as it can; no limit is fine.
    pub fn unlimit(&mut self, link: u32) {
        self.push(
            format!("lift the limit of link {link}"),
            Mode::Change,
            RouteNetlinkMessage::DelQueueDiscipline(message(link, BUCKET, ROOT, "tbf")),
        );
        self.unless(libc::EINVAL);
    }
}

impl Socket {
    /// The limit of a link and what became of its packets; none without a limit.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn queue(&self, link: u32) -> Result<Option<Queue>, NetlinkError> {
        Ok(self.queues()?.remove(&link))
    }

    /// The same of all links that have one, by their indices.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn queues(&self) -> Result<HashMap<u32, Queue>, NetlinkError> {
        let found = self.list_raw("queues", GET_QDISC, &header(0, 0, 0))?;
        Ok(found.iter().filter_map(|bytes| bucket(bytes)).collect())
    }
}

fn bucket(bytes: &[u8]) -> Option<(u32, Queue)> {
    let word = |bytes: &[u8], at: usize| -> Option<u32> {
        Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
    };
    let long = |bytes: &[u8]| Some(u64::from_ne_bytes(*bytes.first_chunk()?));
    let attributes = bytes.get(HEADER..)?;
    if word(bytes, 8)? != BUCKET || content(attributes, KIND)? != b"tbf\0" {
        return None;
    }
    let link = word(bytes, 4)?;
    let options = content(attributes, OPTIONS)?;
    let rate = match content(options, TBF_RATE64) {
        Some(rate) => long(rate)?,
        None => word(content(options, TBF_PARAMETERS)?, 8)?.into(),
    };
    let stats = content(attributes, STATS2)?;
    let (basic, waiting) = (content(stats, STATS_BASIC)?, content(stats, STATS_QUEUE)?);
    let queue = Queue {
        backlog: word(waiting, 4)?,
        bytes: long(basic)?,
        drops: word(waiting, 8)?,
        overlimits: word(waiting, 16)?,
        packets: word(basic, 8)?,
        qlen: word(waiting, 0)?,
        requeues: word(waiting, 12)?,
        rate,
    };
    Some((link, queue))
}
