//! One short-lived netlink connection for each request.
//!
//! A kept connection would stay in the namespace it was opened in, whatever the
//! caller's namespace is by then; opening one costs microseconds.

use rtnetlink::Handle;

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

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
