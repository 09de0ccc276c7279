//! The socket that the CNI plugin calls.
//!
//! One request, one answer, and the connection is over. Whoever may call is root
//! already, so limits are there against mistakes: a runtime that starts a thousand
//! plugins at once, a program that connects and says nothing, a file sent by accident.
//!
//! What was begun is finished, also when the plugin is killed meanwhile: half an
//! interface helps nobody, and the runtime's DEL removes a whole one.

mod attachments;
mod conversation;
mod failures;
mod namespace;

use std::fs::Permissions;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use attachments::{Attachments, OfFabric};
use conversation::Conversation;
use networks::Fabric;

/// How long nothing is accepted after accepting failed, as for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// What callers may use up.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Size of a request in bytes.
    bytes: u64,
    /// How long a request may take to arrive, and an answer to be taken.
    time: Duration,
    /// Conversations at a time; further callers wait.
    conversations: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: sealane_cni::MAX_BYTES,
            time: Duration::from_secs(5),
            conversations: 128,
        }
    }
}

/// The socket, bound.
pub(super) struct Server {
    listener: UnixListener,
    path: PathBuf,
    attachments: Arc<dyn Attachments>,
    limits: Limits,
    /// The user that may call.
    user: u32,
}

/// Listens for plugins that want interfaces on these virtual networks; a node without
/// still does the rest. `resolver` is what containers are told to use.
pub(super) fn listen(
    path: &Path,
    fabric: Option<Fabric>,
    resolver: Option<IpAddr>,
) -> Option<Server> {
    let attachments = OfFabric {
        fabric: fabric?,
        resolver,
    };
    Server::bind(path, Arc::new(attachments))
        .map_err(|error| tracing::error!("no CNI runtime can join virtual networks: {error:#}"))
        .ok()
}

impl Server {
    /// Binds the socket. A file that nobody listens on is replaced; the lock on the
    /// state directory has shown that no other daemon of this state runs.
    fn bind(path: &Path, attachments: Arc<dyn Attachments>) -> anyhow::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error)
                    .with_context(|| format!("{} cannot be replaced", path.display()));
            }
            _ => {}
        }
        let listener = UnixListener::bind(path)
            .with_context(|| format!("CNI plugins cannot be listened to on {}", path.display()))?;
        // Until this is done, and for whoever can pass by it, callers' users count.
        std::fs::set_permissions(path, Permissions::from_mode(0o600))
            .with_context(|| format!("{} cannot be made private", path.display()))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            attachments,
            limits: Limits::default(),
            user: 0,
        })
    }

    /// Serves until `stop`; conversations under way are finished.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut conversations = JoinSet::new();
        let room = Arc::new(Semaphore::new(self.limits.conversations));
        loop {
            let (stream, permit) = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.accept(&room) => accepted,
                Some(_) = conversations.join_next(), if !conversations.is_empty() => continue,
            };
            let conversation = Conversation {
                attachments: Arc::clone(&self.attachments),
                limits: self.limits,
                user: self.user,
            };
            conversations.spawn(async move {
                conversation.hold(stream).await;
                drop(permit);
            });
        }
        // Plugins that come now are told that nobody is there, instead of waiting.
        drop(std::fs::remove_file(&self.path));
        drop(self.listener);
        while conversations.join_next().await.is_some() {}
    }

    async fn accept(&self, room: &Arc<Semaphore>) -> (UnixStream, Option<OwnedSemaphorePermit>) {
        let permit = Arc::clone(room).acquire_owned().await.ok();
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return (stream, permit),
                Err(error) => {
                    tracing::warn!(%error, "a CNI plugin's call could not be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
