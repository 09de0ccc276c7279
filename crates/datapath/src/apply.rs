//! Making the kernel do what a table says.
//!
//! [`Datapath::apply`] compares everything; [`Datapath::apply_changes`] looks only at
//! what is named as changed, so that a change costs the same in a table of any size.
//! Both go through the same steps in the same order: services that differ, then new
//! addresses, then services that are gone, then their addresses. So a connect meets
//! either a service or, in between, a refusal, and never the network.

use std::collections::BTreeSet;
use std::net::IpAddr;

use vip::{Changes, Service, ServiceKey, ServiceTable};

use crate::book::Book;
use crate::datapath::Stage;
use crate::identity::fingerprint;
use crate::kernel::Change;
use crate::{ApplyError, Datapath, DatapathError, Failure, Subject};

/// What [`Datapath::apply`] or [`Datapath::apply_changes`] did, in services.
#[derive(Debug, Default)]
pub struct Applied {
    /// New ones.
    pub added: usize,
    /// Those whose backends, weights, states or policy changed.
    pub changed: usize,
    /// Those that are gone.
    pub removed: usize,
    /// Those that were looked at and were what they should be.
    pub unchanged: usize,
    /// What did not reach the kernel; applying again tries again.
    pub failures: Vec<Failure>,
}

impl Datapath {
    /// Makes the kernel do what a table says. Safe to call again at any time; each
    /// service changes at once or not at all, and a failing one stays what it was
    /// while the others go on.
    ///
    /// # Errors
    /// If the programs could not be made to run. What concerns one service only is
    /// in [`Applied::failures`].
    pub fn apply(&mut self, table: &ServiceTable) -> Result<Applied, DatapathError> {
        let mut applied = Applied::default();
        let different = self.kernel.book.different(table, &mut applied);
        self.put_services(different, &mut applied);
        let missing = self.kernel.book.missing_addresses(table);
        self.put_addresses(missing, &mut applied);
        let gone = self.kernel.book.gone(table);
        self.remove_services(gone, &mut applied);
        let gone = self.kernel.book.gone_addresses(table);
        self.remove_addresses(gone, &mut applied);
        self.kernel.clear_filter();
        self.kernel.tidy();
        if self.stage == Stage::Prepared {
            self.publish()?;
        }
        Ok(applied)
    }

    /// Does what [`Datapath::apply`] does, for the services and addresses that `changes`
    /// names; everything else stays what it is. It is for tables that follow one that
    /// was applied. What failed then or fails now is tried again by the next `apply`,
    /// not by this.
    ///
    /// What only saves room or time is left to `apply` as well: freeing what departed
    /// backends hold waits for all running programs, and an address that is gone leaves
    /// its bit in the filter, which costs those who connect to the addresses that share
    /// it one lookup.
    ///
    /// # Errors
    /// If the programs could not be made to run.
    pub fn apply_changes(
        &mut self,
        table: &ServiceTable,
        changes: &Changes,
    ) -> Result<Applied, DatapathError> {
        if self.stage == Stage::Prepared {
            // Nothing was applied yet, so that everything is missing.
            return self.apply(table);
        }
        let mut applied = Applied::default();
        let keys = &changes.services;
        let of_services = keys.iter().map(|key| key.address);
        let addresses: BTreeSet<_> = of_services
            .chain(changes.addresses.iter().copied())
            .collect();

        let named = keys
            .iter()
            .filter_map(|key| Some((key, table.services.get(key)?)));
        let book = &self.kernel.book;
        let (same, different): (Vec<_>, Vec<_>) =
            named.partition(|(key, service)| book.has(key, service));
        applied.unchanged += same.len();
        self.put_services(different, &mut applied);

        let book = &self.kernel.book;
        let wanted = |it: &IpAddr| table.addresses.contains(it) || book.uses(*it);
        let missing = addresses
            .iter()
            .filter(|it| wanted(it) && !book.addresses.contains(it));
        self.put_addresses(missing.copied().collect(), &mut applied);

        let known = &self.kernel.book.services;
        let gone = keys.iter().filter(|key| !table.services.contains_key(key));
        let gone = gone.filter(|key| known.contains_key(key));
        self.remove_services(gone.copied().collect(), &mut applied);

        let book = &self.kernel.book;
        let wanted = |it: &IpAddr| table.addresses.contains(it) || book.uses(*it);
        let gone = addresses
            .iter()
            .filter(|it| !wanted(it) && book.addresses.contains(it));
        self.remove_addresses(gone.copied().collect(), &mut applied);
        Ok(applied)
    }

