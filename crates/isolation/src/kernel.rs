//! Words for what the kernel refuses.

use netlink::{Batch, NetlinkError, Socket};

use crate::IsolationError;

/// A socket in this thread's namespace.
pub(crate) fn open() -> Result<Socket, IsolationError> {
    Socket::open().map_err(|source| kernel("ask the kernel".to_owned(), source))
}

pub(crate) fn run(socket: &Socket, batch: &Batch) -> Result<(), IsolationError> {
    let refused = |source| kernel("change the link of an isolated task".to_owned(), source);
    socket.run(batch).map_err(refused)
}

pub(crate) fn looking(source: NetlinkError) -> IsolationError {
    kernel("look at the links of isolated tasks".to_owned(), source)
}

pub(crate) fn kernel(action: String, source: NetlinkError) -> IsolationError {
    let source = Box::new(source);
    IsolationError::Kernel { action, source }
}
