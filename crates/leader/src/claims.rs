//! Addresses for named VIPs: claimed once, the same everywhere, kept for good.
//!
//! A record stays when the last app or external that names it is gone: the address of
//! a name must not move because an app was deleted and deployed again.

use std::collections::BTreeMap;
use std::net::IpAddr;

use store::State;
use vip::{EXTERNAL_FRAMEWORK, VipRanges, VipRecord, Wanted};

/// What to claim, and what could not be.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// Records to write; each expects that there is none.
    pub(crate) records: Vec<VipRecord>,
    /// Names without an address, with the reason.
    pub(crate) failures: Vec<String>,
}

/// The records that labels of apps and externals ask for and that do not exist.
pub(crate) fn missing(state: &State, framework: &str, ranges: &VipRanges) -> Claims {
    let mut claims = Claims::default();
    let mut wanted = Wanted::default();
    for app in state.apps.values() {
        wanted.extend(vip::wanted(app.port_labels(), &app.labels, framework));
    }
    for external in state.externals.values() {
        let labels = external.ports.iter().map(|port| &port.labels);
        wanted.extend(vip::wanted(labels, &BTreeMap::new(), EXTERNAL_FRAMEWORK));
    }
    wanted.names.retain(|name| {
        // Neither claimed again nor given up: somebody may repair it.
        let unreadable = state.has_unreadable_vip(name);
        if unreadable {
            let failure = format!("{name}: its record cannot be read; see /v1/problems");
            claims.failures.push(failure);
        }
        !unreadable && !state.vips.contains_key(name)
    });
    // Neither another name's address nor one that a label gives directly.
    let mut taken = wanted.addresses;
    taken.extend(state.vips.values().flat_map(|vip| addresses(vip)));
    for name in wanted.names {
        match vip::claim(&name, ranges, |address| taken.contains(&address)) {
            Ok(record) => {
                taken.extend(addresses(&record));
                claims.records.push(record);
            }
            Err(error) => claims.failures.push(format!("{name}: {error}")),
        }
    }
    claims
}

fn addresses(record: &VipRecord) -> impl Iterator<Item = IpAddr> + use<> {
    std::iter::once(IpAddr::V4(record.ipv4)).chain(record.ipv6.map(IpAddr::V6))
}
