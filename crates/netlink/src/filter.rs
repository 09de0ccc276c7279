//! Filters that are eBPF programs, at both ways of a link.
//!
//! A filter belongs to its link: it outlives who made it, and ends with the link. Answers
//! are read here and not by the library, which gives up on attributes that it does not
//! know: other people's filters are listed as well.

use std::os::fd::{AsRawFd, BorrowedFd};

use rtnetlink::packet_core::DefaultNla;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::tc::{TcAttribute, TcHandle, TcMessage};

use crate::batch::{Batch, Mode};
use crate::conntrack::{attribute, content};
use crate::{NetlinkError, Socket};

/// Numbers of linux/rtnetlink.h and linux/pkt_sched.h.
const GET_FILTER: u16 = 46;
const CLSACT: u32 = 0xffff_fff1;
const CLSACT_HANDLE: u32 = 0xffff_0000;
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;

/// Numbers of linux/rtnetlink.h and linux/pkt_cls.h.
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const BPF_FD: u16 = 6;
const BPF_NAME: u16 = 7;
const BPF_FLAGS: u16 = 8;
const BPF_ID: u16 = 11;
/// The program itself says what becomes of a packet.
const DIRECT_ACTION: u32 = 1;

/// All protocols, `ETH_P_ALL` in network order.
const ALL: u32 = 0x0003_u16.to_be() as u32;

/// Where a filter is, as the namespace sees it that the link is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// It sees what arrives.
    In,
    /// It sees what is sent.
    Out,
}

impl Direction {
    fn parent(self) -> u32 {
        match self {
            Self::In => INGRESS,
            Self::Out => EGRESS,
        }
    }
}

/// Which of a link's filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Filter {
    /// The link's index.
    pub link: u32,
    /// Where.
    pub direction: Direction,
    /// Lower ones come first.
    pub priority: u16,
    /// Tells filters of one priority apart.
    pub handle: u32,
}

/// A filter that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its priority.
    pub priority: u16,
    /// Its handle.
    pub handle: u32,
    /// The program's id, if it is one.
    pub program: Option<u32>,
}

impl Batch {
    /// Lets a link have filters of both ways; repeating it is fine.
    pub fn allow_filters(&mut self, link: u32) {
        let message = message(link, CLSACT_HANDLE, CLSACT, "clsact");
        self.push(
            format!("let link {link} have filters"),
            Mode::New,
            RouteNetlinkMessage::NewQueueDiscipline(message),
        );
        self.unless(libc::EEXIST);
    }

    /// Undoes [`Batch::allow_filters`], and removes all filters with it.
    pub fn forbid_filters(&mut self, link: u32) {
        let message = message(link, CLSACT_HANDLE, CLSACT, "clsact");
        self.push(
            format!("let link {link} have no filters"),
            Mode::Change,
            RouteNetlinkMessage::DelQueueDiscipline(message),
        );
        self.unless(libc::EINVAL);
    }

    /// Makes a program a filter, in the place of the one that is there: no packet passes
    /// between them.
    pub fn filter(&mut self, filter: Filter, program: BorrowedFd<'_>, name: &str) {
        let mut message = filter_message(filter);
        let mut title = name.as_bytes().to_vec();
        title.push(0);
        let options = [
            attribute(BPF_FD, &program.as_raw_fd().to_ne_bytes()),
            attribute(BPF_NAME, &title),
            attribute(BPF_FLAGS, &DIRECT_ACTION.to_ne_bytes()),
        ];
        let options = DefaultNla::new(OPTIONS, options.concat());
        message.attributes.push(TcAttribute::Other(options));
        self.push(
            format!("make program '{name}' a filter of link {}", filter.link),
            Mode::Put,
            RouteNetlinkMessage::NewTrafficFilter(message),
        );
    }

    /// Removes a filter that is there.
    pub fn delete_filter(&mut self, filter: Filter) {
        let message = filter_message(filter);
        self.push(
            format!("remove a filter of link {}", filter.link),
            Mode::Change,
            RouteNetlinkMessage::DelTrafficFilter(message),
        );
        self.unless(libc::ENOENT);
    }
}

impl Socket {
    /// The filters of a link; none if it is gone.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn filters(&self, link: u32, direction: Direction) -> Result<Vec<Found>, NetlinkError> {
        let request = header(link, 0, direction.parent());
        let found = match self.list_raw("filters", GET_FILTER, &request) {
            Err(error) if error.errno() == Some(libc::ENODEV) => Vec::new(),
            other => other?,
        };
        // Besides each filter the kernel lists its priority, with handle 0.
        let found = found.iter().filter_map(|bytes| found_filter(bytes));
        Ok(found.filter(|found| found.handle != 0).collect())
    }
}

fn found_filter(bytes: &[u8]) -> Option<Found> {
    let word = |at: usize| Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    let (handle, info) = (word(8)?, word(16)?);
    let attributes = bytes.get(HEADER..)?;
    // Other kinds number their options otherwise.
    let program = content(attributes, KIND)
        .filter(|kind| *kind == b"bpf\0")
        .and_then(|_| content(content(attributes, OPTIONS)?, BPF_ID)?.first_chunk())
        .map(|id| u32::from_ne_bytes(*id));
    Some(Found {
        priority: u16::try_from(info >> 16).ok()?,
        handle,
        program,
    })
}

/// Length of `tcmsg`.
pub(crate) const HEADER: usize = 20;

/// The bytes of a `tcmsg`.
pub(crate) fn header(link: u32, handle: u32, parent: u32) -> Vec<u8> {
    let words = [0, link, handle, parent, 0];
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

pub(crate) fn message(link: u32, handle: u32, parent: u32, kind: &str) -> TcMessage {
    let mut message = TcMessage::with_index(link.cast_signed());
    message.header.handle = TcHandle::from(handle);
    message.header.parent = TcHandle::from(parent);
    message.attributes.push(TcAttribute::Kind(kind.to_owned()));
    message
}

fn filter_message(filter: Filter) -> TcMessage {
    let mut message = message(filter.link, filter.handle, filter.direction.parent(), "bpf");
    message.header.info = u32::from(filter.priority) << 16 | ALL;
    message
}
