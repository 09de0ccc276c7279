//! Ids for a service and its backends, before anything is written.
//!
//! A backend that stays keeps its id, and with it its count of open connections. So
//! does one that left and comes back while it is remembered.

use std::collections::HashMap;

use vip::ServiceKey;

use crate::ApplyError;
use crate::book::{Departed, Member};
use crate::kernel::Kernel;
use crate::members::Wanted;

/// Ids that a change is about to use.
#[derive(Debug, Default)]
pub(crate) struct Grant {
    pub(crate) service: u32,
    pub(crate) new_service: bool,
    pub(crate) members: Vec<Member>,
    fresh: Vec<u32>,
    returned: Vec<(u64, Departed)>,
}

impl Kernel {
    /// Grants ids to a service, all or none.
    pub(crate) fn grant(
        &mut self,
        key: &ServiceKey,
        wanted: &[Wanted<'_>],
    ) -> Result<Grant, ApplyError> {
        let old = self.book.services.get(key);
        let held: HashMap<u64, u32> = old
            .iter()
            .flat_map(|old| &old.members)
            .map(|member| (member.identity, member.id))
            .collect();
        let mut grant = Grant {
            service: old.map_or(0, |old| old.id),
            new_service: old.is_none(),
            ..Grant::default()
        };
        if let Err(error) = self.fill(&mut grant, &held, wanted) {
            self.give_back(grant);
            return Err(error);
        }
        // New ids still count what their last owner did.
        for id in &grant.fresh {
            self.maps.clear_load(*id);
        }
        Ok(grant)
    }

    /// Undoes a grant that no program has seen.
    pub(crate) fn give_back(&mut self, grant: Grant) {
        if grant.new_service && grant.service != 0 {
            self.book.service_ids.free(grant.service);
        }
        for id in grant.fresh {
            self.set_flags(id, 0);
            self.book.backend_ids.free(id);
        }
        for (identity, departed) in grant.returned {
            self.set_flags(departed.id, departed.flags());
            self.book.departed.insert(identity, departed);
        }
    }

    fn fill(
        &mut self,
        grant: &mut Grant,
        held: &HashMap<u64, u32>,
        wanted: &[Wanted<'_>],
    ) -> Result<(), ApplyError> {
        if grant.new_service {
            // Id 0 is none, here and below.
            let capacity = self.maps.services.len() - 1;
            grant.service = self.room("services", capacity, |book| book.service_ids.allocate())?;
        }
        for wanted in wanted {
            let id = match held.get(&wanted.identity) {
                Some(id) => *id,
                None => self.grant_backend(grant, wanted.identity)?,
            };
            grant.members.push(Member {
                id,
                identity: wanted.identity,
                weight: wanted.weight,
                tier: wanted.tier,
                task: Some(wanted.backend.task.clone()),
            });
        }
        Ok(())
    }

    fn grant_backend(&mut self, grant: &mut Grant, identity: u64) -> Result<u32, ApplyError> {
        if let Some(departed) = self.book.departed.remove(&identity) {
            let id = departed.id;
            grant.returned.push((identity, departed));
            return Ok(id);
        }
        let capacity = self.maps.backends.len() - 1;
        let id = self.room("backends", capacity, |book| book.backend_ids.allocate())?;
        grant.fresh.push(id);
        Ok(id)
    }
}
