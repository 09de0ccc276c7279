//! Whether the kernel side works, and how full it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use agent::{Obstacle, Omissions};
use datapath::Dropped;

use super::exposition::{Exposition, Kind, Labels};
use super::sweeps::Means;
use crate::daemon::rooms::Room;

/// What is known of the kernel side.
#[derive(Debug, Default)]
pub(in crate::daemon) struct DatapathFacts {
    /// Whether this node translates VIPs at all.
    pub(in crate::daemon) there: bool,
    /// How many findings the self-check has.
    pub(in crate::daemon) findings: usize,
    /// How many programs of others run at our hooks.
    pub(in crate::daemon) foreign: usize,
    /// How full the maps are.
    pub(in crate::daemon) rooms: Vec<Room>,
    /// What of the table is not in the kernel.
    pub(in crate::daemon) omissions: Arc<Omissions>,
    /// Connections and datagrams refused at ports that no service has.
    pub(in crate::daemon) refused_elsewhere: u64,
    /// Packets that groups kept from somebody.
    pub(in crate::daemon) dropped: Vec<Dropped>,
    /// Binds that tasks of this node were refused.
    pub(in crate::daemon) denied: u64,
    /// How sweeps end sockets.
    pub(in crate::daemon) means: Means,
}

pub(super) fn write(text: &mut Exposition, facts: &DatapathFacts) {
    let healthy = facts.there && facts.findings == 0;
    text.single(
        Kind::Gauge,
        "sealane_datapath_healthy",
        "Whether the programs that the kernel really runs are this daemon's: 1 or 0.",
        u8::from(healthy),
    );
    if !facts.there {
        return;
    }
    text.single(
        Kind::Gauge,
        "sealane_datapath_foreign_programs",
        "Programs of others at the hooks of this daemon's.",
        facts.foreign,
    );
    let rooms = |name: &str, text: &mut Exposition, value: fn(&Room) -> u64| {
        for room in &facts.rooms {
            text.sample(name, &Labels::default().and("map", room.name), value(room));
        }
    };
    let name = "sealane_datapath_used";
    text.family(Kind::Gauge, name, "Elements of the maps that are in use.");
    rooms(name, text, |room| room.used);
    let name = "sealane_datapath_capacity";
    text.family(Kind::Gauge, name, "Elements that the maps have.");
    rooms(name, text, |room| room.capacity);
    omissions(text, facts);
    text.single(
        Kind::Counter,
        "sealane_datapath_refused_elsewhere_total",
        "Connections and datagrams refused at ports of VIP addresses that no service has.",
        facts.refused_elsewhere,
    );
    let name = "sealane_groups_dropped_packets_total";
    text.family(
        Kind::Counter,
        name,
        "Packets of containers on virtual networks that were dropped: no group in common, not \
         their own address, or no whole packet.",
    );
    for dropped in &facts.dropped {
        let labels = Labels::default().and("reason", dropped.reason.as_str());
        text.sample(name, &labels, dropped.packets);
    }
    text.single(
        Kind::Gauge,
        "sealane_ports_denied_binds",
        "Binds that running tasks of this node were refused because the port is not theirs.",
        facts.denied,
    );
}

/// A map that may be full is always shown, so that an alert has something to look at.
fn omissions(text: &mut Exposition, facts: &DatapathFacts) {
    let rooms = facts.rooms.iter();
    let mut counts: BTreeMap<_, usize> = rooms
        .map(|room| (("ports", room.name, Obstacle::Full), 0))
        .collect();
    let ports = facts.omissions.services.values().map(|it| ("ports", it));
    let addresses = facts.omissions.addresses.values();
    for (what, omission) in ports.chain(addresses.map(|it| ("addresses", it))) {
        *counts
            .entry((what, omission.map, omission.obstacle))
            .or_default() += 1;
    }
    let name = "sealane_datapath_left_out";
    text.family(
        Kind::Gauge,
        name,
        "Ports and addresses of VIPs whose latest state is not in the kernel, by the map that \
         stood in the way.",
    );
    for ((what, map, obstacle), count) in counts {
        let why = match obstacle {
            Obstacle::Full => "full",
            Obstacle::TooMany => "too-many",
            Obstacle::Refused => "refused",
        };
        let labels = Labels::default().and("what", what).and("map", map);
        let labels = labels.and("why", why);
        text.sample(name, &labels, count);
    }
}