    fn put_services(&mut self, services: Vec<(&ServiceKey, &Service)>, applied: &mut Applied) {
        for (key, service) in services {
            match self.kernel.put(key, service) {
                Ok(Change::Added) => applied.added += 1,
                Ok(Change::Changed) => applied.changed += 1,
                Ok(Change::Unchanged) => applied.unchanged += 1,
                Err(error) => applied.fail(Subject::Service(*key), error),
            }
        }
    }

    fn remove_services(&mut self, keys: Vec<ServiceKey>, applied: &mut Applied) {
        for key in keys {
            match self.kernel.remove(&key) {
                Ok(()) => applied.removed += 1,
                Err(error) => applied.fail(Subject::Service(key), error),
            }
        }
    }

    fn put_addresses(&mut self, addresses: Vec<IpAddr>, applied: &mut Applied) {
        for address in addresses {
            if let Err(error) = self.kernel.put_address(address) {
                applied.fail(Subject::Address(address), error);
            }
        }
    }

    fn remove_addresses(&mut self, addresses: Vec<IpAddr>, applied: &mut Applied) {
        for address in addresses {
            if let Err(error) = self.kernel.remove_address(address) {
                applied.fail(Subject::Address(address), error);
            }
        }
    }
}

impl Applied {
    fn fail(&mut self, subject: Subject, error: ApplyError) {
        self.failures.push(Failure { subject, error });
    }
}

impl Book {
    /// Whether the kernel has the service as it is.
    fn has(&self, key: &ServiceKey, service: &Service) -> bool {
        let installed = self.services.get(key);
        installed.is_some_and(|it| it.fingerprint == Some(fingerprint(service)))
    }

    /// Whether a service is at the address.
    fn uses(&self, address: IpAddr) -> bool {
        let first = ServiceKey {
            address,
            port: 0,
            protocol: model::Protocol::Tcp,
        };
        let next = self.services.range(first..).next();
        next.is_some_and(|(key, _)| key.address == address)
    }

    /// Services that the kernel does not have as they are. Both sides are sorted by key,
    /// so that one walk along them finds what differs, here and below.
    fn different<'t>(
        &self,
        table: &'t ServiceTable,
        applied: &mut Applied,
    ) -> Vec<(&'t ServiceKey, &'t Service)> {
        let mut known = self.services.iter().peekable();
        let mut different = Vec::new();
        for (key, service) in &table.services {
            while known.next_if(|(other, _)| *other < key).is_some() {}
            let same = known
                .next_if(|(other, _)| *other == key)
                .is_some_and(|(_, installed)| installed.fingerprint == Some(fingerprint(service)));
            if same {
                applied.unchanged += 1;
            } else {
                different.push((key, service));
            }
        }
        different
    }

    /// Services that only the kernel has.
    fn gone(&self, table: &ServiceTable) -> Vec<ServiceKey> {
        let mut wanted = table.services.keys().peekable();
        let mut gone = Vec::new();
        for key in self.services.keys() {
            while wanted.next_if(|other| *other < key).is_some() {}
            if wanted.next_if(|other| *other == key).is_none() {
                gone.push(*key);
            }
        }
        gone
    }

    fn missing_addresses(&self, table: &ServiceTable) -> Vec<IpAddr> {
        let wanted: BTreeSet<_> = table.addresses.union(&self.in_use()).copied().collect();
        wanted.difference(&self.addresses).copied().collect()
    }

    fn gone_addresses(&self, table: &ServiceTable) -> Vec<IpAddr> {
        let used = self.in_use();
        let gone = self.addresses.difference(&table.addresses);
        gone.filter(|it| !used.contains(it)).copied().collect()
    }
}
