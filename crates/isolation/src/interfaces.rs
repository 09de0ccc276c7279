//! The program at every other interface of the host, while there is any isolated task.
//!
//! It stands behind the programs of virtual networks, which have the first priority and
//! leave to others what they let pass.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use netlink::{Batch, Direction, Filter, Interface, Socket};
use serde::{Deserialize, Serialize};

use crate::kernel::{looking, run};
use crate::names::is_link;
use crate::programs::{Program, Programs};
use crate::{IsolationError, files};

/// Behind groups (1), before whatever else there is.
const PRIORITY: u16 = 2;

/// Tells our filters from others of this priority.
const HANDLE: u32 = 0x5e9;

/// Masters whose parts hand over all that they get, to be seen again at the master.
const TAKERS: [&str; 4] = ["bridge", "bond", "team", "openvswitch"];

/// Makes programs the filters of a link, in the place of those of a daemon before.
pub(crate) fn post(
    socket: &Socket,
    programs: &Programs,
    link: u32,
    which: &[Program],
) -> Result<(), IsolationError> {
    let mut batch = Batch::new();
    batch.allow_filters(link);
    for program in which {
        if let Some((descriptor, _)) = programs.get(*program) {
            batch.filter(
                filter(link, program.direction()),
                descriptor,
                program.name(),
            );
        }
    }
    run(socket, &batch)
}

/// Whether these are the programs of a link.
pub(crate) fn is_posted(
    socket: &Socket,
    programs: &Programs,
    link: u32,
    which: &[Program],
) -> Result<bool, IsolationError> {
    for program in which {
        let found = running(socket, link, program.direction())?;
        let wanted = programs.get(*program).map(|(_, id)| id);
        if found != Some(wanted) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The program of our filter, if there is one.
pub(crate) fn running(
    socket: &Socket,
    link: u32,
    direction: Direction,
) -> Result<Option<Option<u32>>, IsolationError> {
    let found = socket.filters(link, direction).map_err(looking)?;
    let ours = found
        .iter()
        .find(|found| found.priority == PRIORITY && found.handle == HANDLE);
    Ok(ours.map(|found| found.program))
}

/// Sees that every interface that needs the program has it, and no other; returns the
/// names of those that it was given to or taken from.
pub(crate) fn settle(
    socket: &Socket,
    programs: Option<&Programs>,
) -> Result<Vec<String>, IsolationError> {
    let mut changed = Vec::new();
    let all = socket.interfaces().map_err(looking)?;
    let takers = takers(&all);
    for interface in &all {
        let link = &interface.link;
        if is_link(&link.name) {
            continue;
        }
        let wanted = programs.filter(|_| needs(interface, &takers));
        let done = match wanted {
            Some(programs) => give(socket, programs, link.index),
            None => take(socket, link.index),
        };
        match done {
            Ok(true) => changed.push(link.name.clone()),
            Ok(false) => {}
            // Interfaces come and go.
            Err(_) if socket.link(&link.name).is_ok_and(|now| now.is_none()) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(changed)
}

/// Masters that get what their parts receive.
fn takers(all: &[Interface]) -> BTreeSet<u32> {
    let takes = |it: &&Interface| {
        let kind = it.link.kind.as_deref();
        kind.is_some_and(|kind| TAKERS.contains(&kind))
    };
    all.iter().filter(takes).map(|it| it.link.index).collect()
}

fn needs(interface: &Interface, takers: &BTreeSet<u32>) -> bool {
    let is_part = interface
        .master
        .is_some_and(|master| takers.contains(&master));
    interface.ethernet && !is_part
}

fn give(socket: &Socket, programs: &Programs, link: u32) -> Result<bool, IsolationError> {
    if is_posted(socket, programs, link, &[Program::In])? {
        return Ok(false);
    }
    post(socket, programs, link, &[Program::In])?;
    Ok(true)
}

/// Takes our filter away, and what filters are kept in if it was the last.
fn take(socket: &Socket, link: u32) -> Result<bool, IsolationError> {
    if running(socket, link, Direction::In)?.is_none() {
        return Ok(false);
    }
    let mut batch = Batch::new();
    batch.delete_filter(filter(link, Direction::In));
    run(socket, &batch)?;
    let mut left = socket.filters(link, Direction::In).map_err(looking)?;
    left.extend(socket.filters(link, Direction::Out).map_err(looking)?);
    if left.is_empty() {
        let mut batch = Batch::new();
        batch.forbid_filters(link);
        run(socket, &batch)?;
    }
    Ok(true)
}

fn filter(link: u32, direction: Direction) -> Filter {
    Filter {
        link,
        direction,
        priority: PRIORITY,
        handle: HANDLE,
    }
}

/// Settings of the loopback interface, which answers of tasks to the host come in by: that
/// it believes local addresses of packets that are routed there. Its own packets are not.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Loopback {
    accept_local: String,
    route_localnet: String,
}

const LOOPBACK: &str = "/proc/sys/net/ipv4/conf/lo";
/// Name of the file that has the settings as they were, beside the records.
const FILE: &str = "loopback";

impl Loopback {
    fn path(records: &Path) -> PathBuf {
        records.join(FILE)
    }

    /// Lets answers in, and notes what was there before.
    pub(crate) fn open(records: &Path) -> Result<(), IsolationError> {
        let path = Self::path(records);
        if files::read::<Self>(&path)?.is_none() {
            let now = |name: &str| {
                let value = std::fs::read_to_string(Path::new(LOOPBACK).join(name));
                value.unwrap_or_default().trim().to_owned()
            };
            let before = Self {
                accept_local: now("accept_local"),
                route_localnet: now("route_localnet"),
            };
            files::put(&path, &before)?;
        }
        files::set(&Path::new(LOOPBACK).join("accept_local"), "1")?;
        files::set(&Path::new(LOOPBACK).join("route_localnet"), "1")
    }

    /// Sets what was there before.
    pub(crate) fn close(records: &Path) -> Result<(), IsolationError> {
        let path = Self::path(records);
        if let Some(before) = files::read::<Self>(&path)? {
            files::set(
                &Path::new(LOOPBACK).join("accept_local"),
                &before.accept_local,
            )?;
            files::set(
                &Path::new(LOOPBACK).join("route_localnet"),
                &before.route_localnet,
            )?;
        }
        files::remove(&path)
    }
}
