//! Hints from containerd's event stream.

use std::time::Duration;

use containerd_client::events::TaskExit;
use containerd_client::services::v1::{GetContainerRequest, PublishRequest, SubscribeRequest};
use containerd_client::types::Envelope;
use futures::stream::{self, BoxStream, StreamExt};
use model::TaskId;
use prost::Message;
use prost_types::Any;

use super::client::{Absent, Client};
use super::names;
use super::view::quoted;
use super::{ContainerdEngine, EngineError};
use crate::EngineEvent;

/// Topics after which a container may look different.
const TOPICS: [&str; 6] = [
    "/tasks/create",
    "/tasks/start",
    "/tasks/exit",
    "/tasks/oom",
    "/tasks/delete",
    "/containers/delete",
];

/// Topic of an event that only says that events arrive.
const GREETING: &str = "/sealane/greeting";
/// A subscription is in place within a millisecond or two.
const GREETING_INTERVAL: Duration = Duration::from_millis(10);

/// The part that the events of all [`TOPICS`] share: field 1 is the container's id.
#[derive(Clone, PartialEq, Message)]
struct Subject {
    #[prost(string, tag = "1")]
    container: String,
}

impl ContainerdEngine {
    /// Subscribes; what happens after this returns is seen.
    pub(super) async fn event_stream(
        &self,
    ) -> Result<BoxStream<'static, EngineEvent>, EngineError> {
        let namespace = quoted(self.client.namespace());
        let filter = |topic: &&str| format!("namespace=={namespace},topic==\"{topic}\"");
        let filters = TOPICS.iter().chain([&GREETING]).map(filter).collect();
        let mut events = self.client.events().await?;
        let answer = self.client.ask(
            "subscribe to events",
            events.subscribe(SubscribeRequest { filters }),
        );
        let envelopes = tokio::select! {
            answer = answer => answer?,
            refused = self.greet() => return Err(refused),
        };
        let listener = Listener {
            client: self.client.clone(),
            owner: self.options.common.owner.clone(),
        };
        let hints = stream::unfold(
            (envelopes, listener),
            |(mut envelopes, listener)| async move {
                // An error ends the stream as its end does; the agent opens another.
                let envelope = envelopes.message().await.ok()??;
                let hint = listener.hint(&envelope).await;
                Some((hint, (envelopes, listener)))
            },
        );
        Ok(hints.filter_map(|hint| async move { hint }).boxed())
    }

    /// Publishes greetings until it is dropped. containerd answers a subscription
    /// with its first event and not before, so on a quiet machine one has to be made.
    async fn greet(&self) -> EngineError {
        loop {
            let request = PublishRequest {
                topic: GREETING.to_owned(),
                event: Some(Any::default()),
            };
            let published = async {
                let mut events = self.client.events().await?;
                Ok(self
                    .client
                    .ask("publish an event", events.publish(request))
                    .await?)
            };
            if let Err(refused) = published.await {
                return refused;
            }
            tokio::time::sleep(GREETING_INTERVAL).await;
        }
    }
}

struct Listener {
    client: Client,
    owner: String,
}

impl Listener {
    /// `None` for events that concern no container of this owner.
    async fn hint(&self, envelope: &Envelope) -> Option<EngineEvent> {
        let subject = subject(envelope)?;
        match self.task_of(&subject).await {
            Ok(Some((owner, _))) if owner != self.owner => None,
            Ok(Some((_, task))) => Some(EngineEvent { task: Some(task) }),
            // The container is gone, or containerd cannot say: somebody should look.
            Ok(None) | Err(_) => Some(EngineEvent { task: None }),
        }
    }

    /// Owner and task of a container.
    async fn task_of(&self, id: &str) -> Result<Option<(String, TaskId)>, EngineError> {
        let request = GetContainerRequest { id: id.to_owned() };
        let mut containers = self.client.containers().await?;
        let answer = self
            .client
            .ask("look for a container", containers.get(request))
            .await
            .absent()?;
        let Some(record) = answer.and_then(|answer| answer.container) else {
            return Ok(None);
        };
        let owner = record.labels.get(names::OWNER).cloned().unwrap_or_default();
        let task = record
            .labels
            .get(names::TASK)
            .and_then(|task| task.parse().ok());
        Ok(task.map(|task| (owner, task)))
    }
}

/// The container that an event is about; `None` for greetings, and for the end of a
/// command that was executed inside, which changes nothing and comes with every
/// health check.
fn subject(envelope: &Envelope) -> Option<String> {
    let event = envelope.event.as_ref()?.value.as_slice();
    if envelope.topic == GREETING {
        return None;
    }
    if envelope.topic == "/tasks/exit" {
        let exit = TaskExit::decode(event).ok()?;
        return (exit.id == exit.container_id).then_some(exit.container_id);
    }
    Some(Subject::decode(event).ok()?.container)
}

#[cfg(test)]
mod tests {
    use containerd_client::events::{ContainerDelete, TaskOom, TaskStart};

    use super::*;

    fn envelope(topic: &str, event: &impl Message) -> Envelope {
        let event = prost_types::Any {
            type_url: String::new(),
            value: event.encode_to_vec(),
        };
        Envelope {
            topic: topic.to_owned(),
            event: Some(event),
            ..Envelope::default()
        }
    }

    #[test]
    fn every_topic_names_its_container() {
        let exit = |id: &str| TaskExit {
            container_id: "c".into(),
            id: id.into(),
            pid: 7,
            ..TaskExit::default()
        };
        for (envelope, expected) in [
            (envelope("/tasks/exit", &exit("c")), Some("c")),
            (envelope("/tasks/exit", &exit("check-1")), None),
            (
                envelope(
                    "/tasks/start",
                    &TaskStart {
                        container_id: "c".into(),
                        pid: 9,
                    },
                ),
                Some("c"),
            ),
            (
                envelope(
                    "/tasks/oom",
                    &TaskOom {
                        container_id: "c".into(),
                    },
                ),
                Some("c"),
            ),
            (
                envelope("/containers/delete", &ContainerDelete { id: "c".into() }),
                Some("c"),
            ),
            (
                envelope(
                    GREETING,
                    &TaskOom {
                        container_id: "c".into(),
                    },
                ),
                None,
            ),
            (
                Envelope {
                    topic: "/tasks/exit".into(),
                    ..Envelope::default()
                },
                None,
            ),
        ] {
            assert_eq!(subject(&envelope).as_deref(), expected, "{envelope:?}");
        }
    }
}
