//! Whether the kernel side works, and how full it is.

use super::exposition::{Exposition, Kind, Labels};
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
}
