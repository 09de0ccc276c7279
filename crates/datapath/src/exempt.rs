//! Whose connects are left alone, and what cgroups are called.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use libbpf_rs::{ErrorKind, MapCore, MapFlags};

use crate::faults::{Point, pass};
use crate::mounts::is_cgroup2;
use crate::{Datapath, DatapathError};

/// `FILEID_KERNFS` of the kernel's linux/exportfs.h: a file handle that is an id.
const FILEID_KERNFS: libc::c_int = 0xfe;

impl Datapath {
    /// Tells which cgroups are exempt, by their ids: processes in them and below,
    /// down to 16 levels from the root, see VIPs untranslated. Sockets that were
    /// connected before stay what they are.
    ///
    /// # Errors
    /// The first problem; all other cgroups are exempt nevertheless.
    pub fn set_exempt(&mut self, cgroups: &BTreeSet<u64>) -> Result<(), DatapathError> {
        let failed = |action| {
            move |source| DatapathError::Map {
                map: "exempt",
                action,
                source,
            }
        };
        let map = &self.kernel.maps.exempt;
        let mut outcome = Ok(());
        // First, since an element that goes may make room for one that comes.
        for id in self.exempt().difference(cgroups) {
            let deleted = pass(Point::Delete).map_err(libbpf_rs::Error::from);
            let removed = match deleted.and_then(|()| map.delete(&id.to_ne_bytes())) {
                Err(source) if source.kind() != ErrorKind::NotFound => {
                    Err(failed("cleaned")(source))
                }
                _ => Ok(()),
            };
            outcome = outcome.and(removed);
        }
        for id in cgroups {
            let set = pass(Point::Write)
                .map_err(libbpf_rs::Error::from)
                .and_then(|()| map.update(&id.to_ne_bytes(), &1_u32.to_ne_bytes(), MapFlags::ANY));
            outcome = outcome.and(set.map_err(|it| DatapathError::unwritten(map, "exempt", it)));
        }
        // What could not be removed is in force as well.
        self.kernel.maps.count_exempt();
        outcome
    }

    /// Which cgroups are exempt, also by the will of a process before this one.
    #[must_use]
    pub fn exempt(&self) -> BTreeSet<u64> {
        let keys = self.kernel.maps.exempt.keys();
        keys.filter_map(|key| key.first_chunk().map(|id| u64::from_ne_bytes(*id)))
            .collect()
    }
}

/// The id of a cgroup of version 2, by its directory. It is never used for another
/// cgroup until the next boot.
///
/// # Errors
/// If the directory is not there, or is not one of cgroup v2.
pub fn cgroup_id(directory: &Path) -> Result<u64, DatapathError> {
    let found = fs::metadata(directory).map_err(|source| DatapathError::File {
        path: directory.to_owned(),
        action: "looked at",
        source,
    })?;
    if !found.is_dir() || !is_cgroup2(directory) {
        return Err(DatapathError::NotCgroup2 {
            path: directory.to_owned(),
        });
    }
    Ok(found.ino())
}

/// The directory of the cgroup with an id, in the cgroup v2 that is mounted at `mount`.
/// Nothing if it is gone, or outside of that mount.
///
/// The kernel is asked to open it by its id. Walking the tree was refused: it takes
/// milliseconds for a cgroup that, as often as not, is gone when it is over.
#[must_use]
pub fn cgroup_path(mount: &Path, id: u64) -> Option<PathBuf> {
    let mount = File::open(mount).ok()?;
    let directory = open_by_id(&mount, id).ok()?;
    let path = fs::read_link(format!("/proc/self/fd/{}", directory.as_raw_fd())).ok()?;
    // A deleted one is opened while something holds it, and its path then says so.
    (fs::metadata(&path).ok()?.ino() == id).then_some(path)
}

fn open_by_id(mount: &File, id: u64) -> io::Result<OwnedFd> {
    /// `struct file_handle` with room for an id.
    #[repr(C)]
    struct Handle {
        head: libc::file_handle,
        id: [u8; 8],
    }
    let mut handle = Handle {
        head: libc::file_handle {
            handle_bytes: 8,
            handle_type: FILEID_KERNFS,
            f_handle: [],
        },
        id: id.to_ne_bytes(),
    };
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    // SAFETY: the descriptor is open, and the handle is live and as long as it says.
    let fd = unsafe { libc::open_by_handle_at(mount.as_raw_fd(), (&raw mut handle).cast(), flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
