//! Leases: what is made under one stays until something refers to it.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use containerd_client::services::v1::{CreateRequest, DeleteRequest};

use super::client::{Absent, Client, ENGINE};
use super::time;
use crate::EngineError;

/// Work that takes longer has lost its daemon; its parts may go then. A large image comes
/// slowly over a thin line.
const LASTS: Duration = Duration::from_secs(24 * 60 * 60);

/// A lease of containerd.
#[derive(Debug, Clone)]
pub(super) struct Lease {
    id: String,
    client: Client,
    taken: Instant,
}

impl Lease {
    /// Takes one; `purpose` is part of its name.
    pub(super) async fn take(client: &Client, purpose: &str) -> Result<Self, EngineError> {
        let millis = i64::try_from(LASTS.as_millis()).unwrap_or(i64::MAX);
        let expires = time::now().plus_millis(millis).to_string();
        let request = CreateRequest {
            id: format!("sealane-{purpose}-{}", unique()),
            labels: HashMap::from([("containerd.io/gc.expire".to_owned(), expires)]),
        };
        let mut leases = client.leases().await?;
        let answer = client.ask("take a lease", leases.create(request)).await?;
        let id = answer
            .lease
            .map(|lease| lease.id)
            .ok_or_else(|| EngineError::Failed {
                engine: ENGINE,
                action: "take a lease".to_owned(),
                detail: "it has no id".to_owned(),
            })?;
        let client = client.with_lease(&id);
        let taken = Instant::now();
        Ok(Self { id, client, taken })
    }

    /// Whether most of its time is left.
    pub(super) fn is_young(&self) -> bool {
        self.taken.elapsed() < LASTS / 2
    }

    /// The connection that makes things under it.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Gives it back: what nothing refers to may go.
    pub(super) async fn release(self) -> Result<(), EngineError> {
        let request = DeleteRequest {
            id: self.id,
            sync: false,
        };
        let mut leases = self.client.leases().await?;
        self.client
            .ask("release a lease", leases.delete(request))
            .await
            .absent()
            .map(drop)
    }
}

/// A text that no other attempt has.
pub(super) fn unique() -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("{}-{}", std::process::id(), now.as_nanos())
}
