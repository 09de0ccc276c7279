//! The directory on the bpf filesystem that keeps maps and links alive.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use libbpf_rs::MapHandle;
use libbpf_rs::query::{LinkInfo, LinkTypeInfo};
use nix::fcntl::{Flock, FlockArg};

use crate::DatapathError;
use crate::faults::{Point, pass};
use crate::hooks::{self, HOOKS, Hook};
use crate::mounts::{is_bpffs, is_cgroup2};
use crate::object::MAPS;

/// A cgroup of version 2.
#[derive(Debug)]
pub(crate) struct Cgroup {
    pub(crate) fd: OwnedFd,
    /// What the kernel calls it in a link's description.
    pub(crate) id: u64,
}

impl Cgroup {
    pub(crate) fn open(path: &Path) -> Result<Self, DatapathError> {
        if !is_cgroup2(path) {
            return Err(DatapathError::NotCgroup2 {
                path: path.to_owned(),
            });
        }
        let failed = |source| DatapathError::File {
            path: path.to_owned(),
            action: "opened",
            source,
        };
        let directory = File::open(path).map_err(failed)?;
        let id = directory.metadata().map_err(failed)?.ino();
        Ok(Self {
            fd: directory.into(),
            id,
        })
    }
}

/// The pins of one datapath; held by one process at a time.
#[derive(Debug)]
pub(crate) struct Pins {
    root: PathBuf,
    _lock: Flock<File>,
}

impl Pins {
    /// Takes the pins at `root`, making the directory if `create` says so.
    pub(crate) fn lock(root: &Path, create: bool) -> Result<Self, DatapathError> {
        let failed = |action| {
            move |source| DatapathError::File {
                path: root.to_owned(),
                action,
                source,
            }
        };
        if create {
            let above = root.ancestors().find(|path| path.exists()).unwrap_or(root);
            if !is_bpffs(above) {
                return Err(DatapathError::NotBpffs {
                    path: root.to_owned(),
                });
            }
            for part in ["maps", "links"] {
                fs::create_dir_all(root.join(part)).map_err(failed("created"))?;
            }
        }
        let directory = File::open(root).map_err(failed("opened"))?;
        let lock = Flock::lock(directory, FlockArg::LockExclusiveNonblock).map_err(|_| {
            DatapathError::Busy {
                path: root.to_owned(),
            }
        })?;
        Ok(Self {
            root: root.to_owned(),
            _lock: lock,
        })
    }

    pub(crate) fn map(&self, name: &str) -> PathBuf {
        self.root.join("maps").join(name)
    }

    pub(crate) fn link(&self, hook: Hook) -> PathBuf {
        self.root.join("links").join(hook.name)
    }

    /// Whether programs of an earlier process may still be running.
    pub(crate) fn any_link(&self) -> bool {
        HOOKS.iter().any(|hook| self.link(*hook).exists())
    }

