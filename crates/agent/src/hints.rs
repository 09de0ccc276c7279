//! Hints from the engines that a container changed.

use std::sync::Arc;
use std::time::Duration;

use engines::{Engine, EngineEvent};
use futures::StreamExt;
use model::TaskId;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// Hints kept for a slow receiver; one that misses some looks at everything.
const KEPT: usize = 1024;

/// Pause before an engine is asked again for its events.
const RETRY: Duration = Duration::from_secs(1);

/// Spreads the hints of all engines.
#[derive(Debug, Clone)]
pub(crate) struct Hints(broadcast::Sender<EngineEvent>);

impl Hints {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(KEPT).0)
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<EngineEvent> {
        self.0.subscribe()
    }

    /// Follows one engine until `stop`. Whenever its stream begins or ends, a hint
    /// about everything is sent, because something may have been missed.
    pub(crate) async fn follow(self, engine: Arc<dyn Engine>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            // An engine that hangs must not keep the daemon from ending.
            let events = tokio::select! {
                () = stop.cancelled() => return,
                events = engine.events() => events,
            };
            if let Ok(mut events) = events {
                self.send(EngineEvent { task: None });
                loop {
                    tokio::select! {
                        () = stop.cancelled() => return,
                        event = events.next() => match event {
                            Some(event) => self.send(event),
                            None => break,
                        },
                    }
                }
                self.send(EngineEvent { task: None });
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    /// Tells everybody who listens.
    pub(crate) fn send(&self, event: EngineEvent) {
        // Nobody listening is fine: whoever begins to listen looks at everything.
        drop(self.0.send(event));
    }
}

/// Returns when an engine hints at a task that `matters`, or at everything.
pub(crate) async fn hinted(
    hints: &mut broadcast::Receiver<EngineEvent>,
    matters: impl Fn(&TaskId) -> bool,
) {
    loop {
        match hints.recv().await {
            Ok(EngineEvent { task: Some(task) }) if !matters(&task) => {}
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests;
