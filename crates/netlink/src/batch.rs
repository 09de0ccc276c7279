//! Changes that are sent to the kernel together and carried out in order.
//!
//! An endpoint of a container takes about fifteen of them. Sent one at a time, each
//! would cost two system calls and a turn through an event loop; together they cost
//! two system calls.
//!
//! Refused alternative: tolerating failures by looking first. What a look has seen may
//! be over when the change is made, so a step says instead which refusals are fine.

use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::RouteNetlinkMessage;

/// What a change may find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The thing must not be there yet.
    New,
    /// The thing is made or replaced.
    Put,
    /// The thing is there.
    Change,
}

/// One change.
#[derive(Debug)]
pub(crate) struct Step {
    /// For people: a verb and its object.
    pub(crate) what: String,
    /// A refusal that means that nothing had to be done.
    pub(crate) fine: Option<i32>,
    mode: Mode,
    message: RouteNetlinkMessage,
}

/// Changes for [`crate::Socket::run`], in order.
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) steps: Vec<Step>,
}

impl Batch {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// How many changes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    pub(crate) fn push(&mut self, what: String, mode: Mode, message: RouteNetlinkMessage) {
        self.steps.push(Step {
            what,
            fine: None,
            mode,
            message,
        });
    }

    /// Takes a refusal of the last change for success.
    pub(crate) fn unless(&mut self, errno: i32) {
        if let Some(step) = self.steps.last_mut() {
            step.fine = Some(errno);
        }
    }
}

/// The bytes of `steps`, numbered from 1; only the last one is acknowledged, since a
/// refusal is told in any case.
pub(crate) fn encode(steps: &[Step]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(steps.len() * 128);
    for (number, step) in (1_u32..).zip(steps) {
        let mut flags = NLM_F_REQUEST;
        flags |= match step.mode {
            Mode::New => NLM_F_CREATE | NLM_F_EXCL,
            Mode::Put => NLM_F_CREATE | NLM_F_REPLACE,
            Mode::Change => 0,
        };
        if usize::try_from(number) == Ok(steps.len()) {
            flags |= NLM_F_ACK;
        }
        append(&mut bytes, number, flags, step.message.clone());
    }
    bytes
}

/// Adds one message to a datagram.
pub(crate) fn append(bytes: &mut Vec<u8>, number: u32, flags: u16, message: RouteNetlinkMessage) {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    header.sequence_number = number;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
    message.finalize();
    let begin = bytes.len();
    // Each message begins at a multiple of four bytes.
    bytes.resize((begin + message.buffer_len()).next_multiple_of(4), 0);
    if let Some(room) = bytes.get_mut(begin..) {
        message.serialize(room);
    }
}
