//! What Docker was promised, on disk.
//!
//! Docker remembers networks by ids of its own and speaks of them for as long as it
//! lives, also to a plugin that has restarted; endpoints live until their container
//! ends or the host does. So networks are kept with the state that outlives a boot and
//! endpoints with what does not.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::Protocol;
use networks::Published;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::PluginError;

/// A Docker network of this driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownNetwork {
    /// The virtual network behind it.
    pub(crate) network: String,
}

/// An endpoint of a Docker container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownEndpoint {
    /// The virtual network.
    pub(crate) network: String,
    /// Addresses that Docker gave it.
    pub(crate) addresses: Vec<IpAddr>,
    /// Its MAC address, if Docker wants a certain one.
    pub(crate) mac: Option<[u8; 6]>,
    /// The container that it is joined to, by what Docker calls its namespace.
    #[serde(default)]
    pub(crate) sandbox: String,
    /// Its published ports.
    #[serde(default)]
    pub(crate) ports: Vec<KnownPort>,
}

/// A published port of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownPort {
    pub(crate) host_port: u16,
    pub(crate) protocol: Protocol,
    pub(crate) host_ip: Option<IpAddr>,
    pub(crate) to: SocketAddr,
}

impl From<KnownPort> for Published {
    fn from(port: KnownPort) -> Self {
        Self {
            host_port: port.host_port,
            protocol: port.protocol,
            host_ip: port.host_ip,
            to: port.to,
        }
    }
}

/// The records; one file each, replaced as a whole.
#[derive(Debug)]
pub(crate) struct Book {
    networks: Kept<KnownNetwork>,
    endpoints: Kept<KnownEndpoint>,
}

impl Book {
    /// Opens the records: networks below `state`, endpoints below `run`.
    ///
    /// # Errors
    /// When they cannot be read. A file that makes no sense counts as none.
    pub(crate) fn open(state: &Path, run: &Path) -> Result<Self, PluginError> {
        Ok(Self {
            networks: Kept::open(state.join("docker-networks.json"))?,
            endpoints: Kept::open(run.join("docker-endpoints.json"))?,
        })
    }

    pub(crate) fn networks(&self) -> &Kept<KnownNetwork> {
        &self.networks
    }

    pub(crate) fn endpoints(&self) -> &Kept<KnownEndpoint> {
        &self.endpoints
    }
}

/// Records by Docker's id, in memory and in a file.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    path: PathBuf,
    all: Mutex<BTreeMap<String, T>>,
}

impl<T: Clone + Serialize + DeserializeOwned> Kept<T> {
    fn open(path: PathBuf) -> Result<Self, PluginError> {
        let all = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::error!(%error, path = %path.display(),
                    "records of Docker's networks make no sense and are begun anew");
                BTreeMap::new()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => {
                let action = "read";
                return Err(PluginError::Book {
                    action,
                    path,
                    source,
                });
            }
        };
        Ok(Self {
            path,
            all: Mutex::new(all),
        })
    }

    pub(crate) fn get(&self, id: &str) -> Option<T> {
        self.lock().get(id).cloned()
    }

    pub(crate) fn all(&self) -> BTreeMap<String, T> {
        self.lock().clone()
    }

    /// # Errors
    /// When the file cannot be written; the record is then not kept either.
    pub(crate) fn put(&self, id: &str, record: T) -> Result<(), PluginError> {
        self.change(|all| {
            all.insert(id.to_owned(), record);
        })
    }

    /// # Errors
    /// When the file cannot be written; the record is then still kept.
    pub(crate) fn remove(&self, id: &str) -> Result<(), PluginError> {
        self.change(|all| {
            all.remove(id);
        })
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, T>)) -> Result<(), PluginError> {
        let mut all = self.lock();
        let mut next = all.clone();
        change(&mut next);
        let text = serde_json::to_vec_pretty(&next).map_err(io::Error::other);
        text.and_then(|text| cni::replace(&self.path, &text))
            .map_err(|source| PluginError::Book {
                action: "write",
                path: self.path.clone(),
                source,
            })?;
        *all = next;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, T>> {
        // Replaced as a whole, so a panic elsewhere spoils nothing.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(network: &str) -> KnownNetwork {
        KnownNetwork {
            network: network.to_owned(),
        }
    }

    #[test]
    fn records_come_back_until_removed() {
        let (state, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let open = || Book::open(state.path(), run.path()).unwrap();
        let book = open();
        assert_eq!(book.networks().get("n1"), None);
        book.networks().put("n1", known("dcos")).unwrap();
        book.networks().put("n2", known("other")).unwrap();
        let again = open();
        assert_eq!(again.networks().get("n1"), Some(known("dcos")));
        again.networks().remove("n1").unwrap();
        again.networks().remove("n1").unwrap();
        assert_eq!(
            open().networks().all(),
            [("n2".to_owned(), known("other"))].into()
        );
    }

    #[test]
    fn nonsense_is_begun_anew() {
        let (state, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for bad in ["", "{", "[]", r#"{"n1": 7}"#] {
            fs::write(state.path().join("docker-networks.json"), bad).unwrap();
            let book = Book::open(state.path(), run.path()).unwrap();
            assert!(book.networks().all().is_empty(), "{bad}");
        }
        fs::remove_file(state.path().join("docker-networks.json")).unwrap();
        fs::create_dir(state.path().join("docker-networks.json")).unwrap();
        Book::open(state.path(), run.path()).unwrap_err();
    }

    #[test]
    fn what_cannot_be_written_is_not_kept() {
        let (state, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let book = Book::open(state.path(), run.path()).unwrap();
        // The place of the file that is written aside is taken.
        fs::create_dir(state.path().join("docker-networks.tmp")).unwrap();
        book.networks().put("n1", known("dcos")).unwrap_err();
        assert_eq!(book.networks().get("n1"), None);
    }
}
