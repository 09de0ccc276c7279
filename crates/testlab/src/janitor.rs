//! Removing what runs left that were killed.

use std::fs;
use std::path::Path;
use std::sync::Once;

use anyhow::Result;

use crate::mark::{self, CGROUP_PREFIX, NETNS_PREFIX};
use crate::{cgroup, mounts, netns, tool};

/// Removes the hosts of test processes that are gone: their processes first, then
/// namespaces, mounts, files and cgroups. Things of living processes stay, so it
/// may run at any time; every first [`crate::Host`] of a process calls it.
///
/// # Errors
/// When the machine's tables cannot be read. A thing that resists is reported on
/// standard error and left for the next time.
pub fn janitor() -> Result<()> {
    for root in cgroup::hierarchies()? {
        for name in left_overs(&root, CGROUP_PREFIX) {
            report(&name, cgroup::remove(&name));
        }
    }
    for name in left_overs(Path::new(netns::DIRECTORY), NETNS_PREFIX) {
        // Another run's janitor may have been quicker.
        let _ = tool::ip(&["netns", "del", &name]);
    }
    let files = Path::new(mark::FILES);
    for name in left_overs(files, NETNS_PREFIX) {
        let path = files.join(&name);
        report(&name, mounts::remove_tree(&path));
    }
    Ok(())
}

/// [`janitor`], at the first call only.
pub(crate) fn once() {
    static DONE: Once = Once::new();
    DONE.call_once(|| report("old runs", janitor()));
}

fn left_overs(dir: &Path, prefix: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| mark::is_left_over(name, prefix))
        .collect()
}

fn report(what: &str, result: Result<()>) {
    if let Err(error) = result {
        eprintln!("testlab: cleaning up after {what}: {error:#}");
    }
}
