//! The service table into the datapath, and the names into DNS.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use datapath::{Datapath, ServiceUsage};
use model::{Protocol, TaskId, Timestamp};
use store::{Mirror, State};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use vip::table::TableInput;
use vip::{Backend, BackendState, NetworkKey, Service, ServiceKey, ServiceTable, VipRanges};

use crate::node::NodeOptions;
use crate::report::Reports;

/// How often everything is put into force again although nothing changed.
const PERIOD: Duration = Duration::from_secs(30);

/// How soon what did not reach the kernel is tried again: what was freed lately can
/// be used after a second.
const RETRY: Duration = Duration::from_millis(1_100);

/// The datapath, shared by the reconcilers that feed it and the views that read it.
///
/// Its calls are system calls on maps, microseconds each; the lock is never held
/// over an await.
#[derive(Clone)]
pub(crate) struct Kernel(Arc<Mutex<Option<Datapath>>>);

impl Kernel {
    pub(crate) fn new(datapath: Option<Datapath>) -> Self {
        Self(Arc::new(Mutex::new(datapath)))
    }

    /// Runs `work` on the datapath; nothing happens on a node without one.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Datapath) -> T) -> Option<T> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
            .map(work)
    }

    pub(crate) fn usage(&self) -> Vec<ServiceUsage> {
        self.with(|datapath| datapath.usage()).unwrap_or_default()
    }

    pub(crate) fn findings(&self) -> Vec<String> {
        self.with(|datapath| datapath.check())
            .map(|findings| {
                findings
                    .iter()
                    .map(|it| format!("{}: {}", it.hook, it.problem))
                    .collect()
            })
            .unwrap_or_else(|| {
                vec!["this node translates no VIPs: see `sealane doctor`".to_owned()]
            })
    }
}

/// The reconciler.
pub(crate) struct Services {
    pub(crate) mirror: Mirror,
    pub(crate) node: NodeOptions,
    pub(crate) ranges: VipRanges,
    pub(crate) dns: Option<SocketAddr>,
    pub(crate) names: Arc<ArcSwap<dns::Snapshot>>,
    pub(crate) kernel: Kernel,
    pub(crate) table: watch::Sender<(u64, Arc<ServiceTable>)>,
    pub(crate) reports: Reports,
}

impl Services {
    /// Reconciles on every change and every [`PERIOD`].
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut states = self.mirror.subscribe();
        // Before the store was read once, the table would be empty, and the kernel
        // still translates with what the former daemon left.
        self.mirror.at_least(1).await;
        // Of its own, so that changes without end do not put repairs off.
        let mut regularly = tokio::time::interval(PERIOD);
        regularly.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let state = Arc::clone(&states.borrow_and_update());
            let in_force = self.reconcile(&state);
            tokio::select! {
                () = stop.cancelled() => return,
                _ = regularly.tick() => self.repair(),
                () = tokio::time::sleep(RETRY), if !in_force => {}
                changed = states.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Puts programs back that somebody took away.
    fn repair(&self) {
        let repaired = self.kernel.with(|datapath| {
            let findings = datapath.check();
            for finding in &findings {
                tracing::warn!(hook = finding.hook, problem = %finding.problem, "repairing the datapath");
            }
            if findings.is_empty() { Ok(()) } else { datapath.repair() }
        });
        if let Some(Err(error)) = repaired {
            tracing::error!(%error, "the datapath could not be repaired");
        }
    }

    /// Yields whether everything is in force.
    fn reconcile(&self, state: &State) -> bool {
        let began = Instant::now();
        let table = Arc::new(self.table_of(state));
        let applied = self.kernel.with(|datapath| datapath.apply(&table));
        let (did, mut failures): (_, Vec<String>) = match applied {
            Some(Ok(applied)) => {
                let failures = applied.failures.iter();
                (
                    Some(format!(
                        "{} services added, {} changed, {} removed",
                        applied.added, applied.changed, applied.removed
                    )),
                    failures.map(told).collect(),
                )
            }
            Some(Err(error)) => (None, vec![error.to_string()]),
            None => (None, Vec::new()),
        };
        let in_force = failures.is_empty();
        failures.extend(
            table
                .problems
                .iter()
                .map(|p| format!("task {}: {}", p.task, p.message)),
        );
        // Names after the kernel: an address that DNS gives out answers.
        self.publish_names(&table);
        self.table.send_replace((state.revision, table));
        self.reports.note("services", began, did, failures);
        in_force
    }

    fn table_of(&self, state: &State) -> ServiceTable {
        let mut wanted = vip::Wanted::default();
        for app in state.apps.values() {
            wanted.extend(vip::wanted(
                app.port_labels(),
                &app.labels,
                vip::APP_FRAMEWORK,
            ));
        }
        // The node knows itself: after a long pause of the daemon the record is gone
        // for a moment, and no backend may vanish because of that.
        let here = self.node.record(Vec::new(), Timestamp::default());
        let others = state.nodes.values().map(|node| &*node.record);
        let input = TableInput {
            tasks: state.tasks.values().map(|task| &*task.record).collect(),
            statuses: state
                .statuses
                .values()
                .map(|status| &*status.record)
                .collect(),
            vips: state.vips.values().map(|vip| &*vip.record).collect(),
            nodes: others
                .filter(|node| node.id != here.id)
                .chain([&here])
                .collect(),
            this_node: &here.id,
            ranges: &self.ranges,
            // Networks that span nodes come with the overlay.
            spanning: &BTreeSet::<NetworkKey>::new(),
            declared: &wanted.names,
        };
        let mut table = vip::table::build(&input);
        if let Some(server) = self.dns {
            add_dns(&mut table, server);
        }
        table
    }

    fn publish_names(&self, table: &ServiceTable) {
        if self.table.borrow().1.names != table.names {
            let serial = self.names.load().serial().wrapping_add(1);
            self.names
                .store(Arc::new(dns::Snapshot::new(table.names.clone(), serial)));
        }
    }
}

/// A failure of one service, for people.
fn told(failure: &datapath::Failure) -> String {
    let subject = match failure.subject {
        datapath::Subject::Service(key) => {
            format!(
                "VIP {} {}",
                SocketAddr::new(key.address, key.port),
                key.protocol
            )
        }
        datapath::Subject::Address(address) => format!("VIP address {address}"),
    };
    format!("{subject}: {}", failure.error)
}

/// The resolver's address is a VIP like any other, in front of this node's server.
fn add_dns(table: &mut ServiceTable, server: SocketAddr) {
    let Ok(task) = "sealane-dns".parse::<TaskId>() else {
        return;
    };
    let address = IpAddr::V4(dns::SERVICE_ADDRESS);
    table.addresses.insert(address);
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        let backend = Backend {
            task: task.clone(),
            near: None,
            far: Some(server),
            weight: 1,
            state: BackendState::Ready,
        };
        let service = Service {
            name: Some("dns".to_owned()),
            backends: vec![backend],
            ..Service::default()
        };
        table.services.insert(
            ServiceKey {
                address,
                port: 53,
                protocol,
            },
            service,
        );
    }
}

#[cfg(test)]
mod tests;
