//! What crashes, reboots and other people leave: found by comparing records, links,
//! namespaces and programs.

use std::collections::{BTreeSet, HashSet};

use netlink::{Route, Socket};

use crate::interfaces::{self, Loopback};
use crate::kernel::{looking, open};
use crate::programs::Program;
use crate::records::Record;
use crate::shared::{Shared, State};
use crate::{Done, IsolationError, plumb};

/// What one run did, and the first thing that it could not do.
#[derive(Default)]
struct Run {
    did: Done,
    failed: Option<IsolationError>,
}

impl Run {
    /// What came of one thing; others go on after a failure.
    fn note<T>(&mut self, outcome: Result<T, IsolationError>) -> Option<T> {
        outcome
            .map_err(|error| {
                self.failed.get_or_insert(error);
            })
            .ok()
    }

    fn end(self) -> Result<Done, IsolationError> {
        self.failed.map_or(Ok(self.did), Err)
    }
}

impl Shared {
    pub(crate) fn reconcile(
        &self,
        living: impl FnOnce() -> BTreeSet<String>,
    ) -> Result<Done, IsolationError> {
        let mut state = self.state();
        let live = living();
        let mut run = Run::default();
        if !state.records.is_empty() {
            self.adopt(&mut state)?;
        }
        self.tasks(&mut state, &live, &mut run)?;
        self.strays(&state, &mut run)?;
        let settled = match state.programs() {
            Some(programs) if !state.records.is_empty() => Loopback::open(&self.options.records)
                .and_then(|()| interfaces::settle(&open()?, Some(programs))),
            _ => self.close(&mut state),
        };
        run.did.interfaces = run.note(settled).unwrap_or_default();
        run.did.kept = state.records.iter().count();
        run.end()
    }

    pub(crate) fn remove_all(&self) -> Result<(), IsolationError> {
        let mut state = self.state();
        let mut run = Run::default();
        for record in state.records.list() {
            let removed = self.unmake(&mut state, &record);
            run.note(removed);
        }
        self.strays(&state, &mut run)?;
        if state.records.is_empty() {
            // Also what this process does not know of.
            state.closed = false;
            let closed = self.close(&mut state);
            run.note(closed);
        }
        run.end().map(drop)
    }

    /// Tasks that live are made whole, the others go.
    fn tasks(
        &self,
        state: &mut State,
        live: &BTreeSet<String>,
        run: &mut Run,
    ) -> Result<(), IsolationError> {
        let socket = open()?;
        let routes = socket.routes().map_err(looking)?;
        for record in state.records.list() {
            if !live.contains(&record.id) {
                let gone = self.unmake(state, &record);
                if run.note(gone).is_some() {
                    run.did.collected.push(record.id);
                }
                continue;
            }
            let whole = is_whole(&socket, state, &record, &routes);
            if run.note(whole) != Some(false) {
                continue;
            }
            let made = self.make(state, &record, None);
            if run.note(made).is_some() {
                run.did.repaired.push(record.id);
            }
        }
        Ok(())
    }

    /// Links and namespaces without a record.
    fn strays(&self, state: &State, run: &mut Run) -> Result<(), IsolationError> {
        let known: BTreeSet<&str> = state.records.iter().map(|it| it.link.as_str()).collect();
        let mut names = BTreeSet::new();
        names.extend(plumb::links(&open()?)?.into_iter().map(|link| link.name));
        for path in plumb::namespaces(&self.options.namespaces)? {
            let name = path.file_name().map(|name| name.to_string_lossy());
            names.extend(name.map(String::from));
        }
        for name in names {
            if known.contains(name.as_str()) {
                continue;
            }
            let removed = plumb::remove(&name, &self.options.namespaces.join(&name));
            if run.note(removed).is_some() {
                run.did.collected.push(name);
            }
        }
        Ok(())
    }
}

/// Whether a task has all that is recorded of it, as far as a look from outside tells. That
/// its namespace is mounted is not asked: without the mount nobody can join it any more,
/// but who is in it is well.
fn is_whole(
    socket: &Socket,
    state: &State,
    record: &Record,
    routes: &HashSet<Route>,
) -> Result<bool, IsolationError> {
    let Some(programs) = state.programs() else {
        return Ok(false);
    };
    let Some(link) = plumb::is_up(socket, &record.link)? else {
        return Ok(false);
    };
    let is_led = plumb::routes(record, link)
        .iter()
        .all(|it| routes.contains(it));
    Ok(is_led
        && plumb::is_routing(&record.link)
        && state.links.get(&record.id) == Some(&link)
        && interfaces::is_posted(socket, programs, link, &Program::OF_LINK)?)
}
