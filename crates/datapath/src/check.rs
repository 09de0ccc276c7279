//! Whether the programs really run.
//!
//! A pinned link proves nothing: its cgroup may be gone, or another one. What counts
//! is the list of programs that the kernel runs for processes in the cgroup.

use std::os::fd::AsFd;

use crate::Datapath;
use crate::datapath::Stage;
use crate::hooks::{self, Hook, Place};
use crate::pins::{link_cgroup, link_program};

/// Something wrong with a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The hook, such as `connect4`; `groups` for the programs at containers' links.
    pub hook: &'static str,
    /// What is wrong, and what helps.
    pub problem: String,
}

impl Datapath {
    /// Compares what runs in the kernel with what should; empty is healthy.
    /// [`Datapath::repair`] helps where it can.
    #[must_use]
    pub fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (hook, program) in &self.programs {
            let waiting = self.stage == Stage::Prepared;
            let problem = match waiting {
                true => Some("an older program runs until the first table is applied".to_owned()),
                false => self.problem(*hook, program.id()),
            };
            findings.extend(problem.map(|problem| Finding {
                hook: hook.name,
                problem,
            }));
        }
        if self.stage == Stage::Running {
            findings.extend(self.sentry_findings());
        }
        findings
    }

    fn problem(&self, hook: Hook, program: u32) -> Option<String> {
        let link = match self.pins.open_link(hook) {
            Ok(Some(link)) => link,
            Ok(None) => return Some("its pinned link is missing".to_owned()),
            Err(error) => return Some(format!("its pinned link cannot be opened: {error}")),
        };
        let Place::Cgroup(attach_type) = hook.place else {
            return match link_program(&link) {
                Some(found) if found == program => None,
                found => Some(format!(
                    "its pinned link runs program {} instead of {program}",
                    found.map_or_else(|| "none".to_owned(), |found| found.to_string())
                )),
            };
        };
        match link_cgroup(&link) {
            Some(0) => return Some("its cgroup is gone".to_owned()),
            Some(id) if id != self.cgroup.id => {
                let wanted = self.cgroup.id;
                return Some(format!("it is attached to cgroup {id} instead of {wanted}"));
            }
            Some(_) => {}
            None => return Some("its pin is not a cgroup link; remove it".to_owned()),
        }
        match hooks::effective(self.cgroup.fd.as_fd(), attach_type) {
            Ok(ids) if ids.contains(&program) => None,
            Ok(ids) => Some(format!(
                "program {program} is not among those that run: {ids:?}"
            )),
            Err(error) => Some(format!("the kernel does not tell what runs: {error}")),
        }
    }
}
