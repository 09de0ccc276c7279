//! The mark: a name that tells which run made a thing, and whether that run lives.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};

/// `<pid>-<start time of that process>-<number>-<name>`.
///
/// The start time (in clock ticks since boot) tells a process from a later one
/// with the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark(String);

impl Mark {
    /// A mark that nothing else on this machine has.
    pub(crate) fn new(name: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 20 || !name.chars().all(fits) {
            bail!("'{name}' cannot name a host: 1 to 20 of a-z, 0-9 and '-'");
        }
        let pid = std::process::id();
        let started = start_time(pid).context("this process has no entry in /proc")?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Self(format!("{pid}-{started}-{number}-{name}")))
    }

    /// Name of a network namespace.
    pub(crate) fn netns(&self) -> String {
        format!("{NETNS_PREFIX}{}", self.0)
    }

    /// Name of a cgroup.
    pub(crate) fn cgroup(&self) -> String {
        format!("{CGROUP_PREFIX}{}", self.0)
    }

    /// Path of a directory for files.
    pub(crate) fn directory(&self) -> PathBuf {
        Path::new(FILES).join(self.netns())
    }
}

/// Parent of all directories for files. Not from `TMPDIR`: engines make unix sockets
/// deep below, whose paths may have 107 bytes.
pub(crate) const FILES: &str = "/tmp";

pub(crate) const NETNS_PREFIX: &str = "sl-";
pub(crate) const CGROUP_PREFIX: &str = "sealane-test-";

/// Whether `name` begins with `prefix`, was made by a run, and that run is gone.
pub(crate) fn is_left_over(name: &str, prefix: &str) -> bool {
    let Some(rest) = name.strip_prefix(prefix) else {
        return false;
    };
    let mut parts = rest.split('-');
    let (Some(pid), Some(started)) = (parts.next(), parts.next()) else {
        return false;
    };
    let (Ok(pid), Ok(started)) = (pid.parse::<u32>(), started.parse::<u64>()) else {
        return false;
    };
    start_time(pid) != Some(started)
}

/// When a process started, in clock ticks since boot; `None` when there is none.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything,
    // so fields are counted from the last closing one; the start time is the 22nd.
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(19)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_run_is_not_left_over() {
        let mark = Mark::new("a-b").unwrap();
        assert!(!is_left_over(&mark.netns(), NETNS_PREFIX));
        assert!(!is_left_over(&mark.cgroup(), CGROUP_PREFIX));
    }

    #[test]
    fn names_of_others_are_not_left_over() {
        for name in ["sl-", "sl-web", "sl-1-x-0-a", "docker0", "sl-12"] {
            assert!(!is_left_over(name, NETNS_PREFIX), "{name}");
        }
    }

    #[test]
    fn another_process_with_the_same_number_is_another_run() {
        let pid = std::process::id();
        assert!(is_left_over(&format!("sl-{pid}-1-0-a"), NETNS_PREFIX));
        assert!(is_left_over("sl-4194305-1-0-a", NETNS_PREFIX));
    }

    #[test]
    fn bad_names_are_refused() {
        assert!(Mark::new("").is_err());
        assert!(Mark::new("a/b").is_err());
    }
}
