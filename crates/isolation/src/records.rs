//! Tasks that are isolated: in memory, and one file each. A file is written before
//! anything is made and removed after everything is gone, so that whatever a crash leaves
//! is known by one.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::names::is_link;
use crate::{Isolated, IsolationError, Wanted, files};

/// All that a task has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) wanted: Wanted,
    /// The host's end of its link, and the name of the record's file.
    pub(crate) link: String,
    pub(crate) netns: PathBuf,
    pub(crate) address: Ipv4Addr,
    /// Hardware address of the end in the namespace, and the link's MTU: those that the
    /// interface with the address had.
    pub(crate) mac: netlink::Mac,
    pub(crate) mtu: u32,
    /// What stands for it in the host's stack.
    pub(crate) alias: Ipv4Addr,
    /// First and last of its ports for what it begins.
    pub(crate) ephemeral: (u16, u16),
}

impl Record {
    pub(crate) fn ephemeral(&self) -> RangeInclusive<u16> {
        self.ephemeral.0..=self.ephemeral.1
    }

    pub(crate) fn isolated(&self) -> Isolated {
        Isolated {
            netns: self.netns.clone(),
            address: self.address,
            ephemeral: self.ephemeral(),
        }
    }
}

/// All records of this node, by task.
#[derive(Debug)]
pub(crate) struct Records {
    directory: PathBuf,
    all: BTreeMap<String, Record>,
}

impl Records {
    /// Reads what is there.
    pub(crate) fn open(directory: PathBuf) -> Result<Self, IsolationError> {
        files::directory(&directory)?;
        let mut all = BTreeMap::new();
        for name in files::names(&directory)? {
            let path = directory.join(&name);
            if !is_link(&name) {
                continue;
            }
            match files::read::<Record>(&path)? {
                Some(record) if record.link == name => {
                    all.insert(record.id.clone(), record);
                }
                // Nobody can say whose it is; its link is collected as a stray one.
                _ => files::remove(&path)?,
            }
        }
        Ok(Self { directory, all })
    }

    pub(crate) fn put(&mut self, record: Record) -> Result<(), IsolationError> {
        files::put(&self.directory.join(&record.link), &record)?;
        self.all.insert(record.id.clone(), record);
        Ok(())
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Record> {
        self.all.get(id)
    }

    pub(crate) fn remove(&mut self, record: &Record) -> Result<(), IsolationError> {
        files::remove(&self.directory.join(&record.link))?;
        self.all.remove(&record.id);
        Ok(())
    }

    pub(crate) fn list(&self) -> Vec<Record> {
        self.all.values().cloned().collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.all.values()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use model::Protocol::Tcp;

    use super::*;

    #[test]
    fn are_read_again_and_what_makes_no_sense_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let at = || directory.path().join("records");
        let record = Record {
            id: "web/1".into(),
            wanted: Wanted {
                ports: [(Tcp, 31000)].into(),
                egress: Some(crate::Rate::new(1_250_000)),
            },
            link: "slport00c0ffee".into(),
            netns: "/n/slport00c0ffee".into(),
            address: Ipv4Addr::new(10, 0, 0, 1),
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 1500,
            alias: Ipv4Addr::new(169, 254, 64, 2),
            ephemeral: (16384, 16639),
        };
        let mut records = Records::open(at()).unwrap();
        records.put(record.clone()).unwrap();
        std::fs::write(at().join("slport00000001"), b"{\"id\":").unwrap();
        std::fs::write(at().join("loopback"), b"{}").unwrap();

        let mut again = Records::open(at()).unwrap();
        assert_eq!(again.list(), std::slice::from_ref(&record));
        assert!(!at().join("slport00000001").exists());
        assert!(at().join("loopback").exists());
        again.remove(&record).unwrap();
        assert!(Records::open(at()).unwrap().is_empty());
    }
}
