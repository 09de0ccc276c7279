//! What programs remember, handed on to those that take their place: counters, and what is
//! on its way.
//!
//! The maps of ports are not handed on: they are filled anew by the records, and nobody has
//! to find out what a daemon had done when it died.

use libbpf_rs::query::{ProgInfoIter, ProgInfoQueryOptions};
use libbpf_rs::{MapCore, MapHandle, OpenMapMut};

/// The maps that are the programs' own.
const KEPT: [&str; 4] = ["refused", "fragments", "echoes", "askings"];

/// The maps of a program that runs; none if the kernel does not tell.
pub(crate) fn of(program: u32) -> Vec<MapHandle> {
    let options = ProgInfoQueryOptions::default().include_map_ids(true);
    let mut running = ProgInfoIter::with_query_opts(options);
    let found = running.find(|found| found.id == program);
    let maps = found.map(|found| found.map_ids).unwrap_or_default();
    let open = maps.into_iter().map(MapHandle::from_map_id);
    open.filter_map(Result::ok).collect()
}

/// Whether a map can stand in for the one that an object declares.
pub(crate) fn fits(kept: &MapHandle, declared: &OpenMapMut<'_>) -> bool {
    let name = kept.name();
    KEPT.iter().any(|known| name == *known)
        && name == declared.name()
        && kept.map_type() == declared.map_type()
        && kept.key_size() == declared.key_size()
        && kept.value_size() == declared.value_size()
        && kept.max_entries() == declared.max_entries()
}
