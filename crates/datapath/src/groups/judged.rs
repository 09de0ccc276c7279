//! What would become of a packet, without sending it.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use libbpf_rs::libbpf_sys as sys;

use super::at_link;
use crate::hooks::checked;
use crate::sentries::Way;
use crate::{Datapath, DatapathError};

/// What a program answers when it lets others decide: `PACKET_PASS` of `bpf/groups.h`.
const PASS: u32 = u32::MAX;
/// What it answers when it hands the packet over: `TC_ACT_REDIRECT`.
const REDIRECT: u32 = 7;

/// Where `struct __sk_buff` of linux/bpf.h has the link, in words; what follows is zero.
const LINK: usize = 10;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// Whether it would have gone on.
    pub passed: bool,
    /// How long the program took for it.
    pub time: Duration,
}

impl Datapath {
    /// Runs the program of a link on a packet, from its Ethernet header on, so many times.
    /// The packet goes nowhere, but one that is dropped is counted each time.
    ///
    /// # Errors
    /// If there is no such link, or the kernel does not take the packet.
    pub fn judge_packet(
        &self,
        link: u32,
        way: Way,
        packet: &[u8],
        times: u32,
    ) -> Result<Judged, DatapathError> {
        let failed = at_link(link, "asked at");
        let Some(program) = self.sentries.program(way) else {
            return Err(failed(io::ErrorKind::NotFound.into()));
        };
        let mut context = [0_u32; LINK + 1];
        context[LINK] = link;
        let mut options = sys::bpf_test_run_opts {
            sz: size_of::<sys::bpf_test_run_opts>() as sys::size_t,
            data_in: packet.as_ptr().cast(),
            data_size_in: packet.len() as u32,
            ctx_in: context.as_ptr().cast(),
            ctx_size_in: size_of_val(&context) as u32,
            repeat: times.max(1).cast_signed(),
            ..sys::bpf_test_run_opts::default()
        };
        // SAFETY: the program is open, and all pointers are to live memory of the sizes
        // given.
        checked(unsafe {
            sys::bpf_prog_test_run_opts(program.as_fd().as_raw_fd(), &raw mut options)
        })
        .map_err(failed)?;
        Ok(Judged {
            passed: [PASS, REDIRECT].contains(&options.retval),
            time: Duration::from_nanos(options.duration.into()),
        })
    }
}
