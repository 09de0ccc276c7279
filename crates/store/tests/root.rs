//! What needs root: a disk that is full.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

use store::{RedbStore, Store, StoreError};

use contract::{put, write};

#[allow(
    dead_code,
    reason = "the suite is shared, and this file needs a part of it"
)]
mod contract;

/// A small file system in memory; unmounted on drop.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(options: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        mount(&["-t", "tmpfs", "-o", options, "tmpfs"], directory.path());
        Self(directory)
    }

    fn resize(&self, options: &str) {
        mount(&["-o", options], self.0.path());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.0.path())
            .status();
    }
}

fn mount(arguments: &[&str], at: &Path) {
    let status = Command::new("mount").args(arguments).arg(at).status();
    assert!(
        status.expect("this test needs mount").success(),
        "this test needs root"
    );
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    let disk = SmallDisk::new("size=4m");
    let path = disk.0.path().join("store.redb");
    let store = RedbStore::open(&path).await.unwrap();
    let value = "x".repeat(64 << 10);
    let mut kept = 0;
    let refused = loop {
        let writes = vec![put(&format!("k/{kept:04}"), &value)];
        match store
            .commit(store::Commit {
                compares: Vec::new(),
                writes,
            })
            .await
        {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 1000, "4 MiB are never full");
    };
    assert!(matches!(refused, StoreError::Write(_)), "{refused}");
    assert!(refused.to_string().contains("free some space"), "{refused}");
    assert!(
        refused.to_string().contains("was not accepted"),
        "{refused}"
    );
    assert!(kept > 5, "{kept} values fit");
    let before = store.list("").await.expect("reading goes on");
    assert_eq!(
        before.entries.len(),
        kept,
        "what was accepted is there, and nothing else"
    );

    disk.resize("remount,size=16m");
    let revision = write(&store, vec![put("more", &value)]).await;
    assert_eq!(revision, before.revision + 1);
    store.close().await;
    let store = RedbStore::open(&path).await.unwrap();
    assert_eq!(store.list("").await.unwrap().entries.len(), kept + 1);
}
