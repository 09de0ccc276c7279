//! `sealane app …`.

mod definitions;
mod deploy;
mod list;
mod show;
mod wait;

use std::time::Duration;

use http::Method;
use model::AppId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Session;
use super::arguments::{AppCommand, Wait};
use super::client::shaped;
use super::failure::Failure;

/// A change that the daemon accepted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    app: AppId,
    deployment_id: String,
    version: String,
    #[serde(skip)]
    verb: &'static str,
}

/// How the daemon answers a change.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    version: String,
    deployment_id: String,
}

impl Answer {
    fn accepted(&self, app: AppId, verb: &'static str) -> Accepted {
        let (deployment_id, version) = (self.deployment_id.clone(), self.version.clone());
        Accepted {
            app,
            deployment_id,
            version,
            verb,
        }
    }
}

pub(super) async fn run(session: &mut Session<'_>, command: AppCommand) -> Result<(), Failure> {
    match command {
        AppCommand::Deploy(wanted) => deploy::run(session, &wanted).await,
        AppCommand::List => list::run(session).await,
        AppCommand::Show { id } => show::run(session, &id).await,
        AppCommand::Scale {
            id,
            instances,
            change,
        } => {
            let path = format!("/v2/apps{id}?force={}", change.force);
            let body = json!({"instances": instances});
            // A PUT would create an app that is not there.
            let answer = ask(session, Method::PATCH, &path, Some(&body)).await?;
            finish(session, vec![answer.accepted(id, "scaled")], &change.wait).await
        }
        AppCommand::Restart { id, change } => {
            let path = format!("/v2/apps{id}/restart?force={}", change.force);
            let answer = ask(session, Method::POST, &path, None).await?;
            finish(
                session,
                vec![answer.accepted(id, "restarted")],
                &change.wait,
            )
            .await
        }
        AppCommand::Delete { id, wait } => {
            let path = format!("/v2/apps{id}?force=true");
            let answer = ask(session, Method::DELETE, &path, None).await?;
            finish(session, vec![answer.accepted(id, "deleted")], &wait).await
        }
    }
}

async fn ask(
    session: &Session<'_>,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer, Failure> {
    let (_, answer) = session.client.change(method, path, body).await?;
    shaped(path, &answer)
}

/// Tells what was accepted, and waits if that is wanted.
async fn finish(
    session: &mut Session<'_>,
    accepted: Vec<Accepted>,
    wait: &Wait,
) -> Result<(), Failure> {
    session.print(&accepted, || {
        let line = |one: &Accepted| {
            format!(
                "{} {}, deployment {}\n",
                one.app, one.verb, one.deployment_id
            )
        };
        Ok(accepted.iter().map(line).collect())
    })?;
    session.out.flush().map_err(Failure::Output)?;
    if !wait.wait {
        return Ok(());
    }
    wait::until_done(session, &accepted, wait.timeout, Duration::from_millis(500)).await?;
    session.say("done")
}

#[cfg(test)]
mod tests;
