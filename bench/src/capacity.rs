//! What a million backends take of the kernel's memory.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use datapath::Capacities;

use crate::parts::holder::{self, Done, Order, Programs};
use crate::process::Dialogue;
use crate::results::Measurement;
use crate::site::{Half, Site};

/// Services, and backends of each; a million in all.
const SERVICES: u32 = 10_000;
const EACH: u32 = 100;
/// Megabytes that all maps may take.
const REACH: f64 = 200.0;

/// Kernel memory of a process that holds a million backends, in megabytes (10^6), as
/// the kernel accounts it to the process's cgroup.
pub(crate) fn million_backends() -> Result<Vec<Measurement>> {
    let site = Site::new("bench-million")?;
    let account = Account::open(&site)?;
    let capacities = Capacities {
        services: SERVICES,
        // Those of a few services that are being replaced come on top.
        slots: SERVICES * EACH + SERVICES * EACH / 32,
        backends: SERVICES * EACH + SERVICES * EACH / 32,
        ..Capacities::default()
    };
    let options = site.options(capacities)?;
    let mut command = site.part("holder", Half::Plain)?;
    command
        .args(account.words())
        .args(holder::Arguments::words(&options, Programs::This));
    let mut holder = Dialogue::start(&mut command)?;
    let _open: Done = holder.hear()?;
    let empty = account.megabytes()?;
    holder.say(&Order::Fill(SERVICES, EACH))?;
    let done: Done = holder.hear()?;
    let value = account.megabytes()?;
    Ok(vec![
        Measurement::new("million-backends", value, "MB")
            .must(format!("at most {REACH} MB"), value <= REACH),
        Measurement::new("million-backends/empty", empty, "MB"),
        Measurement::new("million-backends/load", done.seconds * 1000.0, "ms"),
    ])
}

/// Where the kernel accounts memory of a cgroup.
enum Account {
    /// Version 2, which accounts for every cgroup as soon as it is switched on.
    Unified(PathBuf),
    /// Version 1: a cgroup of the host's name, which goes with the host.
    Memory(PathBuf),
}

impl Account {
    fn open(site: &Site) -> Result<Self> {
        let stat = site.host.cgroup().join("memory.stat");
        if stat.exists() {
            return Ok(Self::Unified(stat));
        }
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let root = mounts.lines().find_map(memory_hierarchy);
        let root = root.context(
            "the kernel accounts memory of no cgroup; switch the memory controller on: \
             echo +memory > /sys/fs/cgroup/cgroup.subtree_control",
        )?;
        let path = root.join(site.host.cgroup_parent().trim_start_matches('/'));
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self::Memory(path))
    }

    /// Words that make a part be accounted here.
    fn words(&self) -> Vec<String> {
        match self {
            Self::Unified(_) => Vec::new(),
            Self::Memory(path) => {
                let procs = path.join("cgroup.procs");
                vec!["--cgroup".to_owned(), procs.display().to_string()]
            }
        }
    }

    fn megabytes(&self) -> Result<f64> {
        let bytes: f64 = match self {
            Self::Unified(stat) => {
                let text = fs::read_to_string(stat)?;
                let line = text.lines().find_map(|line| line.strip_prefix("kernel "));
                line.context("memory.stat does not tell the kernel's part (Linux 5.18)")?
                    .parse()?
            }
            Self::Memory(path) => {
                let path = path.join("memory.kmem.usage_in_bytes");
                let text = fs::read_to_string(&path);
                text.with_context(|| format!("reading {}", path.display()))?
                    .trim()
                    .parse()?
            }
        };
        ensure!(bytes > 0.0, "the kernel accounts nothing");
        Ok(bytes / 1e6)
    }
}

/// The mount point of version 1's memory controller, from a line of the mount table.
fn memory_hierarchy(line: &str) -> Option<PathBuf> {
    let mut words = line.split(' ').skip(1);
    let (point, kind, options) = (words.next()?, words.next()?, words.next()?);
    let found = kind == "cgroup" && options.split(',').any(|option| option == "memory");
    found.then(|| Path::new(point).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_controller_is_found() {
        let line = "cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0";
        assert_eq!(memory_hierarchy(line), Some("/sys/fs/cgroup/memory".into()));
        let line = "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0";
        assert_eq!(memory_hierarchy(line), None);
    }
}
