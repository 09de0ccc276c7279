//! Network namespaces: made, entered and deleted.
//!
//! A namespace lives as a bind mount on a file, as `ip netns` does it, so it needs
//! no process. Entering one is done by a thread that exists for nothing else: a
//! thread that failed to return to its own namespace would poison a pool.
//!
//! Everything here blocks for some milliseconds; from async code call it through
//! `spawn_blocking`.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs, statfs};

use crate::kernel;
use crate::{NetlinkError, Socket};

/// Names a network namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The file it is mounted on, or a `/proc/<pid>/ns/net`.
    Path(PathBuf),
    /// A process that lives in it, by its id in this PID namespace.
    Process(u32),
    /// The calling thread's own.
    Current,
}

impl From<&Path> for Target {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

impl From<&PathBuf> for Target {
    fn from(path: &PathBuf) -> Self {
        Self::Path(path.clone())
    }
}

impl From<u32> for Target {
    fn from(pid: u32) -> Self {
        Self::Process(pid)
    }
}

impl Target {
    fn file(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Process(pid) => PathBuf::from(format!("/proc/{pid}/ns/net")),
            Self::Current => PathBuf::from("/proc/thread-self/ns/net"),
        }
    }
}

/// Makes a network namespace and mounts it on the file `path`, which is created
/// with its directories; its loopback interface is up.
///
/// The mount is seen by whoever shares this process's mount namespace, a container
/// engine for example, and by those that receive its mounts.
///
/// # Errors
/// [`NetlinkError::Exists`] when a namespace is mounted there already; otherwise
/// nothing is left behind.
pub fn create(path: &Path) -> Result<(), NetlinkError> {
    if exists(path) {
        return Err(NetlinkError::Exists(path.to_owned()));
    }
    let name = path.display().to_string();
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(failed(&name, "create the directory"))?;
    }
    File::create(path).map_err(failed(&name, "create the mount point"))?;
    let made = on_own_thread(&name, || {
        unshare(CloneFlags::CLONE_NEWNET).map_err(failed(&name, "make"))?;
        kernel::loopback_up().map_err(failed(&name, "bring up the loopback interface"))?;
        let own = Target::Current.file();
        mount(
            Some(&own),
            path,
            None::<&str>,
            MsFlags::MS_BIND,
            None::<&str>,
        )
        .map_err(failed(&name, "mount"))
    });
    if made.is_err() {
        // The error at hand says more than one of the cleaning up would.
        let _ = fs::remove_file(path);
    }
    made
}

/// Deletes the namespace mounted on `path` and the file; a missing one is fine.
///
/// The unmount is lazy: processes and sockets inside keep the namespace alive, and
/// so does an engine that holds it open.
///
/// # Errors
/// When the kernel refuses to unmount or unlink.
pub fn delete(path: &Path) -> Result<(), NetlinkError> {
    let name = path.display().to_string();
    loop {
        match umount2(path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
            // Mounts may be stacked; EINVAL says that none is left.
            Ok(()) => {}
            Err(Errno::EINVAL | Errno::ENOENT) => break,
            Err(errno) => return Err(failed(&name, "unmount")(errno)),
        }
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed(&name, "remove the mount point")(error))
        }
        _ => Ok(()),
    }
}

/// Whether a namespace is mounted on `path`; a plain file left by a reboot is not.
#[must_use]
pub fn exists(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == NSFS_MAGIC)
}

/// Runs `work` inside a namespace, on a thread of its own, and waits for it.
///
/// Programs that `work` starts run inside as well.
///
/// # Errors
/// [`NetlinkError::Missing`] when there is no such namespace; when it cannot be
/// entered; when `work` panics.
pub fn run_in<T: Send>(
    target: impl Into<Target>,
    work: impl FnOnce() -> T + Send,
) -> Result<T, NetlinkError> {
    // Opened on this thread, since `Current` means its namespace.
    let path = target.into().file();
    let name = path.display().to_string();
    let namespace = open(&path, &name)?;
    on_own_thread(&name, || {
        setns(&namespace, CloneFlags::CLONE_NEWNET).map_err(failed(&name, "enter"))?;
        Ok(work())
    })
}

/// A namespace held open: it stays, whatever becomes of its file and its processes.
pub struct Namespace {
    file: File,
    name: String,
}

impl Namespace {
    /// Opens one.
    ///
    /// # Errors
    /// [`NetlinkError::Missing`] when there is no such namespace.
    pub fn open(target: impl Into<Target>) -> Result<Self, NetlinkError> {
        let path = target.into().file();
        let name = path.display().to_string();
        Ok(Self {
            file: open(&path, &name)?,
            name,
        })
    }

    /// Its number: no other namespace has it while this one exists.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn number(&self) -> Result<u64, NetlinkError> {
        let found = self.file.metadata();
        found
            .map(|found| found.ino())
            .map_err(failed(&self.name, "read the number"))
    }

    /// Runs `work` inside with a socket there, on a thread of its own, and waits for it.
    ///
    /// # Errors
    /// As [`run_in`].
    pub fn run<T: Send>(&self, work: impl FnOnce(&Socket) -> T + Send) -> Result<T, NetlinkError> {
        on_own_thread(&self.name, || {
            setns(&self.file, CloneFlags::CLONE_NEWNET).map_err(failed(&self.name, "enter"))?;
            Ok(work(&Socket::open()?))
        })
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The kernel's cookie of a namespace: the same for every socket inside, and for no
/// other namespace until the next boot. BPF programs see it as well.
///
/// # Errors
/// As [`run_in`], and on kernels before 5.14.
pub fn cookie(target: impl Into<Target>) -> Result<u64, NetlinkError> {
    let target = target.into();
    let name = target.file().display().to_string();
    run_in(target, kernel::netns_cookie)?.map_err(failed(&name, "read the cookie"))
}

/// An unconnected, non-blocking TCP socket that lives inside a namespace: what is
/// connected with it starts there, wherever the caller is.
///
/// # Errors
/// As [`run_in`].
pub fn tcp_socket_in(target: impl Into<Target>, ipv6: bool) -> Result<OwnedFd, NetlinkError> {
    let target = target.into();
    let name = target.file().display().to_string();
    let family = if ipv6 {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    run_in(target, || socket(family, SockType::Stream, flags, None))?
        .map_err(failed(&name, "open a socket"))
}

fn open(path: &Path, name: &str) -> Result<File, NetlinkError> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => NetlinkError::Missing(name.to_owned()),
        _ => failed(name, "open")(error),
    })?;
    match fstatfs(&file) {
        Ok(found) if found.filesystem_type() == NSFS_MAGIC => Ok(file),
        _ => Err(NetlinkError::Missing(name.to_owned())),
    }
}

fn on_own_thread<T: Send>(
    name: &str,
    work: impl FnOnce() -> Result<T, NetlinkError> + Send,
) -> Result<T, NetlinkError> {
    thread::scope(|scope| {
        thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, work)
            .map_err(failed(name, "start a thread"))?
            .join()
            .unwrap_or_else(|_| Err(NetlinkError::Panicked(name.to_owned())))
    })
}

fn failed<E: Into<io::Error>>(
    namespace: &str,
    action: &'static str,
) -> impl FnOnce(E) -> NetlinkError {
    let namespace = namespace.to_owned();
    move |error| NetlinkError::Namespace {
        namespace,
        action,
        source: error.into(),
    }
}
