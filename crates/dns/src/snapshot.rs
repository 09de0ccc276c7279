//! What this server knows, as of one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::key::Key;
use crate::table::Table;
use crate::{reverse, zone};

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Records {
    /// Addresses (A, AAAA).
    pub addresses: BTreeSet<IpAddr>,
    /// Ports at names that have addresses (SRV).
    pub ports: Vec<(u16, String)>,
    /// Names of an address (PTR), for names below `in-addr.arpa` and `ip6.arpa` alone.
    pub pointers: Vec<String>,
}

/// Who publishes names, each of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// VIPs.
    Vips,
    /// Tasks and nodes.
    Tasks,
}

/// Names and what they lead to, ready to be looked up.
///
/// Published through an `ArcSwap` and never changed then. A copy shares nearly
/// everything, so the next snapshot is made of the one before: copy it, [`set`] the
/// names that differ, publish. That costs the same among ten names and a million.
///
/// [`set`]: Snapshot::set
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    table: Table,
    ranges: Vec<IpNet>,
    rejected: Vec<String>,
    serial: u32,
    /// Of whom nothing was heard yet, by [`Source`].
    awaited: [bool; 2],
}

/// The records of one name; none for a name that only has names below it.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) v4: Vec<Ipv4Addr>,
    pub(crate) v6: Vec<Ipv6Addr>,
    /// Ports and their targets, in the form of [`Key::as_bytes`].
    pub(crate) ports: Vec<(u16, Box<[u8]>)>,
    pub(crate) pointers: Vec<Box<[u8]>>,
}

impl Snapshot {
    /// Nothing, because nobody has published yet: a name may well be there, so that the
    /// answer is SERVFAIL, after which clients ask again, where it would be NXDOMAIN.
    #[must_use]
    pub fn awaiting() -> Self {
        Self {
            awaited: [true; 2],
            ..Self::default()
        }
    }

    /// Whether nothing was heard of a source yet.
    #[must_use]
    pub fn awaits(&self, source: Source) -> bool {
        self.awaited[source as usize]
    }

    /// All names of a source are there from now on.
    pub fn complete(&mut self, source: Source) {
        self.awaited[source as usize] = false;
    }

    /// Builds the lookup table from fully qualified `names`, in any case, with or
    /// without the final dot. `serial` is what SOA records show.
    ///
    /// Names that cannot be asked for are left out and listed by
    /// [`Snapshot::rejected`]: one bad name must not take the others away.
    #[must_use]
    pub fn new(names: BTreeMap<String, BTreeSet<IpAddr>>, serial: u32) -> Self {
        let mut snapshot = Self::default();
        for (name, addresses) in names {
            let records = Records {
                addresses,
                ..Records::default()
            };
            if !snapshot.set(&name, &records) {
                snapshot.rejected.push(name);
            }
        }
        snapshot.serial = serial;
        snapshot
    }

    /// Makes a name lead to exactly `records`; without any it is gone. False if nobody
    /// could ask for it: an empty or overlong label, or outside of the zones that are
    /// answered here. Targets and pointers that are no names are left out.
    pub fn set(&mut self, name: &str, records: &Records) -> bool {
        let Some(key) = Key::from_text(name) else {
            return false;
        };
        let reverse = reverse::address(&key).is_some();
        let published = || {
            zone::holding(&key).is_some_and(|zone| zone.published() && zone.apex == zone.canonical)
        };
        if !reverse && !published() {
            return false;
        }
        // An address has a name or not; nobody walks down there step by step.
        self.table.set(&key, Found::of(records), !reverse);
        true
    }

    /// Makes these the networks whose addresses are named here alone: an address in
    /// them that has no name has none anywhere, and nobody else is asked.
    pub fn set_ranges(&mut self, ranges: Vec<IpNet>) {
        self.ranges = ranges;
    }

    /// The networks whose addresses are named here alone.
    #[must_use]
    pub fn ranges(&self) -> &[IpNet] {
        &self.ranges
    }

    /// A copy to be changed, with the next serial number.
    #[must_use]
    pub fn next(&self) -> Self {
        Self {
            serial: self.serial.wrapping_add(1),
            ..self.clone()
        }
    }

    /// Names that [`Snapshot::new`] left out because nobody could ask for them.
    #[must_use]
    pub fn rejected(&self) -> &[String] {
        &self.rejected
    }

    /// The serial number that it was built with.
    #[must_use]
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// The entry of a canonical name; `None` if neither it nor a name below exists.
    pub(crate) fn find(&self, canonical: &[u8]) -> Option<&Found> {
        self.table.find(canonical)
    }
}

impl Found {
    fn of(records: &Records) -> Self {
        let mut found = Self::default();
        for address in &records.addresses {
            match address.to_canonical() {
                IpAddr::V4(v4) => found.v4.push(v4),
                IpAddr::V6(v6) => found.v6.push(v6),
            }
        }
        // Boxed: a key has room for the longest name.
        let boxed = |name: &String| Some(Box::from(Key::from_text(name)?.as_bytes()));
        let ports = records.ports.iter();
        found.ports = ports
            .filter_map(|(port, target)| Some((*port, boxed(target)?)))
            .collect();
        found.pointers = records.pointers.iter().filter_map(boxed).collect();
        found
    }

    /// Whether the name leads nowhere itself.
    pub(crate) fn is_empty(&self) -> bool {
        self.v4.is_empty()
            && self.v6.is_empty()
            && self.ports.is_empty()
            && self.pointers.is_empty()
    }
}

#[cfg(test)]
mod tests;
