//! The datapath: opening, making its programs run, taking it away.

use std::path::Path;

use libbpf_rs::{MapHandle, ProgramHandle};

use crate::groups;
use crate::handover::hand_over;
use crate::hooks::Hook;
use crate::kernel::Kernel;
use crate::object::{self, Loaded};
use crate::pins::{Cgroup, Pins};
use crate::sentries::Sentries;
use crate::tenants::Tenancy;
use crate::{DatapathError, Options};

/// The kernel side of VIPs, held by one process at a time. Dropping it changes
/// nothing in the kernel: pinned programs and maps go on without it.
#[derive(Debug)]
pub struct Datapath {
    pub(crate) kernel: Kernel,
    pub(crate) programs: Vec<(Hook, ProgramHandle)>,
    pub(crate) sweeps: Vec<ProgramHandle>,
    pub(crate) sentries: Sentries,
    pub(crate) tenancy: Tenancy,
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

impl Datapath {
    /// Loads the programs and makes them run.
    ///
    /// Pinned maps of an earlier process are adopted if their layout and capacities
    /// are the same: VIPs, counts and backends stay what they were. Otherwise new
    /// maps are made, and if older programs are running, they go on until the first
    /// table is applied, so that no connect finds empty maps; places, exempt cgroups, groups
    /// and owned ports are taken over. Links are replaced in place.
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
            sweeps,
            sentries,
            adopted,
        } = loaded;
        let waits = !adopted && pins.any_link();
        if waits {
            hand_over(&pins, &maps);
        }
        let kernel = Kernel::new(maps)?;
        let tenancy = groups::read_back(&kernel.maps);
        let mut datapath = Self {
            kernel,
            programs,
            sweeps,
            sentries,
            tenancy,
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
        let pins = Pins::lock(&options.pins, false)?;
        let dismissed = groups::dismiss_all(&pins);
        pins.remove_all().and(dismissed)
    }

    /// Pins the maps, unless they are, and makes the programs run.
    pub(crate) fn publish(&mut self) -> Result<(), DatapathError> {
        if !self.handles.is_empty() {
            self.pins.replace_maps(&self.handles)?;
            self.handles.clear();
        }
        for (hook, program) in &self.programs {
            self.pins.run(*hook, program, &self.cgroup)?;
        }
        self.post_sentries()?;
        self.pins.remove_strangers()?;
        self.stage = Stage::Running;
        Ok(())
    }
}

/// The daemon shares it between threads.
const _: fn() = || {
    fn shareable<T: Send + Sync>() {}
    shareable::<Datapath>();
};

#[cfg(test)]
mod root;
