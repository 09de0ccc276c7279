//! Which network each container's namespace stands in.
//!
//! The connect hook tells clients apart by the cookie of their network namespace.
//! Containers on the host's network need no entry: their namespace is the host's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use engines::{Container, Phase};
use mesos::ContainerType;
use tokio_util::sync::CancellationToken;
use vip::NetworkKey;

use crate::hints::Hints;
use crate::options::Engines;
use crate::placing::Asked;
use crate::report::Reports;
use crate::services::Kernel;

/// How often all containers are looked at although no engine said anything.
const PERIOD: Duration = Duration::from_secs(30);

/// The reconciler.
pub(crate) struct Places {
    pub(crate) engines: Engines,
    pub(crate) kernel: Kernel,
    pub(crate) asked: Asked,
    pub(crate) reports: Reports,
}

/// Networks by cookie, as one engine last told them.
type Found = BTreeMap<u64, BTreeSet<NetworkKey>>;

impl Places {
    /// Reconciles on every hint and every [`PERIOD`].
    pub(crate) async fn run(mut self, hints: Hints, stop: CancellationToken) {
        let mut hints = hints.subscribe();
        let mut known = Vec::new();
        loop {
            // What arrives from here on is seen by this run or wakes the next one.
            while hints.try_recv().is_ok() {}
            let turn = self.asked.turn();
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.reconcile(&mut known) => {}
            }
            self.asked.answer(turn);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
                // Falling behind is the same as a hint about everything.
                _ = hints.recv() => {}
                () = self.asked.again() => {}
            }
        }
    }

    async fn reconcile(&self, known: &mut Vec<Found>) {
        let began = Instant::now();
        let mut failures = Vec::new();
        let places = places(&self.engines, known, &mut failures).await;
        let count = places.len();
        if let Some(Err(error)) = self.kernel.with(|datapath| datapath.set_places(&places)) {
            failures.push(error.to_string());
        }
        self.reports.note(
            "places",
            began,
            Some(format!("{count} namespaces")),
            failures,
        );
    }
}

/// All places. An engine that is away unlearns nothing: its containers go on, and so
/// do their places; a cookie is never used for another namespace.
async fn places(engines: &Engines, known: &mut Vec<Found>, failures: &mut Vec<String>) -> Found {
    known.resize_with(engines.all().count(), Found::new);
    for (engine, known) in engines.all().zip(known.iter_mut()) {
        // Its absence is reported by the node reconciler.
        if let Ok(containers) = engine.list().await {
            *known = places_of(engine.kind(), &containers, failures).await;
        }
    }
    let mut places = Found::new();
    for (cookie, networks) in known.iter().flatten() {
        let place = places.entry(*cookie).or_default();
        place.extend(networks.iter().cloned());
    }
    places
}

async fn places_of(
    kind: ContainerType,
    containers: &[Container],
    failures: &mut Vec<String>,
) -> Found {
    let mut found = Found::new();
    for container in containers {
        match place(kind, container).await {
            Ok(Some((cookie, networks))) => found.entry(cookie).or_default().extend(networks),
            Ok(None) => {}
            Err(error) => failures.push(format!("task {}: {error}", container.task)),
        }
    }
    found
}

async fn place(
    kind: ContainerType,
    container: &Container,
) -> Result<Option<(u64, Vec<NetworkKey>)>, netlink::NetlinkError> {
    let Some(pid) = container.pid else {
        return Ok(None);
    };
    if container.phase != Phase::Running || container.networks.is_empty() {
        return Ok(None);
    }
    let namespace = PathBuf::from(format!("/proc/{pid}/ns/net"));
    let cookie = tokio::task::spawn_blocking(move || {
        // A container that ended meanwhile has no place any more.
        if !namespace.exists() {
            return Ok(None);
        }
        netlink::netns::cookie(&namespace).map(Some)
    });
    let Ok(cookie) = cookie.await else {
        return Ok(None);
    };
    let networks = container
        .networks
        .iter()
        .map(|name| NetworkKey::new(kind, name))
        .collect();
    Ok(cookie?.map(|cookie| (cookie, networks)))
}

#[cfg(test)]
mod tests;
