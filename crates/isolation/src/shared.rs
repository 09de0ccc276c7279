//! Attaching and detaching. One at a time: each takes some milliseconds, and ports, names
//! and programs are everybody's.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

use netlink::Direction;

use crate::interfaces::{self, Loopback};
use crate::kernel::open;
use crate::pool::{Pool, aliases, meet};
use crate::programs::{Program, Programs, ports};
use crate::records::{Record, Records};
use crate::sockets::{self, Open};
use crate::{Isolated, IsolationError, Options, Wanted, names, plumb};

/// Where the range of the node's own programs is.
const OWN_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// The kernel's default.
const USUAL_RANGE: RangeInclusive<u16> = 32768..=60999;

/// What all clones of an [`crate::Isolation`] have.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pool: Pool,
    state: Mutex<State>,
}

/// What changes.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) records: Records,
    /// Loaded when they are first needed.
    programs: Option<Programs>,
    /// Index of each task's link.
    pub(crate) links: BTreeMap<String, u32>,
    /// Whether the host's interfaces are known to be as they were before the first task.
    pub(crate) closed: bool,
    /// How many tasks there were, so that what was given back rests.
    given: usize,
}

impl Shared {
    pub(crate) fn open(options: Options) -> Result<Self, IsolationError> {
        let pool = Pool::new(&options, &own_range())?;
        let records = Records::open(options.records.clone())?;
        for record in records.iter().filter(|it| it.address != options.address) {
            tracing::warn!(
                id = record.id, address = %record.address,
                "an isolated task has an address that the node had before; restart it"
            );
        }
        let given = records.iter().count();
        let state = Mutex::new(State {
            records,
            programs: None,
            links: BTreeMap::new(),
            closed: false,
            given,
        });
        Ok(Self {
            options,
            pool,
            state,
        })
    }

    pub(crate) fn attach(&self, id: &str, wanted: &Wanted) -> Result<Isolated, IsolationError> {
        let mut state = self.state();
        let known = state.records.get(id).cloned();
        let record = match &known {
            Some(known) => Record {
                wanted: wanted.clone(),
                ..known.clone()
            },
            None => self.choose(&mut state, id, wanted)?,
        };
        self.check_ports(&state, &record, known.as_ref())?;
        state.records.put(record.clone())?;
        match self.make(&mut state, &record, known.as_ref()) {
            Ok(()) => Ok(record.isolated()),
            Err(error) => {
                // What was there before stays, for the reconciler to repair.
                if known.is_none()
                    && let Err(left) = self.unmake(&mut state, &record)
                {
                    tracing::warn!(id, error = %left, "an isolated task is half made; reconciling removes it");
                }
                Err(error)
            }
        }
    }

    pub(crate) fn detach(&self, id: &str) -> Result<(), IsolationError> {
        let mut state = self.state();
        match state.records.get(id).cloned() {
            Some(record) => self.unmake(&mut state, &record),
            None => Ok(()),
        }
    }

    pub(crate) fn recorded(&self, id: &str) -> Option<Isolated> {
        self.state().records.get(id).map(Record::isolated)
    }

    /// A record for a new task, with what nobody else has.
    fn choose(
        &self,
        state: &mut State,
        id: &str,
        wanted: &Wanted,
    ) -> Result<Record, IsolationError> {
        let open = sockets::open();
        let is_open = |range: &RangeInclusive<u16>| {
            let mut ports = open.keys();
            ports.any(|(_, port)| range.contains(port))
        };
        let records = &state.records;
        let is_free = |range: &RangeInclusive<u16>| {
            let has = |it: &Record| {
                // Another configuration of the pool may have let a port lie there.
                let mut ports = it.wanted.ports.iter();
                meet(&it.ephemeral(), range) || ports.any(|(_, port)| range.contains(port))
            };
            !is_open(range) && !records.iter().any(has)
        };
        let range = self.pool.ranges(state.given).find(is_free);
        let range = range.ok_or_else(|| self.pool.full())?;
        let mut free = aliases(state.given);
        let alias = free.find(|alias| records.iter().all(|it| it.alias != *alias));
        let mut links = (0..).map(|number| names::link(id, number));
        let link = links.find(|link| records.iter().all(|it| it.link != *link));
        let (Some(alias), Some(link)) = (alias, link) else {
            return Err(self.pool.full());
        };
        let uplink = plumb::uplink(self.options.address)?;
        state.given = state.given.wrapping_add(1);
        Ok(Record {
            id: id.to_owned(),
            wanted: wanted.clone(),
            netns: self.options.namespaces.join(&link),
            link,
            address: self.options.address,
            mac: uplink.mac,
            mtu: uplink.mtu,
            alias,
            ephemeral: (*range.start(), *range.end()),
        })
    }

