//! What a set of labels asks for, before there are any addresses.
//!
//! The leader asks this of app definitions to claim addresses as soon as an app is
//! accepted, and of tasks to know which records are still in use.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::label::{Host, Label, TaskLabel};
use crate::name::record_name;

/// The VIPs that labels ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Record names that need a [`VipRecord`](crate::VipRecord).
    pub names: BTreeSet<String>,
    /// Addresses that are asked for directly; a claim must not give them to a name.
    pub addresses: BTreeSet<IpAddr>,
}

impl Wanted {
    /// Adds what `other` asks for.
    pub fn extend(&mut self, other: Self) {
        self.names.extend(other.names);
        self.addresses.extend(other.addresses);
    }
}

/// The VIPs that an app or task asks for: `port_labels` are the labels of each of
/// its ports, `labels` its own (of which only `vip_port<N>` counts). An external asks
/// with its ports alone, in [`EXTERNAL_FRAMEWORK`](crate::EXTERNAL_FRAMEWORK).
///
/// Labels that cannot be read are passed over here; [`build`](crate::table::build)
/// reports them.
///
/// ```
/// use std::collections::BTreeMap;
/// let port = BTreeMap::from([("VIP_0".to_owned(), "/shop/cart:80".to_owned())]);
/// let wanted = vip::wanted([&port], &BTreeMap::new(), "marathon");
/// assert!(wanted.names.contains("shopcart.marathon"));
/// ```
#[must_use]
pub fn wanted<'a>(
    port_labels: impl IntoIterator<Item = &'a BTreeMap<String, String>>,
    labels: &BTreeMap<String, String>,
    framework: &str,
) -> Wanted {
    let of_ports = port_labels
        .into_iter()
        .flatten()
        .filter_map(|(k, v)| Label::parse(k, v)?.ok());
    let of_task = labels
        .iter()
        .filter_map(|(k, v)| Some(TaskLabel::parse(k, v)?.ok()?.label));
    let mut wanted = Wanted::default();
    for label in of_ports.chain(of_task) {
        match label.host {
            Host::Address(address) => {
                wanted.addresses.insert(address);
            }
            Host::Name(name) => wanted.names.extend(record_name(&name, framework)),
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn names_and_addresses_of_all_ports() {
        let first = labels(&[("VIP_0", "/abc:80"), ("VIP_1", "abc:81"), ("other", "x:1")]);
        let second = labels(&[
            ("VIP_0", "11.1.2.3:80"),
            ("VIP_1", "broken"),
            ("vip_2", "/:0"),
        ]);
        let task = labels(&[("vip_port0", "tcp://def:80"), ("VIP_0", "not-here:80")]);
        let found = wanted([&first, &second], &task, "Marathon");
        assert_eq!(
            found.names,
            BTreeSet::from(["abc.marathon".into(), "def.marathon".into()])
        );
        assert_eq!(
            found.addresses,
            BTreeSet::from(["11.1.2.3".parse().unwrap()])
        );
        let mut both = Wanted::default();
        both.extend(found.clone());
        assert_eq!(both, found);
    }

    #[test]
    fn a_framework_without_a_name_has_no_vips() {
        let port = labels(&[("VIP_0", "a:1")]);
        assert_eq!(wanted([&port], &BTreeMap::new(), "é"), Wanted::default());
    }
}
