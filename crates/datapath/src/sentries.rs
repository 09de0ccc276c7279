//! The programs at a container's link, one for each direction, that keep groups apart.
//!
//! They are filters of a clsact qdisc on the host's side of the link. A filter belongs to
//! its device: it needs no pin to outlive the daemon, is replaced in one step, and ends
//! with the link. Links of programs (TCX, Linux 6.6) were refused: the kernel waits for
//! all processors whenever one is made or ended, under the lock of all network devices,
//! and starting a container took 30 ms longer instead of 0.4 ms.

use std::ffi::{c_int, c_uint};
use std::io::{self, ErrorKind};
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};

use libbpf_rs::libbpf_sys as sys;
use libbpf_rs::{Object, ProgramHandle};

use crate::faults::{Point, pass};
use crate::hooks::checked;

/// The first of all filters, so that none before them lets packets through.
const PRIORITY: u32 = 1;

/// Tells our filters from others of this priority.
const HANDLE: u32 = 0x5ea;

/// A direction, as the container sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// What the container sends.
    From,
    /// What it gets.
    To,
}

impl Way {
    const BOTH: [Self; 2] = [Self::From, Self::To];

    fn program(self) -> &'static str {
        match self {
            Self::From => "sl_from",
            Self::To => "sl_to",
        }
    }

    /// What it is for the host's side of the link.
    fn point(self) -> c_uint {
        match self {
            Self::From => sys::BPF_TC_INGRESS,
            Self::To => sys::BPF_TC_EGRESS,
        }
    }
}

/// The loaded programs.
#[derive(Debug, Default)]
pub(crate) struct Sentries(Vec<(Way, ProgramHandle)>);

impl Sentries {
    pub(crate) fn of(object: &Object) -> libbpf_rs::Result<Self> {
        let mut programs = Vec::new();
        for way in Way::BOTH {
            for program in object
                .progs_mut()
                .filter(|program| program.name() == way.program())
            {
                programs.push((way, ProgramHandle::try_from(&program)?));
            }
        }
        Ok(Self(programs))
    }

    /// The programs, with what [`crate::ProgramTime`] calls them.
    pub(crate) fn programs(&self) -> impl Iterator<Item = (&'static str, &ProgramHandle)> {
        let named = |way: &Way| match way {
            Way::From => "from",
            Way::To => "to",
        };
        self.0.iter().map(move |(way, it)| (named(way), it))
    }

    /// The program for a direction.
    pub(crate) fn program(&self, way: Way) -> Option<&ProgramHandle> {
        let found = self.0.iter().find(|(known, _)| *known == way);
        found.map(|(_, program)| program)
    }

    /// Makes these the programs of a link, whether it has others of ours or none.
    pub(crate) fn post(&self, link: u32, has_qdisc: bool) -> io::Result<()> {
        if !has_qdisc {
            make_qdisc(link)?;
        }
        for (way, program) in &self.0 {
            match put(link, *way, program) {
                Err(error) if has_qdisc && error.kind() != ErrorKind::NotFound => {
                    // Somebody may have removed the qdisc, and all filters with it.
                    make_qdisc(link)?;
                    put(link, *way, program)?;
                }
                outcome => outcome?,
            }
        }
        Ok(())
    }

    /// What is wrong with a link that has the programs.
    pub(crate) fn problem(&self, link: u32) -> Option<String> {
        let wrong = |(way, program): &(Way, ProgramHandle)| match running(link, *way) {
            Ok(Some(found)) if found == program.id() => None,
            Ok(Some(found)) => Some(format!("program {found} runs there instead of ours")),
            Ok(None) => Some("no program of ours runs there".to_owned()),
            Err(error) => Some(format!("the kernel does not tell what runs there: {error}")),
        };
        self.0.iter().find_map(wrong)
    }
}

/// Whether a link is there.
pub(crate) fn exists(link: u32) -> bool {
    name_of(link).is_some()
}

/// What a link is called.
pub(crate) fn name_of(link: u32) -> Option<String> {
    let mut name = [0; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the room that the function asks for.
    let found = unsafe { libc::if_indextoname(link, name.as_mut_ptr()) };
    if found.is_null() {
        return None;
    }
    let bytes = name.map(|letter| letter as u8);
    let bytes = bytes.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

/// Takes our programs off a link; one that has none, or is gone, is fine.
pub(crate) fn dismiss(link: u32) -> io::Result<()> {
    for way in Way::BOTH {
        if matches!(running(link, way), Ok(None)) || !exists(link) {
            continue;
        }
        pass(Point::Detach)?;
        let (hook, options) = (hook(link, way.point()), options());
        // SAFETY: both are live and say their sizes.
        let detached = checked(unsafe { sys::bpf_tc_detach(&raw const hook, &raw const options) });
        if exists(link) {
            detached?;
        }
    }
    Ok(())
}

fn make_qdisc(link: u32) -> io::Result<()> {
    pass(Point::Attach)?;
    let mut hook = hook(link, sys::BPF_TC_INGRESS | sys::BPF_TC_EGRESS);
    // SAFETY: it is live and says its size.
    match checked(unsafe { sys::bpf_tc_hook_create(&raw mut hook) }) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn put(link: u32, way: Way, program: &ProgramHandle) -> io::Result<()> {
    pass(Point::Replace)?;
    let hook = hook(link, way.point());
    let mut options = sys::bpf_tc_opts {
        prog_fd: program.as_fd().as_raw_fd(),
        flags: sys::BPF_TC_F_REPLACE,
        ..options()
    };
    // SAFETY: both are live and say their sizes, and the program is open.
    checked(unsafe { sys::bpf_tc_attach(&raw const hook, &raw mut options) }).map(drop)
}

/// The program of our filter.
fn running(link: u32, way: Way) -> io::Result<Option<u32>> {
    let (hook, mut options) = (hook(link, way.point()), options());
    // SAFETY: both are live and say their sizes.
    match checked(unsafe { sys::bpf_tc_query(&raw const hook, &raw mut options) }) {
        Ok(_) => Ok(Some(options.prog_id)),
        // No such filter, and no qdisc for one.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINVAL)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn hook(link: u32, attach_point: c_uint) -> sys::bpf_tc_hook {
    sys::bpf_tc_hook {
        sz: size_of::<sys::bpf_tc_hook>() as sys::size_t,
        ifindex: link as c_int,
        attach_point,
        ..sys::bpf_tc_hook::default()
    }
}

fn options() -> sys::bpf_tc_opts {
    sys::bpf_tc_opts {
        sz: size_of::<sys::bpf_tc_opts>() as sys::size_t,
        handle: HANDLE,
        priority: PRIORITY,
        ..sys::bpf_tc_opts::default()
    }
}
