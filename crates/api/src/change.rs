//! Accepting a change: one transaction of the records and their deployment.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, StatusCode};
use model::{AffectedApp, AppId, Deployment, Timestamp};
use serde_json::json;
use store::{Change, Expect, Outcome, State};

use crate::context::Api;
use crate::refusal::Refusal;

/// Carries a change's deployment in its answer.
pub(crate) const DEPLOYMENT_ID: HeaderName = HeaderName::from_static("marathon-deployment-id");

/// Attempts before a change gives way to others of the same records. Requests of
/// one node wait for each other, so only other nodes and the leader get between.
pub(crate) const ATTEMPTS: usize = 8;

/// How long an answer waits for this node to see a change that is durable already.
const VISIBLE: Duration = Duration::from_secs(10);

/// How long a change that came too late waits for what came before it.
const NEWER: Duration = Duration::from_millis(200);

/// What a change comes to, given the records as they are.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) change: Change,
    /// What the deployment has to make true; empty if everything is already.
    pub(crate) affected: Vec<AffectedApp>,
}

/// A change that was accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) version: Timestamp,
    pub(crate) deployment: String,
}

impl Accepted {
    /// `{version, deploymentId}` with the header, as Marathon answers most changes.
    pub(crate) fn answer(&self, status: StatusCode) -> Response {
        let body = json!({ "version": self.version, "deploymentId": self.deployment });
        (
            status,
            [(DEPLOYMENT_ID, self.deployment.clone())],
            Json(body),
        )
            .into_response()
    }
}

impl Api {
    /// Commits what `draft` makes of the current records, together with a deployment.
    ///
    /// `draft` is called again with fresh records when others changed them in
    /// between. The time it gets is later than the version of every app.
    pub(crate) async fn deploy(
        &self,
        force: bool,
        mut draft: impl FnMut(&State, Timestamp) -> Result<Draft, Refusal>,
    ) -> Result<Accepted, Refusal> {
        let _alone = self.changing.lock().await;
        for _ in 0..ATTEMPTS {
            let state = self.state().await?;
            let now = self.next_version(&state);
            let Draft {
                mut change,
                mut affected,
            } = draft(&state, now)?;
            affected.sort_by(|one, other| one.app.cmp(&other.app));
            let locks = locks(&state, &affected);
            if !force && !locks.is_empty() {
                return Err(Refusal::Locked(locks));
            }
            for lock in locks {
                change.delete_deployment(&lock, Expect::Any);
            }
            let id = uuid::Uuid::new_v4().to_string();
            let deployment = Deployment {
                id: id.clone(),
                version: now,
                affected,
            };
            change.put_deployment(&deployment, Expect::Absent);
            if self.commit(change, &state).await? {
                return Ok(Accepted {
                    version: now,
                    deployment: id,
                });
            }
        }
        Err(Refusal::Unavailable(
            "nothing was changed: others keep changing the same records, or one of them is not \
             readable; look at /v1/problems and try again"
                .to_owned(),
        ))
    }

    /// Commits a change; false when `state` was not current. Returns once this
    /// node's view is as new as the outcome.
    pub(crate) async fn commit(&self, change: Change, state: &State) -> Result<bool, Refusal> {
        let outcome = self.context.records.commit(change).await?;
        let (committed, revision, patience) = match outcome {
            Outcome::Committed(revision) => (true, revision, VISIBLE),
            // Others were first, so there is something newer; unless the record is
            // one that is not readable, and then waiting would not help.
            Outcome::Conflict => (false, state.revision + 1, NEWER),
        };
        let seen = self.context.mirror.at_least(revision);
        if tokio::time::timeout(patience, seen).await.is_err() {
            tracing::warn!(revision, "this node's view does not follow the store");
        }
        Ok(committed)
    }

    /// The present, or just after the latest version if the clock is behind it: a
    /// version is an app's own clock and never goes back or stands still.
    fn next_version(&self, state: &State) -> Timestamp {
        let latest = state.apps.values().filter_map(|app| app.version).max();
        let now = (self.context.now)();
        latest.map_or(now, |latest| now.max(latest.plus_millis(1)))
    }
}

/// Deployments under way that touch one of the apps.
fn locks(state: &State, affected: &[AffectedApp]) -> Vec<String> {
    let touches = |app: &AppId| affected.iter().any(|affected| affected.app == *app);
    let locking = state.deployments.values().filter(|deployment| {
        deployment
            .affected
            .iter()
            .any(|affected| touches(&affected.app))
    });
    locking.map(|deployment| deployment.id.clone()).collect()
}
