//! How a service treats its connections: what labels of a port may change.

use serde::{Deserialize, Serialize};

mod flaw;
mod labels;
mod ports;
mod value;

pub use flaw::SettingFlaw;
pub use labels::{PORT_SETTINGS, PortSettings, TRANSLATE, is_setting, translate};
pub(crate) use labels::{flaw_on_app, without_vip};
pub use ports::{EGRESS_RATE, Home, PORTS, PortRule, check_isolation, egress_rate, port_rule};

/// How a backend is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Two weighted draws, the one with the lower connect time × (open connections + 1)
    /// for its weight.
    #[default]
    LeastLoaded,
    /// One weighted draw.
    Random,
    /// By the client's network namespace: the same client gets the same backend, and
    /// few clients move when a backend comes or goes.
    Hash,
}

/// Which backends clients on a node are sent to, by where they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Locality {
    /// All alike.
    #[default]
    Any,
    /// Those of the node's zone before the others.
    PreferZone,
    /// Those of the node's zone and no others.
    RequireZone,
    /// Those on the node before the others.
    PreferNode,
    /// Those on the node and no others.
    RequireNode,
}

/// How a service treats its connections, the same for every client of a node.
///
/// All but `locality` and `unready` are for the datapath; those two have done their
/// work when a table is built, and stay here to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// How a backend is chosen.
    pub policy: Policy,
    /// Seconds for which a client's network namespace stays with its backend after its
    /// last connect; 0 is not at all.
    pub affinity: u32,
    /// Seconds over which a new backend comes to its full share; 0 is at once.
    pub slow_start: u32,
    /// Failed connects in a row after which a node avoids a backend for a while; 0 is
    /// never.
    pub failures: u32,
    /// Percent of the ready backends that may be avoided at a time, at most 100.
    pub max_ejected: u32,
    /// Whether TCP connections to a backend that is gone are ended. Connected UDP
    /// sockets always are, since nothing else would tell them.
    pub close: bool,
    /// Which backends are in a node's table, and which are preferred there.
    pub locality: Locality,
    /// Whether instances take connections that are not healthy yet, or not any more,
    /// or about to end.
    pub unready: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            affinity: 0,
            slow_start: 0,
            failures: 3,
            max_ejected: 50,
            close: false,
            locality: Locality::default(),
            unready: false,
        }
    }
}