    /// Puts maps in the place of pinned ones. The last one tells that the set is
    /// whole, so that it goes first and comes last.
    pub(crate) fn replace_maps(
        &self,
        maps: &[(&'static str, MapHandle)],
    ) -> Result<(), DatapathError> {
        if let Some((name, _)) = maps.last() {
            remove(&self.map(name))?;
        }
        for (name, map) in maps {
            let path = self.map(name);
            pin_over(map, &path).map_err(|source| DatapathError::File {
                path,
                action: "pinned",
                source,
            })?;
        }
        Ok(())
    }

    /// Makes a program the one that runs at its hook: in place if its link is alive
    /// on the right cgroup, else by a new link that takes the pin of the old one.
    pub(crate) fn run(
        &self,
        hook: Hook,
        program: &impl AsFd,
        cgroup: &Cgroup,
    ) -> Result<(), DatapathError> {
        let failed = |action| {
            move |source| DatapathError::Link {
                hook: hook.name,
                action,
                source,
            }
        };
        let path = self.link(hook);
        if let Some(link) = self.open_link(hook).map_err(failed("opened"))?
            && link_cgroup(&link) == Some(cgroup.id)
            && hooks::replace(link.as_fd(), program.as_fd()).is_ok()
        {
            return Ok(());
        }
        let link =
            hooks::attach(program.as_fd(), cgroup.fd.as_fd(), hook).map_err(failed("attached"))?;
        pin_over(&link, &path).map_err(failed("pinned"))
    }

    /// The pinned link of a hook.
    pub(crate) fn open_link(&self, hook: Hook) -> io::Result<Option<OwnedFd>> {
        match hooks::open_pinned(&self.link(hook)) {
            Ok(link) => Ok(Some(link)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends all links and removes every pin. Goes on past errors and reports the
    /// first, so that a second call has less to do.
    pub(crate) fn remove_all(self) -> Result<(), DatapathError> {
        let mut outcome = Ok(());
        // The translating hooks stand last, and go first.
        for hook in HOOKS.iter().rev() {
            outcome = outcome.and(remove_link(hook.name, &self.link(*hook)));
        }
        outcome = outcome.and(self.remove_strangers());
        for name in MAPS {
            outcome = outcome.and(remove(&self.map(name)));
        }
        for directory in [
            self.root.join("maps"),
            self.root.join("links"),
            self.root.clone(),
        ] {
            outcome = outcome.and(match fs::remove_dir(&directory) {
                Err(source) if source.kind() != ErrorKind::NotFound => Err(DatapathError::File {
                    path: directory,
                    action: "removed",
                    source,
                }),
                _ => Ok(()),
            });
        }
        outcome
    }

    /// Detaches and removes what another release has pinned and this one does not
    /// have. Goes on past errors and reports the first.
    pub(crate) fn remove_strangers(&self) -> Result<(), DatapathError> {
        let mut outcome = Ok(());
        for (name, path) in entries(&self.root.join("links"))? {
            if !HOOKS.iter().any(|hook| name == hook.name) {
                outcome = outcome.and(remove_link("of another release", &path));
            }
        }
        for (name, path) in entries(&self.root.join("maps"))? {
            if !MAPS.iter().any(|map| name == *map) {
                outcome = outcome.and(remove(&path));
            }
        }
        outcome
    }
}

/// Names and paths in a directory; none if there is no such directory.
fn entries(directory: &Path) -> Result<Vec<(OsString, PathBuf)>, DatapathError> {
    let listed = fs::read_dir(directory)
        .and_then(|entries| entries.collect::<io::Result<Vec<fs::DirEntry>>>());
    match listed {
        Ok(entries) => Ok(entries
            .iter()
            .map(|entry| (entry.file_name(), entry.path()))
            .collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(DatapathError::File {
            path: directory.to_owned(),
            action: "listed",
            source,
        }),
    }
}

/// Ends a pinned link and removes its pin.
fn remove_link(hook: &'static str, path: &Path) -> Result<(), DatapathError> {
    let failed = |action| {
        move |source| DatapathError::Link {
            hook,
            action,
            source,
        }
    };
    match hooks::open_pinned(path) {
        // A link whose cgroup is gone has nothing left to detach from, and one to a
        // tracepoint ends with its pin.
        Ok(link) if link_cgroup(&link).is_some_and(|id| id != 0) => {
            hooks::detach(link.as_fd()).map_err(failed("detached"))?;
        }
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed("opened")(error)),
        _ => {}
    }
    remove(path)
}

/// The program that a link runs.
pub(crate) fn link_program(link: &impl AsFd) -> Option<u32> {
    Some(LinkInfo::from_fd(link.as_fd()).ok()?.prog_id)
}

/// The cgroup a link is attached to; 0 once that cgroup is gone.
pub(crate) fn link_cgroup(link: &impl AsFd) -> Option<u64> {
    match LinkInfo::from_fd(link.as_fd()).ok()?.info {
        LinkTypeInfo::Cgroup(info) => Some(info.cgroup_id),
        _ => None,
    }
}

/// Pins under a name that may be taken, without a moment in which it is free.
fn pin_over(object: &impl AsFd, path: &Path) -> io::Result<()> {
    // The bpf filesystem allows no dots in names.
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push("-new");
    let beside = path.with_file_name(name);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    hooks::pin(object.as_fd(), &beside)?;
    pass(Point::Move)?;
    fs::rename(&beside, path)
}

fn remove(path: &Path) -> Result<(), DatapathError> {
    match pass(Point::Remove).and_then(|()| fs::remove_file(path)) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(DatapathError::File {
            path: path.to_owned(),
            action: "removed",
            source,
        }),
        _ => Ok(()),
    }
}
