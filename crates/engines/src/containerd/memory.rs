//! Whether a container's cgroup ran out of memory.
//!
//! containerd only sends an event, which nobody may hear; the kernel's counter
//! stays in the cgroup until the task is removed.

use std::fs;
use std::path::{Path, PathBuf};

/// Times the kernel ended a process of the cgroup at `path` (below the cgroup root)
/// for want of memory; 0 when nothing is known of it.
pub(super) fn kills(path: &str) -> u64 {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let path = path.trim_start_matches('/');
    hierarchies(&table)
        .into_iter()
        .filter_map(|(root, file)| fs::read_to_string(root.join(path).join(file)).ok())
        .filter_map(|text| counter(&text))
        .max()
        .unwrap_or(0)
}

/// Where memory may be counted: version 1's controller, version 2's tree.
fn hierarchies(mountinfo: &str) -> Vec<(PathBuf, &'static str)> {
    mountinfo
        .lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let mut fields = right.split(' ');
            let (kind, _source, options) = (fields.next()?, fields.next()?, fields.next()?);
            let file = match kind {
                "cgroup" if options.split(',').any(|option| option == "memory") => {
                    "memory.oom_control"
                }
                "cgroup2" => "memory.events",
                _ => return None,
            };
            Some((Path::new(left.split(' ').nth(4)?).to_owned(), file))
        })
        .collect()
}

/// Both files have a line `oom_kill <count>`.
fn counter(text: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_both_hierarchies() {
        let table = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
            36 31 0:33 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw shared:1 - cgroup2 cgroup2 rw\n\
            broken line\n";
        let found = hierarchies(table);
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0],
            (PathBuf::from("/sys/fs/cgroup/memory"), "memory.oom_control")
        );
        assert_eq!(found[1].1, "memory.events");
    }

    #[test]
    fn reads_the_counter() {
        assert_eq!(
            counter("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
            Some(3)
        );
        assert_eq!(
            counter("low 0\noom 2\noom_kill 1\noom_group_kill 0\n"),
            Some(1)
        );
        assert_eq!(counter("oom_kill many\n"), None);
        assert_eq!(kills("/sealane-test-no-such-group"), 0);
    }
}
