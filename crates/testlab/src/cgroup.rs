//! Cgroup subtrees.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{mounts, wait_for};

/// Where the version 2 hierarchy is mounted.
pub(crate) fn unified() -> Result<PathBuf> {
    mounts::all()?
        .into_iter()
        .find(|mount| mount.kind == "cgroup2")
        .map(|mount| mount.point)
        .context("no cgroup2 file system is mounted; mount one: mount -t cgroup2 none <dir>")
}

/// Roots of all hierarchies, of both versions.
pub(crate) fn hierarchies() -> Result<Vec<PathBuf>> {
    let is_cgroup = |kind: &str| kind == "cgroup2" || kind == "cgroup";
    let mounts = mounts::all()?
        .into_iter()
        .filter(|mount| is_cgroup(&mount.kind));
    Ok(mounts.map(|mount| mount.point).collect())
}

/// A cgroup below the root, of the same name in every hierarchy that uses it.
#[derive(Debug)]
pub(crate) struct Cgroup {
    name: String,
    path: PathBuf,
}

impl Cgroup {
    /// Makes it in the version 2 hierarchy; engines make it in the others.
    pub(crate) fn add(name: String) -> Result<Self> {
        let path = unified()?.join(&name);
        // Processes live one level down: version 2 allows no controllers for the
        // children of a cgroup that has processes of its own.
        let processes = path.join("processes");
        fs::create_dir_all(&processes)
            .with_context(|| format!("making {}; tests of hosts need root", processes.display()))?;
        Ok(Self { name, path })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file that takes in a process.
    pub(crate) fn procs(&self) -> PathBuf {
        self.path.join("processes/cgroup.procs")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.name) {
            eprintln!("testlab: leaving cgroup {} behind: {error:#}", self.name);
        }
    }
}

/// Ends every process below `name` in the version 2 hierarchy and waits for that.
pub(crate) fn end_processes(name: &str) -> Result<()> {
    let path = unified()?.join(name);
    if !path.exists() {
        return Ok(());
    }
    wait_for(
        &format!("the end of all processes in {name}"),
        Duration::from_secs(20),
        || {
            // cgroup.kill came with Linux 5.14.
            if fs::write(path.join("cgroup.kill"), "1").is_err() {
                each(&path, &mut kill_members);
            }
            let events = fs::read_to_string(path.join("cgroup.events")).ok()?;
            events.contains("populated 0").then_some(())
        },
    )
}

/// Ends the processes below `name` and removes it from every hierarchy.
pub(crate) fn remove(name: &str) -> Result<()> {
    end_processes(name)?;
    for root in hierarchies()? {
        let path = root.join(name);
        if !path.exists() {
            continue;
        }
        // A cgroup stays busy for a moment after its last process has gone.
        wait_for(
            &format!("the removal of {}", path.display()),
            Duration::from_secs(10),
            || {
                each(&path, &mut |dir| drop(fs::remove_dir(dir)));
                (!path.exists()).then_some(())
            },
        )?;
    }
    Ok(())
}

fn kill_members(dir: &Path) {
    let members = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    for pid in members.lines().filter_map(|line| line.parse().ok()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// Visits a cgroup and all below it, the innermost first.
fn each(dir: &Path, visit: &mut dyn FnMut(&Path)) {
    for child in subdirectories(dir).unwrap_or_default() {
        each(&child, visit);
    }
    visit(dir);
}

fn subdirectories(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}
