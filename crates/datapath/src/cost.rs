//! What the programs cost: the kernel's own statistics of their run time.

use std::collections::BTreeMap;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use libbpf_rs::ProgramHandle;
use libbpf_rs::libbpf_sys as sys;
use libbpf_rs::query::ProgInfoIter;

use crate::{Datapath, DatapathError};

/// What one program cost during [`Datapath::time_programs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgramTime {
    /// Its hook, such as `connect4`; `from` and `to` at containers' links.
    pub hook: &'static str,
    /// How often it ran.
    pub runs: u64,
    /// How long in all, in nanoseconds, including one reading of the clock a run.
    pub nanos: u64,
}

impl Datapath {
    /// Does `work` while the kernel times its BPF programs, and returns what each of
    /// this datapath's programs cost meanwhile, whoever made it run.
    ///
    /// The kernel times every program of the machine then, which makes all of them
    /// slower by two readings of a clock; it ends with this call, also when the
    /// process dies. So this is for measuring and not for a daemon.
    ///
    /// # Errors
    /// If the kernel refuses statistics (Linux 5.8) or a program's are not readable.
    pub fn time_programs<T>(
        &self,
        work: impl FnOnce() -> T,
    ) -> Result<(T, Vec<ProgramTime>), DatapathError> {
        let _timing = enable().map_err(failed("all", "timed"))?;
        let before = self.times()?;
        let done = work();
        let mut times = self.times()?;
        for (time, before) in times.iter_mut().zip(before) {
            time.runs = time.runs.saturating_sub(before.runs);
            time.nanos = time.nanos.saturating_sub(before.nanos);
        }
        Ok((done, times))
    }

    fn times(&self) -> Result<Vec<ProgramTime>, DatapathError> {
        let programs = self.programs.iter();
        let programs = programs.map(|(hook, program)| (hook.name, program));
        programs
            .chain(self.sentries.programs())
            .map(|(hook, program)| read(hook, program))
            .collect()
    }
}

/// Does `work` while the kernel times its BPF programs, and returns what programs of these
/// names cost meanwhile, whoever holds them; those of one name together. Else as
/// [`Datapath::time_programs`].
///
/// # Errors
/// If the kernel refuses statistics (Linux 5.8).
pub fn time_named<T>(
    names: &[&'static str],
    work: impl FnOnce() -> T,
) -> Result<(T, Vec<ProgramTime>), DatapathError> {
    let _timing = enable().map_err(failed("all", "timed"))?;
    let before = named();
    let done = work();
    let after = named();
    let times = names.iter().map(|name| {
        let mut time = ProgramTime {
            hook: name,
            runs: 0,
            nanos: 0,
        };
        // One that has ended meanwhile cannot be asked; one that is new began with nothing.
        for (id, (_, runs, nanos)) in after.iter().filter(|(_, it)| it.0 == *name) {
            let (_, first, spent) = before.get(id).cloned().unwrap_or_default();
            time.runs += runs.saturating_sub(first);
            time.nanos += nanos.saturating_sub(spent);
        }
        time
    });
    Ok((done, times.collect()))
}

/// The machine's programs by their ids: name, runs, nanoseconds.
fn named() -> BTreeMap<u32, (String, u64, u64)> {
    let all = ProgInfoIter::default();
    all.map(|it| {
        let name = it.name.to_string_lossy().into_owned();
        (it.id, (name, it.run_cnt, it.run_time_ns))
    })
    .collect()
}

fn failed(hook: &'static str, action: &'static str) -> impl FnOnce(io::Error) -> DatapathError {
    move |source| DatapathError::Link {
        hook,
        action,
        source,
    }
}

/// Statistics are on for as long as somebody holds such a descriptor.
fn enable() -> io::Result<OwnedFd> {
    // SAFETY: it takes no memory of ours.
    let status = unsafe { sys::bpf_enable_stats(sys::BPF_STATS_RUN_TIME) };
    if status < 0 {
        return Err(io::Error::from_raw_os_error(-status));
    }
    // SAFETY: a new descriptor that nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(status) })
}

fn read(hook: &'static str, program: &ProgramHandle) -> Result<ProgramTime, DatapathError> {
    let mut info = sys::bpf_prog_info::default();
    let mut length = size_of::<sys::bpf_prog_info>() as u32;
    // SAFETY: the descriptor is open, `info` has `length` bytes, and its lengths of
    // 0 say that no buffer is behind its pointers.
    let status = unsafe {
        let fd = program.as_fd().as_raw_fd();
        sys::bpf_prog_get_info_by_fd(fd, &raw mut info, &raw mut length)
    };
    if status < 0 {
        return Err(failed(hook, "timed")(io::Error::from_raw_os_error(-status)));
    }
    Ok(ProgramTime {
        hook,
        runs: info.run_cnt,
        nanos: info.run_time_ns,
    })
}
