//! Names of tasks and nodes into DNS.
//!
//! Names of VIPs are published with the kernel's part of them (`services`), these when
//! the records say so. Both are written into one snapshot, each its own names.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use model::{Node, Timestamp};
use store::{Changed, Held, Mirror, State};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use vip::VipRanges;
use vip::names::{LiveNames, NameRecord, NamesView};

use crate::node::NodeOptions;
use crate::report::Reports;

/// How often all names are made anew and compared. They cost more than services do, and
/// a name that is wrong takes nobody's connections away.
const PERIOD: Duration = Duration::from_secs(300);

/// The reconciler.
pub(crate) struct Names {
    pub(crate) mirror: Mirror,
    pub(crate) node: NodeOptions,
    /// Port of the API, if other hosts reach it.
    pub(crate) api_port: Option<u16>,
    /// Where VIPs lie, whose addresses have names here, too.
    pub(crate) vips: VipRanges,
    pub(crate) names: Arc<ArcSwap<dns::Snapshot>>,
    pub(crate) reports: Reports,
}

/// Names that differ, with all that they lead to now.
type Differences = BTreeMap<Arc<str>, BTreeSet<NameRecord>>;

/// Names and the revision of the state that they are made from.
struct Follower {
    live: LiveNames,
    /// The node knows itself, whether its record is there or not.
    here: Arc<Node>,
    revision: u64,
}

impl Names {
    /// Reconciles on every change and every [`PERIOD`].
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut states = self.mirror.subscribe();
        // Nothing is known before the store was read once.
        self.mirror.at_least(1).await;
        let mut regularly = tokio::time::interval(PERIOD);
        regularly.set_missed_tick_behavior(MissedTickBehavior::Delay);
        regularly.reset();
        let here = Arc::new(
            self.node
                .record(Vec::new(), Vec::new(), Timestamp::default()),
        );
        let mut follower = Follower {
            live: LiveNames::new(NamesView::of(self.node.id.clone())),
            here,
            revision: 0,
        };
        let mut everything = true;
        loop {
            let state = Arc::clone(&states.borrow_and_update());
            self.reconcile(&mut follower, &state, everything);
            drop(state);
            everything = tokio::select! {
                () = stop.cancelled() => return,
                _ = regularly.tick() => true,
                changed = states.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    false
                }
            };
        }
    }

    fn reconcile(&self, follower: &mut Follower, state: &State, everything: bool) {
        let began = Instant::now();
        let changed = self.mirror.changed(follower.revision, state.revision);
        let Some(changed) = changed.filter(|_| !everything) else {
            let differ = follower.renew(state, self.view(state));
            self.publish(began, &differ, Some(self.ranges(state)));
            return;
        };
        for changed in &changed {
            follower.take(state, changed, || self.view(state));
        }
        follower.revision = state.revision;
        let networks = |it: &Changed| matches!(it, Changed::Network(_));
        let ranges = changed.iter().any(networks).then(|| self.ranges(state));
        let differ = follower.live.settle();
        self.publish(began, &differ, ranges);
    }

    fn publish(&self, began: Instant, differ: &Differences, ranges: Option<Vec<IpNet>>) {
        let differ: Vec<_> = differ
            .iter()
            .map(|(name, it)| (name, records(it)))
            .collect();
        let ranges = ranges.filter(|it| self.names.load().ranges() != *it);
        let awaited = self.names.load().awaits(dns::Source::Tasks);
        if !differ.is_empty() || ranges.is_some() || awaited {
            // Names of VIPs may be published at the same time.
            self.names.rcu(|now| {
                let mut next = now.next();
                for (name, records) in &differ {
                    if !next.set(name, records) {
                        tracing::debug!(%name, "nobody could ask for this name");
                    }
                }
                if let Some(ranges) = &ranges {
                    next.set_ranges(ranges.clone());
                }
                next.complete(dns::Source::Tasks);
                next
            });
        }
        let did = (!differ.is_empty()).then(|| format!("{} names changed", differ.len()));
        self.reports.note("names", began, did, Vec::new());
    }

    fn view(&self, state: &State) -> NamesView {
        NamesView {
            networks: networks(state).collect(),
            api_port: self.api_port,
            ..NamesView::of(self.node.id.clone())
        }
    }

    /// Networks whose addresses are named here alone.
    fn ranges(&self, state: &State) -> Vec<IpNet> {
        let (v4, v6) = (self.vips.ipv4, self.vips.ipv6);
        let v4 = Ipv4Subnets::new(v4.first, v4.last, 0).map(IpNet::V4);
        let v6 = Ipv6Subnets::new(v6.first, v6.last, 0).map(IpNet::V6);
        networks(state).chain(v4).chain(v6).collect()
    }
}

impl Follower {
    fn take(&mut self, state: &State, changed: &Changed, view: impl FnOnce() -> NamesView) {
        let live = &mut self.live;
        match changed {
            Changed::Task(id) | Changed::Status(id) => match state.tasks.get(id) {
                Some(task) => live.set_task(record(task), state.statuses.get(id).map(record)),
                None => live.remove_task(id),
            },
            Changed::Node(id) if *id == self.here.id => {}
            Changed::Node(id) => match state.nodes.get(id) {
                Some(node) => live.set_node(record(node)),
                None => live.remove_node(id),
            },
            Changed::Network(_) => live.set_view(view()),
            _ => {}
        }
    }

    /// Takes over a state of which nothing is known; yields what differs.
    fn renew(&mut self, state: &State, view: NamesView) -> Differences {
        let former = self.live.all();
        self.live = self.anew(state, view);
        // What follows tells all of it.
        drop(self.live.settle());
        self.revision = state.revision;
        let mut differ = self.live.all();
        for name in former.keys() {
            // Nothing, for one that is gone.
            differ.entry(Arc::clone(name)).or_default();
        }
        differ.retain(|name, records| former.get(name) != Some(records));
        differ
    }

    fn anew(&self, state: &State, view: NamesView) -> LiveNames {
        let others = state.nodes.values().filter(|it| it.id != self.here.id);
        let nodes = others.map(record).chain([Arc::clone(&self.here)]);
        let tasks = state.tasks.iter().map(|(id, task)| {
            let status = state.statuses.get(id).map(record);
            (record(task), status)
        });
        self.live.anew(view, nodes, tasks)
    }
}

fn record<T>(held: &Held<T>) -> Arc<T> {
    Arc::clone(&held.record)
}

/// All addresses of virtual networks.
fn networks(state: &State) -> impl Iterator<Item = IpNet> {
    let networks = state.networks.values();
    networks.flat_map(|it| it.subnets.iter().map(|subnet| subnet.net))
}

/// What a name leads to, as DNS takes it.
fn records(of: &BTreeSet<NameRecord>) -> dns::Records {
    let mut records = dns::Records::default();
    for record in of {
        match record {
            NameRecord::Address(address) => drop(records.addresses.insert(*address)),
            NameRecord::Port { port, target } => records.ports.push((*port, target.to_string())),
            NameRecord::Pointer(name) => records.pointers.push(name.to_string()),
        }
    }
    records
}

/// The name of an address, as DNS takes it.
pub(crate) fn pointer(address: IpAddr, name: Option<&str>) -> (String, dns::Records) {
    let pointers = name.into_iter().map(str::to_owned).collect();
    let records = dns::Records {
        pointers,
        ..dns::Records::default()
    };
    (vip::names::reverse_name(address), records)
}

#[cfg(test)]
mod tests;
