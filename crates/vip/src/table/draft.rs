//! Whose settings a VIP's port has.
//!
//! Several may ask for the same VIP port with different settings. Which of them count
//! must not depend on the order in which records arrive, or nodes would differ; and
//! whoever is not heard must be told.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::fmt;

use model::{AppId, NodeId, TaskId, Timestamp};

use super::Problem;
use crate::settings::Settings;

/// Who asks for a VIP port; the settings of the lowest one count.
///
/// Apps come first, in the order of their paths, then containers by name. Within an
/// app the newest version counts, so that a changed setting is in force as soon as
/// the first instance that has it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asker<'a> {
    App {
        id: Path<'a>,
        version: Reverse<Timestamp>,
        port: usize,
    },
    Container {
        name: &'a str,
        node: &'a NodeId,
        id: &'a TaskId,
        port: usize,
    },
}

/// An app's id, ordered segment by segment: `/a/b` is before `/a-b`, as it is in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path<'a>(pub(super) &'a AppId);

/// The settings that an asker has, and the task that says so.
#[derive(Debug)]
struct Asked<'a> {
    task: &'a TaskId,
    settings: Settings,
}

/// One VIP port's askers.
#[derive(Debug, Default)]
pub(super) struct Draft<'a> {
    askers: BTreeMap<Asker<'a>, Asked<'a>>,
}

impl<'a> Draft<'a> {
    /// Notes that `asker` wants these settings, according to `task`.
    pub(super) fn ask(&mut self, asker: Asker<'a>, task: &'a TaskId, settings: Settings) {
        let asked = self.askers.entry(asker).or_insert(Asked { task, settings });
        if task < asked.task {
            *asked = Asked { task, settings };
        }
    }

    /// The settings that count.
    pub(super) fn settings(&self) -> Settings {
        let first = self.askers.values().next();
        first.map(|asked| asked.settings).unwrap_or_default()
    }

    /// One problem for each asker whose settings do not count. Older versions of an app
    /// are left out: a deployment is replacing them.
    pub(super) fn conflicts(&self, vip: impl fmt::Display) -> Vec<Problem> {
        let Some((winner, asked)) = self.askers.first_key_value() else {
            return Vec::new();
        };
        let mut problems = Vec::new();
        let mut newest = *winner;
        for (asker, other) in &self.askers {
            if !asker.same_app(&newest) {
                newest = *asker;
            }
            if asker.version() == newest.version() && other.settings != asked.settings {
                let differences = differences(&other.settings, &asked.settings);
                let message = format!(
                    "{vip} has the settings of {winner}, not those of {asker}: {differences}; \
                     give both the same labels"
                );
                let task = other.task.clone();
                problems.push(Problem { task, message });
            }
        }
        problems
    }
}

impl Asker<'_> {
    fn same_app(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::App { id, .. }, Self::App { id: other, .. }) => id == other,
            _ => false,
        }
    }

    fn version(&self) -> Option<Timestamp> {
        match self {
            Self::App { version, .. } => Some(version.0),
            Self::Container { .. } => None,
        }
    }
}

impl fmt::Display for Asker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App { id, port, .. } => write!(f, "port {port} of app {}", id.0),
            Self::Container { name, node, .. } => write!(f, "container {name} on {node}"),
        }
    }
}

impl Ord for Path<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        // Nearly always it is one app whose tasks are compared.
        if self.0 == other.0 {
            Ordering::Equal
        } else {
            self.0.segments().cmp(other.0.segments())
        }
    }
}

impl PartialOrd for Path<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What is asked for and what is instead, label by label.
fn differences(asked: &Settings, instead: &Settings) -> String {
    let pairs = asked.labels().into_iter().zip(instead.labels());
    let differing = pairs.filter(|((_, asked), (_, instead))| asked != instead);
    differing
        .map(|((key, asked), (_, instead))| format!("{key} is {instead} and not {asked}"))
        .collect::<Vec<_>>()
        .join(", ")
}
