//! Endpoints that are there: in memory, and one file each below `<run>/endpoints`.
//!
//! A file is created when an endpoint is whole. What was begun and not finished has
//! leases and perhaps a link, but no file, and is removed by reconciling.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::{Endpoint, EndpointId, EndpointRequest, FabricError, files};

/// An endpoint as it was asked for and as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Record {
    /// One that a CNI runtime asked for.
    Cni(Box<CniRecord>),
    /// One of Docker's.
    Docker(DockerRecord),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CniRecord {
    pub(crate) request: EndpointRequest,
    pub(crate) endpoint: Endpoint,
    /// The namespace's number, by which it is told from a later one at the same path.
    pub(crate) inode: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DockerRecord {
    pub(crate) endpoint: String,
    pub(crate) network: String,
    pub(crate) link: String,
    pub(crate) mac: netlink::Mac,
    pub(crate) mtu: u16,
    pub(crate) addresses: Vec<IpAddr>,
}

impl Record {
    /// The end of its links that is on the host.
    pub(crate) fn link(&self) -> &str {
        match self {
            Self::Cni(record) => &record.endpoint.host_interface,
            Self::Docker(record) => &record.link,
        }
    }
}

/// All whole endpoints of this node.
#[derive(Debug)]
pub(crate) struct Records {
    directory: PathBuf,
    all: Mutex<BTreeMap<String, Record>>,
}

impl Records {
    /// Reads what is there. A file that a crash cut off is removed: the endpoint was not
    /// whole, since nobody had been told so.
    pub(crate) fn open(directory: PathBuf) -> Result<Self, FabricError> {
        files::directory(&directory)?;
        let mut all = BTreeMap::new();
        for name in files::names(&directory)? {
            let path = directory.join(&name);
            match files::read::<Record>(&path)? {
                Some(record) => drop(all.insert(name, record)),
                None => files::remove(&path)?,
            }
        }
        Ok(Self {
            directory,
            all: Mutex::new(all),
        })
    }

    pub(crate) fn put(&self, key: &str, record: Record) -> Result<(), FabricError> {
        files::create(&self.directory.join(key), &record)?;
        self.all().insert(key.to_owned(), record);
        Ok(())
    }

    pub(crate) fn get(&self, key: &str) -> Option<Record> {
        self.all().get(key).cloned()
    }

    pub(crate) fn remove(&self, key: &str) -> Result<(), FabricError> {
        files::remove(&self.directory.join(key))?;
        self.all().remove(key);
        Ok(())
    }

    /// All of them, by key.
    pub(crate) fn list(&self) -> Vec<(String, Record)> {
        let all = self.all();
        all.iter()
            .map(|(key, record)| (key.clone(), record.clone()))
            .collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Record>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Key and file name of an endpoint: no interface and no container id has a colon.
pub(crate) fn key(id: &EndpointId) -> String {
    format!("{}:{}", id.container, id.ifname)
}

/// The same for an endpoint of Docker, which two colons tell from any other.
pub(crate) fn docker_key(endpoint: &str) -> String {
    format!("docker::{endpoint}")
}
