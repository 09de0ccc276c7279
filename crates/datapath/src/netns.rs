//! What programs know a network namespace by.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use crate::DatapathError;

/// `SO_NETNS_COOKIE` of the kernel's asm-generic/socket.h, which Rust's libc lacks.
const SO_NETNS_COOKIE: libc::c_int = 71;

/// The cookie of this thread's network namespace: what [`crate::Datapath::set_places`]
/// takes as key. It is unique until the next boot.
///
/// # Errors
/// If the kernel is older than 5.14, which cannot tell.
pub fn netns_cookie_of_self() -> Result<u64, DatapathError> {
    let failed = |source| DatapathError::File {
        path: "/proc/thread-self/ns/net".into(),
        action: "asked for its cookie",
        source,
    };
    // Any socket does; a UDP one is made without side effects.
    let socket = UdpSocket::bind(("0.0.0.0", 0)).map_err(failed)?;
    let mut cookie = 0_u64;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: both pointers are to live locals, and the length is the buffer's.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if status == 0 {
        Ok(cookie)
    } else {
        Err(failed(io::Error::last_os_error()))
    }
}
