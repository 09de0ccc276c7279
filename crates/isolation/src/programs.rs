//! The loaded programs and their maps.
//!
//! Nothing is pinned: filters keep programs and programs keep maps, so that a dead daemon's
//! ones go on. The next daemon loads its own, fills the maps by the records, and replaces
//! the filters one by one; an old and a new one agree at any moment, since both tell the
//! same ports.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};

use libbpf_rs::{
    Error, MapCore, MapFlags, MapHandle, Object, ObjectBuilder, PrintLevel, ProgramHandle,
    set_print,
};
use model::Protocol;
use netlink::Direction;

use crate::pool::local_alias;
use crate::records::Record;
use crate::{IsolationError, layout, memory};

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/isolation.o"));

/// A program, by where it belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Program {
    /// What a task sends, at the host's end of its link.
    From,
    /// What it gets, there.
    To,
    /// What the host gets, at every other interface.
    In,
}

impl Program {
    /// Those of a task's link.
    pub(crate) const OF_LINK: [Self; 2] = [Self::From, Self::To];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::From => "sl_port_from",
            Self::To => "sl_port_to",
            Self::In => "sl_port_in",
        }
    }

    pub(crate) fn direction(self) -> Direction {
        match self {
            Self::To => Direction::Out,
            Self::From | Self::In => Direction::In,
        }
    }
}

/// The object, loaded for one address of the host.
#[derive(Debug)]
pub(crate) struct Programs {
    programs: BTreeMap<Program, ProgramHandle>,
    ports: MapHandle,
    tasks: MapHandle,
    refused: MapHandle,
}

impl Programs {
    /// Loads them over the memory of those of a daemon before, if there is any.
    pub(crate) fn load(address: Ipv4Addr, before: Option<u32>) -> Result<Self, IsolationError> {
        set_print(Some((PrintLevel::Info, log)));
        let action = || "load the programs of isolated ports".to_owned();
        let memory = before.map(memory::of).unwrap_or_default();
        Self::try_load(address, &memory).map_err(failed(action))
    }

    fn try_load(address: Ipv4Addr, memory: &[MapHandle]) -> libbpf_rs::Result<Self> {
        // A copy, since the reader of objects wants them aligned.
        let bytes = OBJECT.to_vec();
        let mut builder = ObjectBuilder::default();
        builder.name("isolation")?;
        let mut open = builder.open_memory(&bytes)?;
        for mut map in open.maps_mut() {
            if map.name().to_string_lossy().ends_with(".rodata") {
                // The host's address is the only constant.
                map.set_initial_value(&address.octets())?;
            }
            if let Some(kept) = memory.iter().find(|kept| memory::fits(kept, &map)) {
                map.reuse_fd(kept.as_fd())?;
            }
        }
        let object = open.load()?;
        let mut programs = BTreeMap::new();
        for program in [Program::From, Program::To, Program::In] {
            let mut found = object.progs_mut().filter(|it| it.name() == program.name());
            let found = found.next().ok_or_else(|| absent(program.name()))?;
            programs.insert(program, ProgramHandle::try_from(&found)?);
        }
        Ok(Self {
            programs,
            ports: map(&object, "ports")?,
            tasks: map(&object, "tasks")?,
            refused: map(&object, "refused")?,
        })
    }

    /// A program's descriptor and id.
    pub(crate) fn get(&self, program: Program) -> Option<(BorrowedFd<'_>, u32)> {
        let found = self.programs.get(&program)?;
        Some((found.as_fd(), found.id()))
    }

    /// Leads a task's ports to its link, which may be another one than before.
    pub(crate) fn tell(&self, record: &Record, link: u32) -> Result<(), IsolationError> {
        let told = || -> libbpf_rs::Result<()> {
            let key = link.to_ne_bytes();
            let task = layout::task(record.mac, record.alias, local_alias(record.alias));
            self.tasks.update(&key, &task, MapFlags::ANY)?;
            if self.refused.lookup(&key, MapFlags::ANY)?.is_none() {
                let counters = [0; layout::COUNTERS];
                self.refused.update(&key, &counters, MapFlags::ANY)?;
            }
            self.lead(&ports(record), link)
        };
        told().map_err(failed(|| format!("tell the ports of task '{}'", record.id)))
    }

    /// Lets ports be the host's own again.
    pub(crate) fn release(&self, ports: &BTreeSet<(Protocol, u16)>) -> Result<(), IsolationError> {
        let released = self.lead(ports, 0);
        released.map_err(failed(|| "give ports back to the host".to_owned()))
    }

    /// Forgets a link, whose ports are released.
    pub(crate) fn forget(&self, link: u32) -> Result<(), IsolationError> {
        let key = link.to_ne_bytes();
        for map in [&self.tasks, &self.refused] {
            match map.delete(&key) {
                Err(error) if error.kind() != libbpf_rs::ErrorKind::NotFound => {
                    return Err(failed(|| format!("forget link {link}"))(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// How many packets of a link were dropped, by the reason.
    pub(crate) fn refusals(
        &self,
        link: u32,
    ) -> Result<BTreeMap<&'static str, u64>, IsolationError> {
        let found = self.refused.lookup(&link.to_ne_bytes(), MapFlags::ANY);
        let found = found.map_err(failed(|| format!("read the counters of link {link}")))?;
        Ok(layout::refusals(&found.unwrap_or_default()))
    }

    fn lead(&self, ports: &BTreeSet<(Protocol, u16)>, link: u32) -> libbpf_rs::Result<()> {
        let Ok(count @ 1..) = u32::try_from(ports.len()) else {
            return Ok(());
        };
        let keys = ports
            .iter()
            .flat_map(|(protocol, port)| layout::port_key(*protocol, *port));
        let keys: Vec<u8> = keys.collect();
        let values = link.to_ne_bytes().repeat(ports.len());
        self.ports
            .update_batch(&keys, &values, count, MapFlags::ANY, MapFlags::ANY)
    }
}

/// All ports of a task: its own, and those that its connections begin from.
pub(crate) fn ports(record: &Record) -> BTreeSet<(Protocol, u16)> {
    let mut ports = record.wanted.ports.clone();
    for port in record.ephemeral() {
        ports.extend([(Protocol::Tcp, port), (Protocol::Udp, port)]);
    }
    ports
}

fn map(object: &Object, name: &str) -> libbpf_rs::Result<MapHandle> {
    let found = object.maps().find(|map| map.name() == OsStr::new(name));
    MapHandle::try_from(&found.ok_or_else(|| absent(name))?)
}

fn absent(name: &str) -> Error {
    let text = format!("'{name}' is not in the object");
    std::io::Error::new(std::io::ErrorKind::NotFound, text).into()
}

fn failed(action: impl FnOnce() -> String) -> impl FnOnce(Error) -> IsolationError {
    move |source| IsolationError::Programs {
        action: action(),
        source,
    }
}

/// libbpf's own messages, the verifier's log among them.
fn log(level: PrintLevel, message: String) {
    let message = message.trim_end();
    match level {
        PrintLevel::Warn => tracing::warn!(target: "libbpf", "{message}"),
        _ => tracing::debug!(target: "libbpf", "{message}"),
    }
}
