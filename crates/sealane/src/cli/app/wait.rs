//! Waiting for deployments.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::super::Session;
use super::super::client::shaped;
use super::super::failure::Failure;
use super::super::shapes::{Launching, Reference};
use super::Accepted;
use super::show::{told, waiting};

/// Waits until none of the deployments is under way any more.
///
/// Looks every `pause`. While it waits, it shows why.
pub(super) async fn until_done(
    session: &mut Session<'_>,
    accepted: &[Accepted],
    limit: Duration,
    pause: Duration,
) -> Result<(), Failure> {
    let begin = Instant::now();
    loop {
        let open = still_open(session, accepted).await?;
        if open.is_empty() {
            session.progress.end();
            return Ok(());
        }
        let mut lines = Vec::new();
        for one in open {
            lines.push(reason(session, one).await?);
        }
        let reason = lines.join("; ");
        if begin.elapsed() >= limit {
            session.progress.end();
            return Err(Failure::TimedOut {
                after: limit,
                reason,
            });
        }
        session.progress.show(&reason);
        sleep(pause.min(limit.saturating_sub(begin.elapsed()))).await;
    }
}

async fn still_open<'a>(
    session: &Session<'_>,
    accepted: &'a [Accepted],
) -> Result<Vec<&'a Accepted>, Failure> {
    let path = "/v2/deployments";
    let deployments: Vec<Reference> = shaped(path, &session.client.get(path).await?)?;
    let open = |one: &&Accepted| {
        deployments
            .iter()
            .any(|other| other.id == one.deployment_id)
    };
    Ok(accepted.iter().filter(open).collect())
}

/// What one app waits for, in one line.
async fn reason(session: &Session<'_>, one: &Accepted) -> Result<String, Failure> {
    let path = format!("/v1/apps{}", one.app);
    let launching: Launching = match session.client.get(&path).await {
        Ok(Value::Null) => Launching::default(),
        Ok(value) => shaped(&path, &value)?,
        // A deleted app is known no more while its instances end.
        Err(Failure::Refused {
            status: StatusCode::NOT_FOUND,
            ..
        }) => {
            return Ok(format!("{}: its instances end", one.app));
        }
        Err(failure) => return Err(failure),
    };
    let mut parts: Vec<String> = waiting(&launching).collect();
    if parts.is_empty() {
        return Ok(format!("{}: its instances start or end", one.app));
    }
    // Without new failures the last one may be years old and says nothing.
    if let Some(failure) = launching
        .last_failure
        .filter(|_| launching.not_before.is_some())
    {
        parts.push(format!("last failure: {}", told(&failure)));
    }
    Ok(format!("{}: waits for {}", one.app, parts.join("; ")))
}
