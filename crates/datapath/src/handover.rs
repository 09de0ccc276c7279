//! What new maps take over from pinned ones that they are to replace.
//!
//! Where clients stand, whose connects are left alone, which groups containers are in,
//! which of them meet at the host and who may bind what is told apart from tables, and nobody knows it again in the moment in
//! which the first table comes. Without it that table would refuse containers that have
//! near addresses only, translate those that are exempt, and let everybody talk and bind.
//! These maps hold numbers that mean the same in every layout: namespaces' cookies, digests
//! of names, addresses, cgroups' ids. Whatever a newer layout has in another size stays
//! behind.
//!
//! Counts, averages and ejections stay behind as well: they are kept by backend id, which
//! another layout gives out anew.

use std::sync::atomic::Ordering::Relaxed;

use libbpf_rs::{MapCore, MapFlags, MapHandle};

use crate::DatapathError;
use crate::faults::{Point, pass};
use crate::object::Maps;
use crate::pins::Pins;

/// Copies what tables do not tell from the pinned maps to these. What fails is told and
/// left to whoever tells it next.
pub(crate) fn hand_over(pins: &Pins, maps: &Maps) {
    let kept = [
        ("places", &maps.places),
        ("exempt", &maps.exempt),
        ("tenants", &maps.tenants),
        ("realms", &maps.realms),
        ("detours", &maps.detours),
        ("owners", &maps.owners),
    ];
    for (name, map) in kept {
        // A set that is not whole lacks one that was never used, or is being replaced.
        let Ok(old) = MapHandle::from_pinned_path(pins.map(name)) else {
            continue;
        };
        if let Err(error) = copy(name, &old, map) {
            tracing::warn!(%error, "the former maps are not taken over as a whole");
        }
    }
    maps.count_exempt();
    maps.count_owners();
}

fn copy(name: &'static str, old: &MapHandle, new: &MapHandle) -> Result<(), DatapathError> {
    if (old.key_size(), old.value_size()) != (new.key_size(), new.value_size()) {
        return Ok(());
    }
    let mut outcome = Ok(());
    for key in old.keys() {
        let read = pass(Point::Read).map_err(libbpf_rs::Error::from);
        let copied = match read.and_then(|()| old.lookup(&key, MapFlags::ANY)) {
            Ok(Some(value)) => pass(Point::Write)
                .map_err(libbpf_rs::Error::from)
                .and_then(|()| new.update(&key, &value, MapFlags::ANY))
                .map_err(|source| DatapathError::unwritten(new, name, source)),
            Ok(None) => Ok(()),
            Err(source) => Err(DatapathError::Map {
                map: name,
                action: "read",
                source,
            }),
        };
        outcome = outcome.and(copied);
    }
    outcome
}

impl Maps {
    /// Tells programs how many cgroups are exempt; they look for theirs only if any are.
    pub(crate) fn count_exempt(&self) {
        if let Some(control) = self.control.get(0) {
            let count = u32::try_from(self.exempt.keys().count()).unwrap_or(u32::MAX);
            control.exempt.store(count, Relaxed);
        }
    }
}
