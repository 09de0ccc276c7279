//! Ending sockets by programs that the kernel calls for every one of them.
//!
//! The programs decide and end; what is read from them is the cookies of those that
//! were ended. They see the sockets of the namespace in which they were begun.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use libbpf_rs::ProgramHandle;
use libbpf_rs::libbpf_sys as sys;
use model::Protocol;

use super::{SweepError, SweepReport};

/// The programs, attached to nothing but themselves.
#[derive(Debug)]
pub(super) struct Iterators(Vec<(Protocol, OwnedFd)>);

impl Iterators {
    /// Those of `programs` that are for `protocols`.
    pub(super) fn new(
        programs: &[ProgramHandle],
        protocols: impl IntoIterator<Item = Protocol>,
    ) -> Result<Self, SweepError> {
        let mut links = Vec::new();
        for protocol in protocols {
            let name = match protocol {
                Protocol::Tcp => "sl_sweep_tcp",
                Protocol::Udp => "sl_sweep_udp",
            };
            let program = programs.iter().find(|program| program.name() == name);
            let link = program
                .ok_or_else(|| io::Error::from(ErrorKind::NotFound))
                .and_then(link)
                .map_err(failed(protocol, "prepared"))?;
            links.push((protocol, link));
        }
        Ok(Self(links))
    }

    /// Ends what is condemned in this thread's namespace.
    pub(super) fn end_here(&self, report: &mut SweepReport) {
        for (protocol, link) in &self.0 {
            let ended = begin(link)
                .map_err(failed(*protocol, "begun"))
                .and_then(|mut file| count(&mut file).map_err(failed(*protocol, "run")));
            match ended {
                Ok(ended) => report.ended += ended,
                Err(error) => report.failures.push(error),
            }
        }
    }
}

fn link(program: &ProgramHandle) -> io::Result<OwnedFd> {
    // SAFETY: the descriptor is open; null options mean the defaults.
    owned(unsafe {
        let fd = program.as_fd().as_raw_fd();
        sys::bpf_link_create(fd, 0, sys::BPF_TRACE_ITER, ptr::null())
    })
}

fn begin(link: &OwnedFd) -> io::Result<File> {
    // SAFETY: the descriptor is open.
    owned(unsafe { sys::bpf_iter_create(link.as_raw_fd()) }).map(File::from)
}

/// Reads to the end, which is what makes the program run, and counts cookies.
fn count(file: &mut File) -> io::Result<usize> {
    let mut buffer = [0; 4_096];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(bytes / size_of::<u64>()),
            Ok(length) => bytes += length,
            // After a million sockets that were of no interest, the kernel takes breath.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn failed(protocol: Protocol, action: &'static str) -> impl FnOnce(io::Error) -> SweepError {
    move |source| SweepError::Iterator {
        protocol,
        action,
        source,
    }
}

/// libbpf returns either a new descriptor or the negative error number.
fn owned(status: i32) -> io::Result<OwnedFd> {
    if status < 0 {
        return Err(io::Error::from_raw_os_error(-status));
    }
    // SAFETY: a new descriptor that nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(status) })
}
