//! Programs of others at the hooks that ours run at.
//!
//! The kernel runs all of them, one after the other, and each sees what the one before
//! it made of an address. So two that translate the same VIPs are a conflict, and one
//! that filters may refuse what ours allow; most do neither.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use libbpf_rs::ProgramHandle;

use crate::DatapathError;
use crate::hooks::{self, HOOKS, Hook, Place};
use crate::pins::Cgroup;

/// What the names of our programs begin with.
const OUR_PREFIX: &str = "sl_";

/// A program of somebody else at one of our hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// The hook, such as `connect4`.
    pub hook: &'static str,
    /// The kernel's id of it: `bpftool prog show id …`.
    pub program: u32,
    /// Its name, of which the kernel keeps 15 characters; empty if it has none.
    pub name: String,
    /// Whether it runs before ours, so that it sees VIPs where one behind sees backends.
    /// True if ours do not run at all.
    pub before: bool,
}

/// Programs that run at our hooks for processes in `cgroup` and are not called as ours
/// are, whether a datapath is there or not.
///
/// # Errors
/// If it is no cgroup of version 2, or the kernel does not tell what runs.
pub fn foreign_programs(cgroup: &Path) -> Result<Vec<Foreign>, DatapathError> {
    let cgroup = Cgroup::open(cgroup)?;
    let mut found = Vec::new();
    for hook in HOOKS {
        let of_hook = foreign_at(hook, cgroup.fd.as_fd());
        found.extend(of_hook.map_err(|source| DatapathError::Link {
            hook: hook.name,
            action: "looked at",
            source,
        })?);
    }
    Ok(found)
}

fn foreign_at(hook: Hook, cgroup: BorrowedFd<'_>) -> io::Result<Vec<Foreign>> {
    // Everybody may look at a tracepoint; nobody is in the way there.
    let Place::Cgroup(attach_type) = hook.place else {
        return Ok(Vec::new());
    };
    let mut foreign = Vec::new();
    let mut before = true;
    for id in hooks::effective(cgroup, attach_type)? {
        let name = name_of(id);
        if name.starts_with(OUR_PREFIX) {
            before = false;
            continue;
        }
        foreign.push(Foreign {
            hook: hook.name,
            program: id,
            name,
            before,
        });
    }
    Ok(foreign)
}

/// A program that has ended since has no name.
fn name_of(id: u32) -> String {
    ProgramHandle::from_prog_id(id)
        .map(|program| program.name().to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
