//! What surrounds the host's ends of all endpoints, looked at once.

use std::collections::{HashMap, HashSet};

use netlink::{Hop, Queue, Route};

use super::limits::{self, Limit};
use super::records::{CniRecord, Record};
use super::{FabricError, plumb};

/// Routes and queues of the host; empty if they could not be seen, so that everything is
/// repaired.
#[derive(Default)]
pub(crate) struct Around {
    routes: HashSet<Route>,
    queues: HashMap<u32, Queue>,
}

impl Around {
    /// Looks, for the endpoints of these records: at queues only if one is limited.
    pub(crate) fn look(records: &[(String, Record)]) -> Result<Self, FabricError> {
        let socket = plumb::open()?;
        let limited = records.iter().any(|(_, record)| match record {
            Record::Cni(record) => ingress(record).is_some(),
            Record::Docker(_) => false,
        });
        let queues = limited.then(|| socket.queues()).transpose();
        Ok(Self {
            routes: socket.routes().map_err(plumb::looking)?,
            queues: queues.map_err(plumb::looking)?.unwrap_or_default(),
        })
    }

    /// Whether an endpoint has all that it needs at the link of that index.
    pub(crate) fn has_all_of(&self, record: &CniRecord, link: u32) -> bool {
        let leads = |to| {
            let fits = |route: &Route| route.to == to && route.hop == Hop::Link(link);
            self.routes.iter().any(fits)
        };
        let limited = |limit: Limit| limit.is_at(link, &self.queues);
        record.endpoint.addresses.iter().all(|net| leads(*net))
            && ingress(record).is_none_or(limited)
    }
}

fn ingress(record: &CniRecord) -> Option<Limit> {
    limits::limits(&record.request).ok()?.ingress
}
