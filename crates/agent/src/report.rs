//! What each reconciler did last, for people and for `/v1/status`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use model::{TaskId, Timestamp};
use serde::Serialize;

/// The last run of one reconciler.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When it ended.
    pub at: Timestamp,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// Runs since the start.
    pub runs: u64,
    /// What it did, for people; absent when there was nothing to do.
    pub did: Option<String>,
    /// What failed, for people.
    pub failures: Vec<String>,
}

/// The reports of all reconcilers by name; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Reports(Arc<Mutex<BTreeMap<&'static str, Report>>>);

impl Reports {
    /// A copy of all reports.
    #[must_use]
    pub fn all(&self) -> BTreeMap<&'static str, Report> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes note of a run that began at `began`.
    pub(crate) fn note(
        &self,
        name: &'static str,
        began: Instant,
        did: Option<String>,
        failures: Vec<String>,
    ) {
        let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let report = reports.entry(name).or_default();
        if failures != report.failures {
            for failure in &failures {
                tracing::warn!(reconciler = name, "{failure}");
            }
        }
        report.at = SystemTime::now().into();
        report.micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        report.runs += 1;
        report.did = did;
        report.failures = failures;
    }
}

/// What stands in the way of single tasks, for the report on all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Troubles(Arc<Mutex<BTreeMap<TaskId, String>>>);

impl Troubles {
    /// Something stands in the way of a task.
    pub(crate) fn note(&self, task: &TaskId, message: String) {
        tracing::warn!(%task, "{message}");
        self.lock().insert(task.clone(), message);
    }

    /// Nothing does any more.
    pub(crate) fn clear(&self, task: &TaskId) {
        self.lock().remove(task);
    }

    /// All of it as texts.
    pub(crate) fn all(&self) -> Vec<String> {
        let told = |(task, message): (&TaskId, &String)| format!("task {task}: {message}");
        self.lock().iter().map(told).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TaskId, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
