//! The datapath: opening, applying tables, taking it away.

use std::collections::BTreeSet;
use std::path::Path;

use libbpf_rs::{MapHandle, ProgramHandle};
use vip::ServiceTable;

use crate::hooks::Hook;
use crate::identity::fingerprint;
use crate::kernel::{Change, Kernel};
use crate::object::{self, Loaded};
use crate::pins::{Cgroup, Pins};
use crate::{ApplyError, DatapathError, Failure, Options, Subject};

/// The kernel side of VIPs, held by one process at a time. Dropping it changes
/// nothing in the kernel: pinned programs and maps go on without it.
#[derive(Debug)]
pub struct Datapath {
    pub(crate) kernel: Kernel,
    pub(crate) programs: Vec<(Hook, ProgramHandle)>,
    pub(crate) cgroup: Cgroup,
    pub(crate) pins: Pins,
    handles: Vec<(&'static str, MapHandle)>,
    pub(crate) stage: Stage,
}

/// How far the programs of this process are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// They run.
    Running,
    /// They run, over maps that are not pinned yet.
    Prepared,
}

/// What [`Datapath::apply`] did, in services.
#[derive(Debug, Default)]
pub struct Applied {
    /// New ones.
    pub added: usize,
    /// Those whose backends, weights, states or policy changed.
    pub changed: usize,
    /// Those that are gone.
    pub removed: usize,
    /// Those that were what they should be.
    pub unchanged: usize,
    /// What did not reach the kernel; applying again tries again.
    pub failures: Vec<Failure>,
}

impl Datapath {
    /// Loads the programs and makes them run.
    ///
    /// Pinned maps of an earlier process are adopted if their layout and capacities
    /// are the same: VIPs, counts and backends stay what they were. Otherwise new
    /// maps are made, and if older programs are running, they go on until the first
    /// table is applied, so that no connect finds empty maps. Links are replaced in
    /// place.
    ///
    /// # Errors
    /// If the cgroup or the pins are not what they should be, another process holds
    /// them, or the kernel refuses the programs.
    pub fn open(options: &Options) -> Result<Self, DatapathError> {
        options.capacities.check()?;
        let cgroup = Cgroup::open(&options.cgroup)?;
        let pins = Pins::lock(&options.pins, true)?;
        let loaded = object::load(&options.capacities, Some(&pins))?;
        let Loaded {
            maps,
            handles,
            programs,
            adopted,
        } = loaded;
        let kernel = Kernel::new(maps)?;
        let waits = !adopted && pins.any_link();
        let mut datapath = Self {
            kernel,
            programs,
            cgroup,
            pins,
            handles,
            stage: Stage::Prepared,
        };
        if adopted {
            datapath.handles.clear();
        }
        if !waits {
            datapath.publish()?;
        }
        Ok(datapath)
    }

    /// Makes the kernel do what a table says. Safe to call again at any time; each
    /// service changes at once or not at all, and a failing one stays what it was
    /// while the others go on.
    ///
    /// # Errors
    /// If the programs could not be made to run. What concerns one service only is
    /// in [`Applied::failures`].
    pub fn apply(&mut self, table: &ServiceTable) -> Result<Applied, DatapathError> {
        let mut applied = Applied::default();
        self.put_services(table, &mut applied);
        // Addresses come after their services and go after them: a connect meets
        // either the service or, in between, a refusal, and never the network.
        self.put_addresses(table, &mut applied);
        self.remove_services(table, &mut applied);
        self.remove_addresses(table, &mut applied);
        self.kernel.tidy();
        if self.stage == Stage::Prepared {
            self.publish()?;
        }
        Ok(applied)
    }

    /// Makes the programs run again after [`Datapath::check`] found that they do not.
    ///
    /// # Errors
    /// If they could not be attached.
    pub fn repair(&mut self) -> Result<(), DatapathError> {
        match self.stage {
            Stage::Running => self.publish(),
            Stage::Prepared => Ok(()),
        }
    }

    /// Detaches the programs and removes every pin. Open connections go on, since
    /// nothing of them passes through here, but VIPs end.
    ///
    /// # Errors
    /// If a process holds the pins or something could not be removed; the rest is.
    pub fn uninstall(options: &Options) -> Result<(), DatapathError> {
        if !Path::exists(&options.pins) {
            return Ok(());
        }
        Pins::lock(&options.pins, false)?.remove_all()
    }

    /// Pins the maps, unless they are, and makes the programs run.
    fn publish(&mut self) -> Result<(), DatapathError> {
        if !self.handles.is_empty() {
            self.pins.replace_maps(&self.handles)?;
            self.handles.clear();
        }
        for (hook, program) in &self.programs {
            self.pins.run(*hook, program, &self.cgroup)?;
        }
        self.pins.remove_strangers()?;
        self.stage = Stage::Running;
        Ok(())
    }

    /// Both sides are sorted by key, so that one walk along them finds what differs.
    fn put_services(&mut self, table: &ServiceTable, applied: &mut Applied) {
        let mut known = self.kernel.book.services.iter().peekable();
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
        for (key, service) in different {
            match self.kernel.put(key, service) {
                Ok(Change::Added) => applied.added += 1,
                Ok(Change::Changed) => applied.changed += 1,
                Ok(Change::Unchanged) => applied.unchanged += 1,
                Err(error) => applied.fail(Subject::Service(*key), error),
            }
        }
    }

    fn remove_services(&mut self, table: &ServiceTable, applied: &mut Applied) {
        let mut wanted = table.services.keys().peekable();
        let mut gone = Vec::new();
        for key in self.kernel.book.services.keys() {
            while wanted.next_if(|other| *other < key).is_some() {}
            if wanted.next_if(|other| *other == key).is_none() {
                gone.push(*key);
            }
        }
        for key in gone {
            match self.kernel.remove(&key) {
                Ok(()) => applied.removed += 1,
                Err(error) => applied.fail(Subject::Service(key), error),
            }
        }
    }

    fn put_addresses(&mut self, table: &ServiceTable, applied: &mut Applied) {
        let book = &self.kernel.book;
        let wanted: BTreeSet<_> = table.addresses.union(&book.in_use()).copied().collect();
        let missing: Vec<_> = wanted.difference(&book.addresses).copied().collect();
        for address in missing {
            if let Err(error) = self.kernel.put_address(address) {
                applied.fail(Subject::Address(address), error);
            }
        }
    }

    fn remove_addresses(&mut self, table: &ServiceTable, applied: &mut Applied) {
        let book = &self.kernel.book;
        let used = book.in_use();
        let gone: Vec<_> = book
            .addresses
            .difference(&table.addresses)
            .filter(|address| !used.contains(address))
            .copied()
            .collect();
        if gone.is_empty() {
            return;
        }
        for address in gone {
            if let Err(error) = self.kernel.remove_address(address) {
                applied.fail(Subject::Address(address), error);
            }
        }
        self.kernel.clear_filter();
    }
}

impl Applied {
    fn fail(&mut self, subject: Subject, error: ApplyError) {
        self.failures.push(Failure { subject, error });
    }
}

/// The daemon shares it between threads.
const _: fn() = || {
    fn shareable<T: Send + Sync>() {}
    shareable::<Datapath>();
};
