//! A VIP's port with everybody who asks for it and everybody who would serve there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::contribution::Contribution;
use super::draft::Draft;
use super::families::Families;
use super::origin::SourceId;
use super::{Backend, Problem};
use crate::settings::Settings;

/// One port of a name or an address.
#[derive(Debug, Default)]
pub(super) struct VipPort {
    pub(super) members: BTreeMap<Arc<SourceId>, Contribution>,
    /// The settings that count.
    pub(super) settings: Settings,
    pub(super) families: Families,
    /// What is wrong with the members together; the table has the same.
    pub(super) problems: Vec<Problem>,
}

impl VipPort {
    /// Who asks.
    pub(super) fn draft(&self) -> Draft<'_> {
        let mut draft = Draft::default();
        for member in self.members.values() {
            for (port, settings) in &member.asks {
                draft.ask(member.origin.asker(*port), member.origin.id(), *settings);
            }
        }
        draft
    }

    /// Decides which settings count, and what follows from that.
    pub(super) fn set_settings(&mut self, settings: Settings) {
        let candidates = self.members.values().flat_map(|it| &it.candidates);
        self.families = Families::of(candidates, &settings);
        self.settings = settings;
    }

    /// The backends of one family, sorted, each once.
    pub(super) fn backends(&self, ipv4: bool) -> Vec<Backend> {
        let mut backends: Vec<Backend> = Vec::with_capacity(self.members.len());
        for member in self.members.values() {
            let candidates = member.candidates.iter().filter(|it| it.is_ipv4() == ipv4);
            let task = member.origin.id();
            backends.extend(candidates.filter_map(|it| it.under(task, &self.settings)));
        }
        backends.sort_unstable();
        // Two ports may lead to one address; which of their weights counts is nobody's
        // wish, but it is the same everywhere.
        backends.dedup_by(|a, b| a.task == b.task && a.near == b.near && a.far == b.far);
        backends
    }
}
