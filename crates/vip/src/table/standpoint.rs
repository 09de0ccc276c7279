//! Where a table is seen from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::NodeId;

use super::{NetworkKey, Service, ServiceKey};
use crate::ranges::VipRanges;

/// Where a table is seen from; the same as long as it lives.
#[derive(Debug, Clone)]
pub struct Standpoint {
    /// The node that the table is for.
    pub node: NodeId,
    /// Where IP VIPs may lie.
    pub ranges: VipRanges,
    /// Networks whose addresses are valid from everywhere in the fleet.
    pub spanning: BTreeSet<NetworkKey>,
    /// Services that the node itself has, whatever records say.
    pub own: BTreeMap<ServiceKey, Arc<Service>>,
}

impl Standpoint {
    /// That of a node without own services in a fleet without spanning networks.
    #[must_use]
    pub fn of(node: NodeId, ranges: VipRanges) -> Self {
        Self {
            node,
            ranges,
            spanning: BTreeSet::new(),
            own: BTreeMap::new(),
        }
    }
}
