//! One short-lived netlink connection for each request.
//!
//! A kept connection would stay in the namespace it was opened in, whatever the
//! caller's namespace is by then; opening one costs microseconds.

use futures::StreamExt;
use futures::stream::BoxStream;
use rtnetlink::{Handle, MulticastGroup};

use crate::NetlinkError;

/// An open connection; its background work ends with it.
pub(crate) struct Connection {
    pub(crate) handle: Handle,
    driver: tokio::task::JoinHandle<()>,
}

impl Connection {
    pub(crate) fn open() -> Result<Self, NetlinkError> {
        let (driver, handle, _) = rtnetlink::new_connection().map_err(NetlinkError::Socket)?;
        Ok(Self {
            handle,
            driver: tokio::spawn(driver),
        })
    }
}

/// A connection that hears what the kernel tells everybody in `groups`.
pub(crate) struct Listener {
    messages: BoxStream<'static, ()>,
    driver: tokio::task::JoinHandle<()>,
}

impl Listener {
    pub(crate) fn open(groups: &[MulticastGroup]) -> Result<Self, NetlinkError> {
        let (driver, _, messages) =
            rtnetlink::new_multicast_connection(groups).map_err(NetlinkError::Socket)?;
        Ok(Self {
            messages: messages.map(drop).boxed(),
            driver: tokio::spawn(driver),
        })
    }

    /// Waits for a message; false when there will be none any more.
    pub(crate) async fn heard(&mut self) -> bool {
        self.messages.next().await.is_some()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
