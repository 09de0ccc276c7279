//! Why two ends may talk to each other, or may not, for people who name them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use datapath::Drops;
use model::{AppId, TaskId};
use store::State;
use vip::groups::Verdict;

use crate::View;

/// One end: an address, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// The task that has it, if one does.
    pub task: Option<TaskId>,
    /// The address.
    pub address: IpAddr,
}

/// What becomes of packets between two ends.
#[derive(Debug, Clone)]
pub struct GroupWhy {
    /// The one.
    pub from: End,
    /// And the other.
    pub to: End,
    /// Whether they may talk, and by which groups.
    pub verdict: Verdict,
    /// What was dropped between them on this node, either way.
    pub drops: Vec<Drops>,
}

/// Why nothing can be said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhyError {
    /// Nobody is called so.
    #[error(
        "'{0}' is no address, and no task or app with an address on a virtual network is called \
         so; `sealane network show` lists who has which address"
    )]
    Nobody(String),
    /// One has IPv4 alone, the other IPv6.
    #[error("'{0}' and '{1}' have no address of the same family")]
    Families(String, String),
}

/// Not more than this of an app's tasks are compared one by one.
const MOST: usize = 64;

impl View {
    /// Tells for each pair of addresses that two names stand for whether they may talk:
    /// an address, a task's id or an app's.
    ///
    /// # Errors
    /// When a name stands for nobody.
    pub fn group_why(&self, from: &str, to: &str) -> Result<Vec<GroupWhy>, WhyError> {
        let table = self.groups.load();
        let state = self.mirror.state();
        let ends = |name: &str| {
            let inside = |address: &IpAddr| table.is_inside(*address);
            let mut ends = ends(&state, name, inside);
            if let Ok(address) = name.parse::<IpAddr>() {
                let address = address.to_canonical();
                let task = table.holders.get(&address).map(|it| it.task.clone());
                ends.insert(End { task, address });
            }
            match ends.is_empty() {
                true => Err(WhyError::Nobody(name.to_owned())),
                false => Ok(ends),
            }
        };
        let (first, second) = (ends(from)?, ends(to)?);
        let drops = self.kernel.with(|datapath| datapath.drops());
        let drops = drops.unwrap_or_default();
        let mut answers = Vec::new();
        for a in first.iter().take(MOST) {
            let same = |b: &&End| a.address.is_ipv4() == b.address.is_ipv4() && a != *b;
            for b in second.iter().take(MOST).filter(same) {
                let (one, other) = (a.address, b.address);
                let between = |it: &&Drops| {
                    (it.from, it.to) == (one, other) || (it.from, it.to) == (other, one)
                };
                answers.push(GroupWhy {
                    from: a.clone(),
                    to: b.clone(),
                    verdict: table.verdict(one, other),
                    drops: drops.iter().filter(between).cloned().collect(),
                });
            }
        }
        match answers.is_empty() {
            true => Err(WhyError::Families(from.to_owned(), to.to_owned())),
            false => Ok(answers),
        }
    }

    /// How many binds tasks that run on this node were refused.
    #[must_use]
    pub fn denied_binds(&self) -> u64 {
        let denied = self.kernel.with(|datapath| datapath.denied_binds());
        denied.unwrap_or_default().values().sum()
    }

    /// Packets that were dropped at containers' links, by reason; nothing on a node
    /// without a kernel side.
    #[must_use]
    pub fn group_drops(&self) -> Option<Vec<datapath::Dropped>> {
        self.kernel.with(|datapath| datapath.dropped())
    }
}

/// The addresses on virtual networks of a task, or of an app's tasks.
fn ends(state: &State, name: &str, inside: impl Fn(&IpAddr) -> bool) -> BTreeSet<End> {
    let app = AppId::resolve(name).ok();
    let is_meant = |task: &TaskId| {
        task.as_str() == name
            || state
                .tasks
                .get(task)
                .is_some_and(|it| Some(&it.app) == app.as_ref())
    };
    let running = state.statuses.values().filter(|it| !it.state.is_terminal());
    let meant = running.filter(|it| is_meant(&it.task));
    meant
        .flat_map(|status| {
            let infos = status.network_infos.iter();
            infos.flat_map(|info| info.addresses()).map(|address| End {
                task: Some(status.task.clone()),
                address,
            })
        })
        .filter(|end| inside(&end.address))
        .collect()
}
