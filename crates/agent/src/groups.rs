//! Which containers may talk to each other: the table of groups into the datapath.
//!
//! Groups follow the records: what an app's definition says now, or else what its tasks
//! and statuses say, without any restart of a task. Links are guarded when they are made
//! ([`Guard`]), before they are up; what was missed, such as links that were made while no
//! daemon ran, is made up for here.

mod guard;
mod links;
mod why;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use datapath::Behind;
use model::NodeId;
use store::{Mirror, State};
use tokio_util::sync::CancellationToken;
use vip::GroupTable;
use vip::groups::GroupInput;

use crate::hints::Hints;
use crate::housekeeping::chain;
use crate::report::Reports;
use crate::services::Kernel;

pub use guard::Guard;
pub use why::{End, GroupWhy, WhyError};

/// How often links are looked at although nothing happened.
const PERIOD: Duration = Duration::from_secs(30);

/// The reconciler.
pub(crate) struct Groups {
    pub(crate) kernel: Kernel,
    pub(crate) mirror: Mirror,
    pub(crate) node: NodeId,
    /// The table that is in force.
    pub(crate) table: Arc<ArcSwap<GroupTable>>,
    pub(crate) reports: Reports,
}

impl Groups {
    /// Reconciles on every change of the records, every hint and every [`PERIOD`].
    pub(crate) async fn run(self, hints: Hints, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.work(hints) => {}
        }
    }

    async fn work(&self, hints: Hints) {
        let mut hints = hints.subscribe();
        let mut states = self.mirror.subscribe();
        self.mirror.at_least(1).await;
        let mut done = false;
        loop {
            while hints.try_recv().is_ok() {}
            let state = Arc::clone(&states.borrow_and_update());
            let table = table(&state, &self.node);
            done = self.reconcile(table, done).await;
            let again = tokio::time::sleep(PERIOD);
            tokio::pin!(again);
            loop {
                tokio::select! {
                    () = &mut again => break,
                    // Falling behind is the same as a hint about everything.
                    _ = hints.recv() => break,
                    changed = states.changed() => {
                        if changed.is_err() {
                            return std::future::pending().await;
                        }
                        let state = Arc::clone(&states.borrow_and_update());
                        let table = self::table(&state, &self.node);
                        // Most changes are about something else.
                        if !done || table != **self.table.load() {
                            done = self.enforce(table);
                        }
                    }
                }
            }
        }
    }

    /// Everything. Yields whether nothing failed.
    async fn reconcile(&self, table: GroupTable, done: bool) -> bool {
        let began = Instant::now();
        let mut failures = Vec::new();
        let expecting = table.expecting;
        if (!done || table != **self.table.load())
            && let Err(error) = self.set(table)
        {
            failures.push(error);
        }
        let guarded = self.guard_links(expecting).await;
        let links = guarded.unwrap_or_else(|failed| {
            failures.extend(failed);
            0
        });
        let did = (links > 0).then(|| format!("{links} links"));
        let done = failures.is_empty();
        self.reports.note("groups", began, did, failures);
        done
    }

    /// A new table alone.
    fn enforce(&self, table: GroupTable) -> bool {
        let began = Instant::now();
        let set = self.set(table);
        let done = set.is_ok();
        let did = Some("a new table".to_owned());
        self.reports
            .note("groups", began, did, set.err().into_iter().collect());
        done
    }

    fn set(&self, table: GroupTable) -> Result<(), String> {
        let set = self.kernel.with(|datapath| datapath.set_groups(&table));
        self.table.store(Arc::new(table));
        set.unwrap_or(Ok(())).map_err(|error| chain(&error))
    }

    /// Guards links that nobody guards, and lets go of those that are gone. Yields how
    /// many there are.
    async fn guard_links(&self, expecting: bool) -> Result<usize, Vec<String>> {
        let found = tokio::task::spawn_blocking(links::found).await;
        let found = match found {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return Err(vec![chain(&error)]),
            // The runtime ends.
            Err(_) => return Ok(0),
        };
        let failures = self.kernel.with(|datapath| {
            let guarded = datapath.guarded();
            let mut failures = Vec::new();
            let gone = guarded.keys().filter(|link| !found.contains_key(link));
            for link in gone {
                failures.extend(datapath.release_interface(*link).err());
            }
            for (link, addresses) in &found {
                // Without addresses it is being made, by somebody who guards it first.
                if addresses.is_empty() || guarded.get(link).is_some_and(|it| it == addresses) {
                    continue;
                }
                let addresses: Vec<_> = addresses.iter().copied().collect();
                let behind = Behind {
                    addresses: &addresses,
                    expecting,
                    // Nobody tells whether it is limited.
                    direct: false,
                };
                let guarded = datapath.guard_interface(*link, behind);
                failures.extend(guarded.err());
            }
            failures
        });
        let failures = failures.unwrap_or_default();
        match failures.is_empty() {
            true => Ok(found.len()),
            false => Err(failures.iter().map(|error| chain(error)).collect()),
        }
    }
}

/// The table that follows from the records.
pub(crate) fn table(state: &State, node: &NodeId) -> GroupTable {
    let apps = state.apps.values().map(|app| {
        let networks = app.networks.iter();
        let named = networks.filter_map(|it| Some((it.name.as_deref()?, it.groups())));
        (&app.id, named.collect::<BTreeMap<_, _>>())
    });
    GroupTable::build(&GroupInput {
        networks: state.networks.values().map(|it| &**it).collect(),
        nodes: state.nodes.values().map(|it| &**it).collect(),
        tasks: state.tasks.iter().map(|(id, task)| (id, &**task)).collect(),
        statuses: state.statuses.values().map(|it| &**it).collect(),
        apps: apps.collect(),
        node: Some(node),
    })
}

#[cfg(test)]
mod tests;
