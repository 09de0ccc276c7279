//! Whether a table was told of every change.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::TaskStatus;

use super::{LiveTable, Source};
use crate::table::TableInput;
use crate::table::origin::SourceId;

impl LiveTable {
    /// Whether the table is made of exactly these records. Records are nearly always the
    /// same ones in memory, so that this is quick even for a large fleet.
    #[must_use]
    pub fn is_of(&self, input: &TableInput) -> bool {
        let nodes = &input.nodes;
        self.has_sources(input)
            && self.nodes.len() == nodes.len()
            && nodes.iter().all(|it| is(self.nodes.get(&it.id), it))
            && self.has_vips(input)
            && self.has_declared(input)
    }

    fn has_sources(&self, input: &TableInput) -> bool {
        let has_task = |(task, status): (&Arc<_>, Option<&Arc<TaskStatus>>)| {
            let source = self.sources.get(&SourceId::of_task(task));
            source.is_some_and(|source: &Source| {
                let same_status = match (&source.status, status) {
                    (Some(known), Some(status)) => is(Some(known), status),
                    (known, status) => known.is_none() && status.is_none(),
                };
                same_status && is(source.origin.task(), task)
            })
        };
        let externals = &input.externals;
        self.sources.len() == input.tasks.len() + externals.len()
            && input.members().all(has_task)
            && externals.iter().all(|external| {
                let source = self.sources.get(&SourceId::of_external(external));
                is(source.and_then(|it| it.origin.external()), external)
            })
    }

    fn has_vips(&self, input: &TableInput) -> bool {
        let record = |name: &str| self.vips.names.get(name)?.record.as_ref();
        let claimed = self.vips.names.values().filter(|it| it.record.is_some());
        claimed.count() == input.vips.len() && input.vips.iter().all(|it| is(record(&it.name), it))
    }

    fn has_declared(&self, input: &TableInput) -> bool {
        let declared = || input.declared.iter().filter(|(_, names)| !names.is_empty());
        let known = |app| self.declared.get(app);
        self.declared.len() == declared().count()
            && declared().all(|(app, names): (_, &BTreeSet<_>)| known(app) == Some(names))
    }
}

fn is<T: PartialEq>(known: Option<&Arc<T>>, record: &Arc<T>) -> bool {
    known.is_some_and(|known| Arc::ptr_eq(known, record) || known == record)
}
