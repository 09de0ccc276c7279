//! Containers that somebody else started with the same Docker.
//!
//! Whatever carries no label of a Sealane's owner is somebody else's. Docker is asked
//! for it in three ways: which containers run, what one of them looks like, and that
//! something changed. Events are hints here as everywhere, with one exception: that a
//! container was sent a signal shows in no inspection, so the event tells which.

mod seen;
mod signal;

use std::collections::HashMap;

use async_trait::async_trait;
use bollard::models::{ContainerInspectResponse, EventMessage, EventMessageTypeEnum as EventType};
use bollard::query_parameters::ListContainersOptionsBuilder;
use futures::StreamExt;
use futures::stream::BoxStream;

use super::connection::Client;
use super::{DockerEngine, labels, observe};
use crate::{Discovery, EngineError, News, Sighting};
use seen::Namespace;

/// Events after which a container looks different. Not those of `exec`: a health check
/// brings three of them each time.
const ACTIONS: [&str; 10] = [
    "start",
    "kill",
    "die",
    "destroy",
    "pause",
    "unpause",
    "rename",
    "health_status",
    "connect",
    "disconnect",
];

/// How many containers may stand between one and the namespace that it uses.
const SHARING_DEPTH: usize = 4;

#[async_trait]
impl Discovery for DockerEngine {
    async fn running(&self) -> Result<Vec<String>, EngineError> {
        self.watched(self.strangers().await).await
    }

    async fn sighting(&self, container: &str) -> Result<Option<Sighting>, EngineError> {
        let client = self.connection.client().await?;
        self.watched(self.stranger(&client, container).await).await
    }

    async fn news(&self) -> Result<BoxStream<'static, News>, EngineError> {
        let filters = HashMap::from([
            ("type", vec!["container", "network"]),
            ("event", ACTIONS.to_vec()),
        ]);
        let events = self.watched(self.follow(&filters).await).await?;
        Ok(events.filter_map(async |event| news(&event)).boxed())
    }
}

impl DockerEngine {
    async fn strangers(&self) -> Result<Vec<String>, EngineError> {
        let client = self.connection.client().await?;
        // Without filters Docker lists all that run, paused ones included.
        let options = ListContainersOptionsBuilder::new().build();
        let listed = client
            .docker
            .list_containers(Some(options))
            .await
            .map_err(|error| self.connection.failed("list containers", &error))?;
        let strange = listed
            .into_iter()
            .filter(|summary| !labels::claimed(summary.labels.as_ref()));
        Ok(strange.filter_map(|summary| summary.id).collect())
    }

    async fn stranger(&self, client: &Client, id: &str) -> Result<Option<Sighting>, EngineError> {
        let Some(seen) = self.look(client, id).await? else {
            return Ok(None);
        };
        let namespace = self.namespace(client, &seen).await?;
        Ok(seen::sighting(&seen, &namespace))
    }

    /// Whose network namespace the container uses.
    async fn namespace(
        &self,
        client: &Client,
        seen: &ContainerInspectResponse,
    ) -> Result<Namespace, EngineError> {
        let Some(mut of) = sharing(seen) else {
            return Ok(Namespace::Own);
        };
        for _ in 0..SHARING_DEPTH {
            let Some(other) = self.look(client, &of).await? else {
                break;
            };
            if !seen::runs(&other) {
                break;
            }
            match sharing(&other) {
                Some(next) => of = next,
                None => return Ok(Namespace::Of(Box::new(other))),
            }
        }
        Ok(Namespace::Gone(of))
    }
}

/// The container whose network namespace this one was told to use.
fn sharing(seen: &ContainerInspectResponse) -> Option<String> {
    let of = observe::mode(seen).strip_prefix("container:")?;
    Some(of.to_owned())
}

/// What an inspection of a container, as Docker writes it, says of one of somebody
/// else's. A door for `fuzz/` alone, which has no Docker.
#[doc(hidden)]
#[must_use]
pub fn sighted(inspection: &[u8]) -> Option<Sighting> {
    let seen = serde_json::from_slice(inspection).ok()?;
    seen::sighting(&seen, &Namespace::Own)
}

fn news(event: &EventMessage) -> Option<News> {
    let actor = event.actor.as_ref()?;
    let attribute = |name: &str| actor.attributes.as_ref()?.get(name);
    let container = match event.typ {
        Some(EventType::NETWORK) => attribute("container"),
        _ => actor.id.as_ref(),
    };
    let signal = attribute("signal").filter(|_| event.action.as_deref() == Some("kill"));
    Some(News {
        container: container?.clone(),
        signal: signal.and_then(|text| signal::number(text)),
    })
}

#[cfg(test)]
mod tests;
