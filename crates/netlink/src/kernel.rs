//! The calls that no library makes for us.
#![allow(unsafe_code)]

use std::io;
use std::mem::size_of;
use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// Brings up `lo` of this thread's namespace.
pub(crate) fn loopback_up() -> io::Result<()> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // SAFETY: `ifreq` consists of byte arrays and integers (its union included), for
    // which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo\0") {
        *to = (*from).cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the descriptor is open for the whole call, and SIOCSIFFLAGS reads an
    // `ifreq` from the pointer, which is one, initialised, and outlives the call.
    let outcome = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw mut request) };
    if outcome < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// `SO_NETNS_COOKIE` of this thread's namespace.
pub(crate) fn netns_cookie() -> io::Result<u64> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let mut cookie = 0_u64;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the descriptor is open for the whole call; the kernel writes at most
    // `length` bytes to `cookie`, which has exactly as many, and the length back.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if outcome < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(cookie)
    }
}

/// What the kernel answers an `ethtool` question with that has one number.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    value: u32,
}

/// "Has the link a carrier?", `ETHTOOL_GLINK` of linux/ethtool.h.
const ETHTOOL_GLINK: u32 = 0x0a;

/// Whether a link of this thread's namespace has a carrier, after the kernel has acted
/// on it.
pub(crate) fn carrier(link: &str) -> io::Result<bool> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let mut question = EthtoolValue {
        command: ETHTOOL_GLINK,
        value: 0,
    };
    // SAFETY: `ifreq` consists of byte arrays, integers and pointers (its union included),
    // for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if link.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // The name's end is a zero that is there already.
    for (to, from) in request.ifr_name.iter_mut().zip(link.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = (&raw mut question).cast();
    // SAFETY: the descriptor is open for the whole call; SIOCETHTOOL reads an `ifreq` from
    // the pointer, which is one; its data points to `question`, which outlives the call
    // and is what ETHTOOL_GLINK reads and writes: two `u32`.
    let outcome = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    if outcome < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(question.value != 0)
    }
}

/// The request number of linux/sockios.h.
const SIOCETHTOOL: libc::Ioctl = 0x8946;
