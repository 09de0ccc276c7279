//! `[datapath]`: the kernel side of VIPs.

use std::path::PathBuf;

use serde::Deserialize;

/// What no capacity can exceed: slots are counted in 24 bits, and nothing needs more.
const MOST: u32 = 1 << 24;

/// `[datapath]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct DatapathSection {
    /// Whether VIPs are translated on this node.
    pub(crate) enabled: bool,
    /// Directory for pins on a bpf filesystem; chosen by the state directory if empty.
    pub(crate) pins: PathBuf,
    /// Cgroups below the cgroup v2 root whose processes see VIPs untranslated.
    pub(crate) exempt: Vec<String>,
    /// How much fits.
    pub(crate) capacities: Capacities,
}

/// `[datapath.capacities]`; [`datapath::Capacities`] says what each is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Capacities {
    /// Ports of VIPs.
    pub(crate) services: u32,
    /// Backends of all services, twice over.
    pub(crate) slots: u32,
    /// Backends.
    pub(crate) backends: u32,
    /// Network namespaces with networks of their own.
    pub(crate) places: u32,
    /// Replies remembered for UDP sockets that send to many VIPs.
    pub(crate) strays: u32,
    /// Clients that stay with a backend.
    pub(crate) affinity: u32,
    /// Cgroups that are exempt, those of containers included.
    pub(crate) exempt: u32,
    /// Addresses of containers on virtual networks, on all nodes.
    pub(crate) tenants: u32,
    /// Ports of tasks that may bind their own only.
    pub(crate) owners: u32,
}

impl Default for DatapathSection {
    fn default() -> Self {
        Self {
            enabled: true,
            pins: PathBuf::new(),
            exempt: Vec::new(),
            capacities: Capacities::default(),
        }
    }
}

impl Default for Capacities {
    fn default() -> Self {
        let defaults = datapath::Capacities::default();
        Self {
            services: defaults.services,
            slots: defaults.slots,
            backends: defaults.backends,
            places: defaults.places,
            strays: defaults.strays,
            affinity: defaults.affinity,
            exempt: defaults.exempt,
            tenants: defaults.tenants,
            owners: defaults.owners,
        }
    }
}

impl From<Capacities> for datapath::Capacities {
    fn from(section: Capacities) -> Self {
        Self {
            services: section.services,
            slots: section.slots,
            backends: section.backends,
            places: section.places,
            strays: section.strays,
            affinity: section.affinity,
            exempt: section.exempt,
            tenants: section.tenants,
            owners: section.owners,
        }
    }
}

impl DatapathSection {
    /// What cannot be used, and what would work.
    pub(super) fn validate(&self) -> Result<(), String> {
        let Capacities {
            services,
            slots,
            backends,
            places,
            strays,
            affinity,
            exempt,
            tenants,
            owners,
        } = self.capacities;
        for (name, value) in [
            ("services", services),
            ("slots", slots),
            ("backends", backends),
            ("places", places),
            ("strays", strays),
            ("affinity", affinity),
            ("exempt", exempt),
            ("tenants", tenants),
            ("owners", owners),
        ] {
            if !(1..=MOST).contains(&value) {
                return Err(format!(
                    "datapath.capacities.{name} = {value} is out of range; write 1 to {MOST}"
                ));
            }
        }
        for path in &self.exempt {
            let outside = !path.starts_with('/') || path.split('/').any(|part| part == "..");
            if outside || path.trim_matches('/').is_empty() {
                return Err(format!(
                    "datapath.exempt: '{path}' must be a cgroup below the cgroup root, such as \
                     /system.slice/proxy.service; datapath.enabled = false exempts all"
                ));
            }
        }
        Ok(())
    }
}
