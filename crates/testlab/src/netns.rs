//! Named network namespaces.

use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};

use crate::tool;

/// Where `ip netns` keeps them.
pub(crate) const DIRECTORY: &str = "/run/netns";

/// A network namespace that goes when this value does.
#[derive(Debug)]
pub(crate) struct Netns {
    name: String,
}

impl Netns {
    /// Makes one with loopback up.
    pub(crate) fn add(name: String) -> Result<Self> {
        tool::ip(&["netns", "add", &name])?;
        let netns = Self { name };
        tool::ip(&["-n", &netns.name, "link", "set", "lo", "up"])?;
        Ok(netns)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(DIRECTORY).join(&self.name)
    }

    pub(crate) fn open(&self) -> Result<File> {
        let path = self.path();
        File::open(&path).with_context(|| format!("opening {}", path.display()))
    }

    /// Runs `work` inside, on a thread that ends with it: a thread that entered a
    /// namespace must not come back to other work.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let file = self.open()?;
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                setns(&file, CloneFlags::CLONE_NEWNET).context("entering the namespace")?;
                anyhow::Ok(work())
            });
            // A failed assertion inside is a failed assertion of the test.
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        if let Err(error) = tool::ip(&["netns", "del", &self.name]) {
            eprintln!(
                "testlab: {:#}",
                anyhow!(error).context("leaving a namespace behind")
            );
        }
    }
}
