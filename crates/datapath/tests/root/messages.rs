//! Sending and receiving, but for one datagram or line, and sockets as messages.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg,
    recvmsg, sendmsg,
};

use crate::client::plain;
use crate::orders::Reply;

/// Waits at a path for a socket.
pub(crate) fn take(path: &Path) -> OwnedFd {
    let (stream, _) = UnixListener::bind(path).unwrap().accept().unwrap();
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let mut room = nix::cmsg_space!([i32; 1]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let received = recvmsg::<()>(stream.as_raw_fd(), &mut parts, Some(&mut room), flags).unwrap();
    let rights = received.cmsgs().unwrap().find_map(|message| match message {
        ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
        _ => None,
    });
    // SAFETY: a new descriptor that nobody else knows.
    unsafe { OwnedFd::from_raw_fd(rights.unwrap()) }
}

/// Sends a socket to whoever listens at a path.
pub(crate) fn give(socket: BorrowedFd<'_>, path: &Path) -> Result<(), Errno> {
    let stream = UnixStream::connect(path).map_err(|error| Errno::try_from(error).unwrap())?;
    let fds = [socket.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&fds)];
    let parts = [IoSlice::new(b"s")];
    sendmsg::<()>(stream.as_raw_fd(), &parts, &rights, MsgFlags::empty(), None).map(drop)
}

pub(crate) fn send_bytes(fd: BorrowedFd<'_>, length: usize) -> Result<(), Errno> {
    let bytes = vec![b'x'; length];
    let mut sent = 0;
    while sent < length {
        sent += nix::sys::socket::send(fd.as_raw_fd(), &bytes[sent..], MsgFlags::empty())?;
    }
    Ok(())
}

pub(crate) fn receive_bytes(fd: BorrowedFd<'_>, length: usize) -> Result<usize, Errno> {
    let (mut buffer, mut received) = (vec![0; 65_536], 0);
    while received < length {
        match nix::sys::socket::recv(fd.as_raw_fd(), &mut buffer, MsgFlags::empty())? {
            0 => break,
            more => received += more,
        }
    }
    Ok(received)
}

pub(crate) fn receive_message(fd: BorrowedFd<'_>) -> Result<Reply, Errno> {
    let mut buffer = [0; 512];
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let received = recvmsg::<SockaddrStorage>(fd.as_raw_fd(), &mut parts, None, MsgFlags::empty())?;
    let (from, length) = (received.address.as_ref().and_then(plain), received.bytes);
    Ok(Reply::Text {
        from,
        text: String::from_utf8_lossy(&buffer[..length]).into_owned(),
    })
}

pub(crate) fn receive_messages(fd: BorrowedFd<'_>) -> Result<Reply, Errno> {
    let mut buffers = [[0_u8; 512]; 2];
    let mut parts: Vec<_> = buffers
        .iter_mut()
        .map(|buffer| [IoSliceMut::new(buffer)])
        .collect();
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(2, None);
    let flags = MsgFlags::MSG_WAITFORONE;
    let received = recvmmsg(fd.as_raw_fd(), &mut headers, &mut parts, flags, None)?;
    let texts = received.map(|message| {
        let text = message.iovs().map(String::from_utf8_lossy).collect();
        (message.address.as_ref().and_then(plain).unwrap(), text)
    });
    Ok(Reply::Texts(texts.collect()))
}
