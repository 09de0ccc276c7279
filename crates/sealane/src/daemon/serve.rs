//! The API's listeners: TCP and a unix socket.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use axum::Router;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

/// Bound sockets.
#[derive(Debug)]
pub(super) struct Listeners {
    tcp: TcpListener,
    unix: UnixListener,
    /// Address of the TCP socket.
    pub(super) address: SocketAddr,
    /// Path of the unix socket.
    pub(super) path: PathBuf,
}

impl Listeners {
    /// Binds both. A socket file that nobody listens on is replaced; the lock on the
    /// state directory has shown that no other daemon of this state runs.
    pub(super) async fn bind(address: SocketAddr, path: &Path) -> anyhow::Result<Self> {
        let tcp = TcpListener::bind(address).await.with_context(|| {
            format!("the API cannot listen on {address}; choose another --api-listen")
        })?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error)
                    .with_context(|| format!("{} cannot be replaced", path.display()));
            }
            _ => {}
        }
        let unix = UnixListener::bind(path)
            .with_context(|| format!("the API cannot listen on {}", path.display()))?;
        let address = tcp.local_addr()?;
        Ok(Self {
            tcp,
            unix,
            address,
            path: path.to_owned(),
        })
    }
}

/// Serves until `stop`; requests under way are finished.
pub(super) async fn run(listeners: Listeners, router: Router, stop: CancellationToken) {
    let tcp = axum::serve(listeners.tcp, router.clone())
        .with_graceful_shutdown(stop.clone().cancelled_owned());
    let unix = axum::serve(listeners.unix, router).with_graceful_shutdown(stop.cancelled_owned());
    let (tcp, unix) = tokio::join!(tcp, unix);
    for error in [tcp.err(), unix.err()].into_iter().flatten() {
        tracing::error!(%error, "the API ended");
    }
    // A file without a listener would make clients wait for nothing.
    drop(std::fs::remove_file(&listeners.path));
}
