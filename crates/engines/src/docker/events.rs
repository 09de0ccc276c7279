//! Docker's events, and the hints that our containers changed.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures::StreamExt;
use futures::stream::BoxStream;

use super::{DockerEngine, labels};
use crate::{EngineError, EngineEvent};

/// What changes something that an inspection shows.
const ACTIONS: [&str; 6] = ["start", "die", "oom", "destroy", "pause", "unpause"];

impl DockerEngine {
    pub(super) async fn hints(&self) -> Result<BoxStream<'static, EngineEvent>, EngineError> {
        let owner = format!("{}={}", labels::OWNER, self.options.owner);
        let filters = HashMap::from([
            ("type", vec!["container"]),
            ("label", vec![owner.as_str()]),
            ("event", ACTIONS.to_vec()),
        ]);
        let events = self.follow(&filters).await?;
        Ok(events.map(|event| hint(&event)).boxed())
    }

    /// Docker's events from now on that pass the filters, until Docker goes away.
    pub(super) async fn follow(
        &self,
        filters: &HashMap<&str, Vec<&str>>,
    ) -> Result<BoxStream<'static, EventMessage>, EngineError> {
        // The request is sent when the stream is first read; asking for everything
        // since now lets nothing fall between the two.
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let since = format!("{}.{:09}", now.as_secs(), now.subsec_nanos());
        // An engine that is not there must be an error, not an empty stream.
        self.connection.forget().await;
        let client = self.connection.client().await?;
        let options = EventsOptionsBuilder::new()
            .since(&since)
            .filters(filters)
            .build();
        let events = client.docker.events(Some(options));
        let events = events
            .inspect(|event| {
                if let Err(error) = event {
                    tracing::debug!("Docker's events end: {error}");
                }
            })
            .take_while(|event| futures::future::ready(event.is_ok()))
            .filter_map(async |event| event.ok());
        Ok(events.boxed())
    }
}

fn hint(event: &EventMessage) -> EngineEvent {
    let attributes = event
        .actor
        .as_ref()
        .and_then(|actor| actor.attributes.as_ref());
    let task = attributes.and_then(|attributes| attributes.get(labels::TASK)?.parse().ok());
    EngineEvent { task }
}
