//! The plugin as a whole: what it is made of, and its socket.

use std::fs;
use std::future::Future;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use networks::{Fabric, FabricNetwork, HostPorts};
use tokio::net::UnixListener;
use tokio::sync::Mutex;

use crate::book::Book;
use crate::{PluginError, routes};

/// What a plugin is made of.
#[derive(Debug)]
pub struct Options {
    /// The name under which Docker knows it: that of its socket.
    pub name: String,
    /// Directory for records that outlive a boot.
    pub state: PathBuf,
    /// Directory for records that do not.
    pub run: PathBuf,
    /// The node's virtual networks.
    pub fabric: Fabric,
    /// The node's host ports.
    pub ports: HostPorts,
}

/// A plugin; clones share everything.
#[derive(Debug, Clone)]
pub struct Plugin {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) book: Book,
    pub(crate) fabric: Fabric,
    pub(crate) ports: HostPorts,
    /// Held while host ports and what is written of them change together.
    pub(crate) publishing: Mutex<()>,
}

/// The socket that Docker finds; its file goes with it.
#[derive(Debug)]
pub struct Listener {
    socket: Option<UnixListener>,
    path: PathBuf,
}

impl Plugin {
    /// Opens the records.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn open(options: Options) -> Result<Self, PluginError> {
        let book = Book::open(&options.state, &options.run)?;
        Ok(Self {
            shared: Arc::new(Shared {
                name: options.name,
                book,
                fabric: options.fabric,
                ports: options.ports.part("docker"),
                publishing: Mutex::default(),
            }),
        })
    }

    /// Listens in `directory`, which for a real Docker is `/run/docker/plugins`. The file
    /// of a plugin that has ended is replaced.
    ///
    /// # Errors
    /// When the directory or the socket cannot be made, or somebody else listens there.
    pub fn listen(&self, directory: &Path) -> Result<Listener, PluginError> {
        let path = directory.join(format!("{}.sock", self.shared.name));
        let failed = |source| PluginError::Listen {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(directory).map_err(failed)?;
        if UnixStream::connect(&path).is_ok() {
            return Err(failed(ErrorKind::AddrInUse.into()));
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let socket = Some(UnixListener::bind(&path).map_err(failed)?);
        Ok(Listener { socket, path })
    }

    /// Answers Docker until `stop`.
    pub async fn serve(
        &self,
        mut listener: Listener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) {
        let Some(socket) = listener.socket.take() else {
            return;
        };
        let served = axum::serve(socket, routes::router(self.clone()));
        if let Err(error) = served.with_graceful_shutdown(stop).await {
            tracing::error!(%error, "Docker is not answered any more");
        }
    }

    /// Makes the host ports of Docker's containers what Docker asked for. To be repeated:
    /// others may have emptied the table, and a daemon that starts finds what it was.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn settle(&self) -> Result<(), PluginError> {
        self.shared.settle().await
    }

    /// The addresses of Docker's endpoints as far as it told of them.
    #[must_use]
    pub fn addresses(&self) -> Vec<(String, IpAddr)> {
        let endpoints = self.shared.book.endpoints().all();
        let each = endpoints.into_values().flat_map(|endpoint| {
            let network = endpoint.network;
            let addresses = endpoint.addresses.into_iter();
            addresses.map(move |address| (network.clone(), address))
        });
        each.collect()
    }
}

impl Shared {
    /// A virtual network of this node.
    pub(crate) fn network(&self, name: &str) -> Result<Arc<FabricNetwork>, PluginError> {
        let all = self.fabric.networks();
        let found = all.iter().find(|one| one.network.name == name);
        found.cloned().ok_or_else(|| PluginError::Unknown {
            name: name.to_owned(),
            known: self.known(),
        })
    }

    /// The names of this node's virtual networks.
    pub(crate) fn known(&self) -> Vec<String> {
        let all = self.fabric.networks();
        all.iter().map(|one| one.network.name.clone()).collect()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // A file without a listener would make Docker wait for nothing.
        let _ = fs::remove_file(&self.path);
    }
}
