//! What this server knows, as of one moment.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::key::Key;
use crate::zone;

/// Names and their addresses, ready to be looked up.
///
/// Built whole by the caller and published through an `ArcSwap`, never changed.
#[derive(Debug, Default)]
pub struct Snapshot {
    names: HashMap<Key, Addresses>,
    rejected: Vec<String>,
    serial: u32,
}

/// The addresses of one name; none for a name that only has names below it.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    pub(crate) v4: Vec<Ipv4Addr>,
    pub(crate) v6: Vec<Ipv6Addr>,
}

impl Snapshot {
    /// Builds the lookup table from fully qualified `names`, in any case, with or
    /// without the final dot. `serial` is what SOA records show.
    ///
    /// Names that cannot be asked for (an empty or overlong label, outside
    /// `thisdcos.directory`) are left out and listed by [`Snapshot::rejected`]: one
    /// bad name must not take the others away.
    #[must_use]
    pub fn new(names: BTreeMap<String, BTreeSet<IpAddr>>, serial: u32) -> Self {
        let mut snapshot = Self {
            names: HashMap::new(),
            rejected: Vec::new(),
            serial,
        };
        for (name, addresses) in names {
            let key = Key::from_text(&name).filter(|key| {
                zone::holding(key)
                    .is_some_and(|zone| zone.published() && zone.apex == zone.canonical)
            });
            match key {
                Some(key) => snapshot.insert(key, &addresses),
                None => snapshot.rejected.push(name),
            }
        }
        snapshot
    }

    /// Names that were left out because nobody could ask for them.
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
    pub(crate) fn find(&self, canonical: &Key) -> Option<&Addresses> {
        self.names.get(canonical.as_bytes())
    }

    fn insert(&mut self, key: Key, addresses: &BTreeSet<IpAddr>) {
        // RFC 8020: a name exists as soon as one below it does, so a resolver that
        // walks down from the apex must not meet NXDOMAIN on the way.
        let parents = key
            .ancestors()
            .skip(1)
            .filter_map(|part| key.with_suffix(key.as_bytes().len(), part));
        for parent in parents {
            self.names.entry(parent).or_default();
        }
        let entry = self.names.entry(key).or_default();
        for address in addresses {
            match address.to_canonical() {
                IpAddr::V4(v4) => entry.v4.push(v4),
                IpAddr::V6(v6) => entry.v6.push(v6),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_names_do_not_disturb_good_ones() {
        let addresses: BTreeSet<IpAddr> =
            ["11.0.0.1".parse().unwrap(), "fd01::1".parse().unwrap()].into();
        let names = [
            "a.m.l4lb.thisdcos.directory",
            "a..l4lb.thisdcos.directory",
            "example.com",
        ]
        .map(|name| (name.to_owned(), addresses.clone()));
        let snapshot = Snapshot::new(names.into(), 7);
        assert_eq!(
            snapshot.rejected(),
            ["a..l4lb.thisdcos.directory", "example.com"]
        );
        assert_eq!(snapshot.serial(), 7);
        let found = |name: &str| snapshot.find(&Key::from_text(name).unwrap());
        let entry = found("a.m.l4lb.thisdcos.directory").unwrap();
        assert_eq!((entry.v4.len(), entry.v6.len()), (1, 1));
        assert!(found("m.l4lb.thisdcos.directory").unwrap().v4.is_empty());
        assert!(found("n.l4lb.thisdcos.directory").is_none());
    }
}
