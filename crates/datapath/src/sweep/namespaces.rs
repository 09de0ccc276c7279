//! The network namespaces of a host.
//!
//! The kernel keeps no list that could be asked. A namespace with sockets in it has a
//! name or a process, as good as always, or a thread of one at least.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};

use super::SweepError;
use crate::netns_cookie_of_self;

/// Where namespaces that have names are mounted.
const NAMED: [&str; 2] = ["/run/netns", "/run/docker/netns"];

/// A namespace, held open.
#[derive(Debug)]
pub(super) struct Namespace {
    path: PathBuf,
    file: File,
}

/// Every namespace once, held open for as long as it is looked at: those that have
/// names, then those of processes, then those of single threads, for whoever is still
/// looking.
pub(super) struct Namespaces {
    paths: Box<dyn Iterator<Item = PathBuf>>,
    seen: HashSet<(u64, u64)>,
    problem: Option<SweepError>,
}

impl Namespaces {
    /// Looks for them; what cannot be listed is the first item.
    pub(super) fn find() -> Self {
        // Where nobody makes any, it is missing.
        let named = NAMED
            .into_iter()
            .flat_map(|directory| names(Path::new(directory)));
        let (processes, problem) = match processes() {
            Ok(processes) => (processes, None),
            Err(error) => (vec![], Some(failed(Path::new("/proc"), "listed")(error))),
        };
        let threads = processes.clone().into_iter();
        let threads = threads.flat_map(|process| names(&process.join("task")));
        let tasks = processes.into_iter().chain(threads);
        Self {
            paths: Box::new(named.chain(tasks.map(|task| task.join("ns/net")))),
            seen: HashSet::new(),
            problem,
        }
    }

    /// Opens what has not been seen yet; nothing for what has gone meanwhile, or is an
    /// empty file that a name has left behind.
    fn open(&mut self, path: &Path) -> Option<Namespace> {
        let found = fs::metadata(path).ok()?;
        // Other kinds of files may block whoever opens them.
        if !found.is_file() || !self.seen.insert((found.dev(), found.ino())) {
            return None;
        }
        let file = File::open(path).ok()?;
        let kind = fstatfs(&file).ok()?.filesystem_type();
        (kind == NSFS_MAGIC).then(|| Namespace {
            path: path.to_owned(),
            file,
        })
    }
}

impl Iterator for Namespaces {
    type Item = Result<Namespace, SweepError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(problem) = self.problem.take() {
            return Some(Err(problem));
        }
        loop {
            let path = self.paths.next()?;
            if let Some(namespace) = self.open(&path) {
                return Some(Ok(namespace));
            }
        }
    }
}

/// Takes this thread into a namespace, for good, and tells the namespace's cookie.
pub(super) fn enter(namespace: &Namespace) -> Result<u64, SweepError> {
    setns(&namespace.file, CloneFlags::CLONE_NEWNET)
        .map_err(|errno| failed(&namespace.path, "entered")(errno.into()))?;
    Ok(netns_cookie_of_self()?)
}

/// What is in a directory; nothing if it is not there, or not any more.
fn names(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.flatten().map(|entry| entry.path())
}

fn processes() -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir("/proc")?.flatten();
    let numeric = |name: &OsStr| name.as_bytes().iter().all(u8::is_ascii_digit);
    Ok(entries
        .filter(|entry| numeric(&entry.file_name()))
        .map(|entry| entry.path())
        .collect())
}

fn failed(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> SweepError {
    let path = path.to_owned();
    move |source| SweepError::Namespace {
        path,
        action,
        source,
    }
}
