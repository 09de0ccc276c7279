//! What can go wrong before the server runs.

use std::io;
use std::net::SocketAddr;

/// Why the name server did not start.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// Nothing to listen on.
    #[error("the name server was given no address to listen on; give at least one")]
    NoAddress,
    /// An address cannot be had.
    #[error(
        "cannot listen for DNS on {address} over {transport}; is the address this host's, \
         and is another name server using the port (`ss -lntup`)?"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// `UDP` or `TCP`.
        transport: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A bound socket could not be handed to the runtime.
    #[error("cannot serve DNS on {address}; was `run` called inside a tokio runtime with IO?")]
    Serve {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}
