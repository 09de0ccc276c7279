//! The hooks, and their links' system calls.
//!
//! Links instead of plain attachment: a pinned link outlives the daemon, is replaced
//! in place without a moment in which nothing runs, and lets other programs attach
//! to the same cgroup.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use libbpf_rs::libbpf_sys as sys;

use crate::faults::{Point, pass};

/// A place in the kernel that one of our programs runs at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hook {
    /// Its name in messages and among the pins.
    pub(crate) name: &'static str,
    /// The program's name in the object.
    pub(crate) program: &'static str,
    /// What kind of place it is.
    pub(crate) place: Place,
}

/// What a program is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Calls of processes in a cgroup; the kernel's number for them.
    Cgroup(sys::bpf_attach_type),
    /// A tracepoint of the whole kernel, named in the program itself. Its link cannot
    /// be given another program, so that an old and a new one run side by side for a
    /// moment, which what they do allows for.
    Tracepoint,
}

const fn cgroup(name: &'static str, program: &'static str, number: sys::bpf_attach_type) -> Hook {
    Hook {
        name,
        program,
        place: Place::Cgroup(number),
    }
}

const fn tracepoint(name: &'static str, program: &'static str) -> Hook {
    Hook {
        name,
        program,
        place: Place::Tracepoint,
    }
}

/// All hooks, in the order of attaching: those that forget, that learn and that
/// translate back come first, so that nothing is translated before they are there.
pub(crate) const HOOKS: [Hook; 13] = [
    cgroup("bind4", "sl_bind4", sys::BPF_CGROUP_INET4_BIND),
    cgroup("bind6", "sl_bind6", sys::BPF_CGROUP_INET6_BIND),
    cgroup(
        "sock_release",
        "sl_sock_release",
        sys::BPF_CGROUP_INET_SOCK_RELEASE,
    ),
    tracepoint("state", "sl_state"),
    tracepoint("retransmit", "sl_retransmit"),
    cgroup("recvmsg4", "sl_recvmsg4", sys::BPF_CGROUP_UDP4_RECVMSG),
    cgroup("recvmsg6", "sl_recvmsg6", sys::BPF_CGROUP_UDP6_RECVMSG),
    cgroup(
        "getpeername4",
        "sl_getpeername4",
        sys::BPF_CGROUP_INET4_GETPEERNAME,
    ),
    cgroup(
        "getpeername6",
        "sl_getpeername6",
        sys::BPF_CGROUP_INET6_GETPEERNAME,
    ),
    cgroup("sendmsg4", "sl_sendmsg4", sys::BPF_CGROUP_UDP4_SENDMSG),
    cgroup("sendmsg6", "sl_sendmsg6", sys::BPF_CGROUP_UDP6_SENDMSG),
    cgroup("connect4", "sl_connect4", sys::BPF_CGROUP_INET4_CONNECT),
    cgroup("connect6", "sl_connect6", sys::BPF_CGROUP_INET6_CONNECT),
];

/// Attaches a program, to a cgroup if that is its place.
pub(crate) fn attach(
    program: BorrowedFd<'_>,
    cgroup: BorrowedFd<'_>,
    hook: Hook,
) -> io::Result<OwnedFd> {
    pass(Point::Attach)?;
    // SAFETY: both descriptors are open; null options mean the defaults, and a null
    // name the tracepoint that the program was loaded for.
    owned(unsafe {
        match hook.place {
            Place::Cgroup(number) => {
                sys::bpf_link_create(program.as_raw_fd(), cgroup.as_raw_fd(), number, ptr::null())
            }
            Place::Tracepoint => sys::bpf_raw_tracepoint_open(ptr::null(), program.as_raw_fd()),
        }
    })
}

/// Replaces a link's program in place.
pub(crate) fn replace(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    pass(Point::Replace)?;
    // SAFETY: both descriptors are open; null options mean the defaults.
    checked(unsafe { sys::bpf_link_update(link.as_raw_fd(), program.as_raw_fd(), ptr::null()) })
        .map(drop)
}

/// Ends a link although others may hold it.
pub(crate) fn detach(link: BorrowedFd<'_>) -> io::Result<()> {
    pass(Point::Detach)?;
    // SAFETY: the descriptor is open.
    checked(unsafe { sys::bpf_link_detach(link.as_raw_fd()) }).map(drop)
}

/// Pins a map, program or link.
pub(crate) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    pass(Point::Pin)?;
    // SAFETY: the descriptor is open and the path ends in NUL.
    checked(unsafe { sys::bpf_obj_pin(object.as_raw_fd(), path.as_ptr()) }).map(drop)
}

/// Opens what is pinned at a path.
pub(crate) fn open_pinned(path: &Path) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    pass(Point::Open)?;
    // SAFETY: the path ends in NUL.
    owned(unsafe { sys::bpf_obj_get(path.as_ptr()) })
}

/// Ids of the programs that really run for processes in a cgroup, those attached
/// above it included.
pub(crate) fn effective(
    cgroup: BorrowedFd<'_>,
    attach_type: sys::bpf_attach_type,
) -> io::Result<Vec<u32>> {
    // The kernel allows 64 programs at each of the levels above; more than this is
    // an error, which is as truthful.
    let mut ids = [0_u32; 256];
    let mut count = ids.len() as u32;
    // SAFETY: the buffer has room for `count` ids, which the kernel then lowers.
    checked(unsafe {
        sys::bpf_prog_query(
            cgroup.as_fd().as_raw_fd(),
            attach_type,
            sys::BPF_F_QUERY_EFFECTIVE,
            ptr::null_mut(),
            ids.as_mut_ptr(),
            &raw mut count,
        )
    })?;
    Ok(ids[..(count as usize).min(ids.len())].to_vec())
}

pub(crate) fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the path contains a NUL byte"))
}

/// libbpf returns either the result or the negative error number.
pub(crate) fn checked(status: i32) -> io::Result<RawFd> {
    if status < 0 {
        Err(io::Error::from_raw_os_error(-status))
    } else {
        Ok(status)
    }
}

pub(crate) fn owned(status: i32) -> io::Result<OwnedFd> {
    // SAFETY: a new descriptor that nobody else knows.
    checked(status).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}
