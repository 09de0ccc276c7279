//! A store that others write to, and one that fails.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use store::{Commit, Entry, LeaseId, Outcome, RedbStore, Snapshot, Store, StoreError, Watch};

use crate::bench::Bench;

/// A store whose first commits conflict, and whose next ones fail.
#[derive(Debug)]
struct Troubled {
    store: RedbStore,
    conflicts: AtomicUsize,
    failures: AtomicUsize,
}

fn take_one(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
        left.checked_sub(1)
    })
    .is_ok()
}

#[async_trait]
impl Store for Troubled {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.store.get(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Snapshot, StoreError> {
        self.store.list(prefix).await
    }

    async fn commit(&self, commit: Commit) -> Result<Outcome, StoreError> {
        if take_one(&self.conflicts) {
            return Ok(Outcome::Conflict);
        }
        if take_one(&self.failures) {
            return Err(StoreError::Write("no space left; free some space".into()));
        }
        self.store.commit(commit).await
    }

    async fn watch(&self, prefix: &str, from: u64) -> Result<Watch, StoreError> {
        self.store.watch(prefix, from).await
    }

    async fn grant(&self, ttl_seconds: u64) -> Result<LeaseId, StoreError> {
        self.store.grant(ttl_seconds).await
    }

    async fn renew(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.store.renew(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.store.revoke(lease).await
    }
}

async fn bench(conflicts: usize, failures: usize) -> Bench {
    let (conflicts, failures) = (conflicts.into(), failures.into());
    Bench::over(|store| Troubled {
        store,
        conflicts,
        failures,
    })
    .await
}

#[tokio::test]
async fn a_change_is_tried_again() {
    let bench = bench(2, 0).await;
    bench
        .call("POST", "/v2/apps", r#"{"id":"a","cmd":"sleep 1"}"#)
        .await
        .is(201);
    assert_eq!(
        bench.get("/v2/deployments").await.as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn not_for_ever() {
    let bench = bench(8, 0).await;
    let body = r#"{"id":"a","cmd":"sleep 1"}"#;
    let refused = bench.call("POST", "/v2/apps", body).await.is(503);
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .starts_with("nothing was changed")
    );
    bench.call("POST", "/v2/apps", body).await.is(201);
}

#[tokio::test]
async fn a_full_disk() {
    let bench = bench(0, 1).await;
    let body = r#"{"id":"a","cmd":"sleep 1"}"#;
    let refused = bench.call("POST", "/v2/apps", body).await.is(503);
    let expected = "the store could not write: no space left; free some space; \
        the change was not accepted";
    assert_eq!(refused["message"], expected);
    assert_eq!(
        bench.get("/v2/apps").await["apps"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
    bench.call("POST", "/v2/apps", body).await.is(201);
}