    /// Whether the task may have its ports; those that it has already are fine.
    fn check_ports(
        &self,
        state: &State,
        record: &Record,
        known: Option<&Record>,
    ) -> Result<(), IsolationError> {
        let mut open: Option<Open> = None;
        for key @ (protocol, port) in &record.wanted.ports {
            let (protocol, port) = (*protocol, *port);
            if known.is_some_and(|known| known.wanted.ports.contains(key)) {
                continue;
            }
            if self.pool.ports.contains(&port) {
                let pool = self.pool.ports.clone();
                return Err(IsolationError::InPool { port, pool });
            }
            let has = |it: &&Record| {
                let is_its = it.wanted.ports.contains(key) || it.ephemeral().contains(&port);
                it.id != record.id && is_its
            };
            if let Some(owner) = state.records.iter().find(has) {
                let owner = owner.id.clone();
                return Err(IsolationError::Owned {
                    protocol,
                    port,
                    owner,
                });
            }
            if let Some(socket) = open.get_or_insert_with(sockets::open).get(key) {
                let socket = socket.clone();
                return Err(IsolationError::InUse {
                    protocol,
                    port,
                    socket,
                });
            }
        }
        Ok(())
    }

    /// Makes what is recorded, whatever is there of it.
    pub(crate) fn make(
        &self,
        state: &mut State,
        record: &Record,
        before: Option<&Record>,
    ) -> Result<(), IsolationError> {
        self.adopt(state)?;
        let link = plumb::make(record)?;
        let previous = state.links.insert(record.id.clone(), link);
        let Some(programs) = &state.programs else {
            return Ok(());
        };
        programs.tell(record, link)?;
        if let Some(before) = before {
            let gone = &ports(before) - &ports(record);
            programs.release(&gone)?;
        }
        if let Some(previous) = previous.filter(|previous| *previous != link) {
            programs.forget(previous)?;
        }
        state.closed = false;
        let socket = open()?;
        interfaces::post(&socket, programs, link, &Program::OF_LINK)?;
        Loopback::open(&self.options.records)?;
        plumb::furnish(record)?;
        interfaces::settle(&socket, Some(programs)).map(drop)
    }

    /// Removes all that a task has, its record last.
    pub(crate) fn unmake(&self, state: &mut State, record: &Record) -> Result<(), IsolationError> {
        self.adopt(state)?;
        if let Some(programs) = &state.programs {
            programs.release(&ports(record))?;
            if let Some(link) = state.links.get(&record.id) {
                programs.forget(*link)?;
            }
        }
        plumb::remove(&record.link, &record.netns)?;
        state.links.remove(&record.id);
        state.records.remove(record)?;
        if state.records.is_empty() {
            self.close(state)?;
        }
        Ok(())
    }

    /// Without isolated tasks the host's interfaces are as they were before the first.
    pub(crate) fn close(&self, state: &mut State) -> Result<Vec<String>, IsolationError> {
        if state.closed {
            return Ok(Vec::new());
        }
        let changed = interfaces::settle(&open()?, None)?;
        Loopback::close(&self.options.records)?;
        state.closed = true;
        Ok(changed)
    }

    /// Loads the programs, once, and puts them in the place of those that a daemon before
    /// this one left. They know all ports by then, so that no packet goes astray.
    pub(crate) fn adopt(&self, state: &mut State) -> Result<(), IsolationError> {
        if state.programs.is_some() {
            return Ok(());
        }
        let socket = open()?;
        let mut links = BTreeMap::new();
        let mut before = None;
        for record in state.records.iter() {
            if let Some(link) = plumb::is_up(&socket, &record.link)? {
                let running = interfaces::running(&socket, link, Direction::In)?;
                before = before.or(running.flatten());
                links.insert(record.id.clone(), link);
            }
        }
        let programs = Programs::load(self.options.address, before)?;
        for record in state.records.iter() {
            if let Some(link) = links.get(&record.id) {
                programs.tell(record, *link)?;
            }
        }
        for link in links.values() {
            interfaces::post(&socket, &programs, *link, &Program::OF_LINK)?;
        }
        if !links.is_empty() {
            interfaces::settle(&socket, Some(&programs))?;
        }
        state.links = links;
        state.programs = Some(programs);
        Ok(())
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(crate) fn programs(&self) -> Option<&Programs> {
        self.programs.as_ref()
    }
}

/// From which ports the node's own programs begin.
fn own_range() -> RangeInclusive<u16> {
    let text = fs::read_to_string(OWN_RANGE).unwrap_or_default();
    let mut ports = text.split_ascii_whitespace().map(str::parse);
    match (ports.next(), ports.next()) {
        (Some(Ok(first)), Some(Ok(last))) => first..=last,
        _ => USUAL_RANGE,
    }
}
