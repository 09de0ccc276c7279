//! Where clients stand.

use std::collections::{BTreeMap, BTreeSet};

use libbpf_rs::{ErrorKind, MapCore, MapFlags};
use vip::NetworkKey;

use crate::faults::{Point, pass};
use crate::identity::network_identity;
use crate::layout::PLACE_NETWORKS;
use crate::{Datapath, DatapathError};

impl Datapath {
    /// Tells which networks each network namespace is on: its clients use the near
    /// addresses that are valid there. Namespaces that are missing, and networks
    /// beyond a namespace's fourth, use far addresses. The daemon's own namespace
    /// needs no entry: everything near is near to it.
    ///
    /// # Errors
    /// The first problem; all other places are set nevertheless.
    pub fn set_places(
        &mut self,
        places: &BTreeMap<u64, BTreeSet<NetworkKey>>,
    ) -> Result<(), DatapathError> {
        let map = &self.kernel.maps.places;
        let mut outcome = Ok(());
        // First, since an element that goes may make room for one that comes.
        let stale = map.keys().filter(|key| {
            let cookie = key.as_slice().try_into().map(u64::from_ne_bytes);
            cookie.map_or(true, |cookie| !places.contains_key(&cookie))
        });
        for key in stale.collect::<Vec<_>>() {
            let deleted = pass(Point::Delete).map_err(libbpf_rs::Error::from);
            let removed = match deleted.and_then(|()| map.delete(&key)) {
                Err(source) if source.kind() != ErrorKind::NotFound => Err(DatapathError::Map {
                    map: "places",
                    action: "cleaned",
                    source,
                }),
                _ => Ok(()),
            };
            outcome = outcome.and(removed);
        }
        for (cookie, networks) in places {
            outcome = outcome.and(self.set_place(*cookie, networks));
        }
        outcome
    }

    fn set_place(&self, cookie: u64, networks: &BTreeSet<NetworkKey>) -> Result<(), DatapathError> {
        let map = &self.kernel.maps.places;
        let (key, value) = (cookie.to_ne_bytes(), place_value(networks));
        // An element that is replaced may be seen half-way, so equal ones stay.
        let read = pass(Point::Read).map_err(libbpf_rs::Error::from);
        let old = read.and_then(|()| map.lookup(&key, MapFlags::ANY));
        let old = old.map_err(|source| DatapathError::Map {
            map: "places",
            action: "read",
            source,
        })?;
        if old.as_deref() != Some(&value) {
            pass(Point::Write)
                .map_err(libbpf_rs::Error::from)
                .and_then(|()| map.update(&key, &value, MapFlags::ANY))
                .map_err(|source| DatapathError::unwritten(map, "places", source))?;
        }
        if networks.len() > PLACE_NETWORKS {
            let (count, kept) = (networks.len(), PLACE_NETWORKS);
            return Err(DatapathError::TooManyNetworks {
                cookie,
                count,
                kept,
            });
        }
        Ok(())
    }
}

fn place_value(networks: &BTreeSet<NetworkKey>) -> [u8; 8 * PLACE_NETWORKS] {
    let mut value = [0; 8 * PLACE_NETWORKS];
    for (slot, network) in value.chunks_exact_mut(8).zip(networks) {
        slot.copy_from_slice(&network_identity(network).to_ne_bytes());
    }
    value
}
