//! What networks need besides containers that come and go: rules that others
//! rewrite, and what earlier failures left.

use std::time::{Duration, Instant};

use model::TaskId;
use networks::{Forwarding, Networks};
use store::Mirror;
use tokio_util::sync::CancellationToken;

use crate::hints::{Hints, hinted};
use crate::report::Reports;

/// How often everything is looked at; Docker rewrites its chains when it starts.
const PERIOD: Duration = Duration::from_secs(10);

/// The reconciler.
pub(crate) struct Housekeeping {
    networks: Networks,
    mirror: Mirror,
    reports: Reports,
}

impl Housekeeping {
    pub(crate) fn new(networks: Networks, mirror: &Mirror, reports: &Reports) -> Self {
        Self {
            networks,
            mirror: mirror.clone(),
            reports: reports.clone(),
        }
    }

    /// Reconciles every [`PERIOD`], and when an engine came or went.
    pub(crate) async fn run(self, hints: Hints, stop: CancellationToken) {
        let mut hints = hints.subscribe();
        // Attachments of tasks must not look like leftovers before tasks are known.
        self.mirror.at_least(1).await;
        loop {
            self.reconcile().await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
                // An engine came or went; one task's container is no reason.
                () = hinted(&mut hints, |_| false) => {}
            }
        }
    }

    async fn reconcile(&self) {
        let began = Instant::now();
        let mut failures = Vec::new();
        let mut did = Vec::new();
        match networks::ensure_forwarding().await {
            Ok(Forwarding::Added) => did.push("let our interfaces through others' rules"),
            Ok(_) => {}
            Err(error) => failures.push(chain(&error)),
        }
        for id in self.networks.leftovers().await {
            if !self.is_known(&id)
                && let Err(error) = self.networks.detach(&id).await
            {
                failures.push(chain(&error));
            }
        }
        failures.extend(
            self.networks
                .retry_failed()
                .await
                .iter()
                .map(|error| chain(error)),
        );
        match self.networks.settle_host_ports().await {
            Ok(true) => did.push("wrote the rules of host ports anew"),
            Ok(false) => {}
            Err(error) => failures.push(chain(&error)),
        }
        let did = (!did.is_empty()).then(|| did.join("; "));
        self.reports.note("networks", began, did, failures);
    }

    /// Whether a task may still use the attachment, also one whose record cannot be
    /// read at the moment.
    fn is_known(&self, id: &str) -> bool {
        let state = self.mirror.state();
        id.parse::<TaskId>()
            .is_ok_and(|task| state.tasks.contains_key(&task) || state.has_unreadable_task(&task))
    }
}

/// An error with everything that caused it, once each.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
