//! Named VIPs: labels, names, addresses and the service table.
//!
//! A label on a port, `VIP_0 = /myservice:6666`, asks for a VIP; labels beside it,
//! such as `sealane.balance = hash`, set how the service treats its connections. This
//! crate reads such labels, makes the DNS name and the address of a named VIP, and
//! derives from tasks, externals, statuses and records the one table that a node's
//! datapath and DNS are made from ([`LiveTable`]). `docs/guide/vips.md` has the
//! rules that users meet, and `docs/decisions/0002-vip-names-and-labels.md` and
//! `docs/decisions/0004-service-settings.md` why they are as they are.
//!
//! It is pure: no IO, no clock, no randomness. It never stores a table and never
//! writes a record; who claims an address writes it to the store.
//!
//! ```
//! use vip::{Host, Label, VipRanges, claim, fqdn, record_name};
//!
//! let label = Label::parse("VIP_0", "/myservice:6666").unwrap().unwrap();
//! let Host::Name(name) = &label.host else { panic!("not a name") };
//! assert_eq!(fqdn(name, "marathon").unwrap(), "myservice.marathon.l4lb.thisdcos.directory");
//!
//! let record = claim(&record_name(name, "marathon").unwrap(), &VipRanges::default(), |_| false);
//! assert!(record.unwrap().ipv4.octets()[0] == 11);
//! ```

mod address;
mod check;
mod fragment;
pub mod groups;
mod hash;
mod label;
mod name;
pub mod names;
mod ranges;
mod record;
mod settings;
pub mod table;
mod wanted;

pub use address::{ClaimError, candidates, candidates6, claim};
pub use check::{BadLabel, PortLabels, check_labels};
pub use fragment::{fragment, label};
pub use groups::{GROUPS, GroupFlaw, GroupTable, groups_of};
pub use label::{Host, Label, LabelError, LabelFlaw, TaskLabel};
pub use name::{
    ALIAS_ZONES, APP_FRAMEWORK, EXTERNAL_FRAMEWORK, MAX_NAME, ZONE, fqdn, in_zone, record_name,
};
pub use ranges::{AddressRange, DNS_ADDRESSES, RangeError, VipRanges};
pub use record::VipRecord;
pub use settings::{
    EGRESS_RATE, Home, Locality, PORT_SETTINGS, PORTS, Policy, PortRule, PortSettings, SettingFlaw,
    Settings, TRANSLATE, check_isolation, egress_rate, is_setting, port_rule, translate,
};
pub use table::{
    Backend, BackendState, Changes, LiveTable, Near, NetworkKey, Problem, Service, ServiceKey,
    ServiceMap, ServiceTable, Standpoint, TableInput,
};
pub use wanted::{Wanted, wanted};
