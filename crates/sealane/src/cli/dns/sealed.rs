//! Files of ours, which tell whether somebody else changed them.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use super::HostDnsError;

/// How our files go on behind [`::dns::HEADING`]; the sum of all that follows stands
/// behind it.
const UNDO: &str = "; `sealane dns disable` undoes it. Sum: ";

/// What stands where a file of ours would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// What we wrote, behind its heading.
    Ours(String),
    /// What we wrote, and somebody changed: what stands behind its heading.
    Edited(String),
    /// Somebody else's, a link that leads nowhere included.
    Foreign,
}

/// What is at `path` itself.
pub(super) fn look(path: &Path) -> Result<Found, HostDnsError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(failed(path, "looked at", error)),
        // Ours are files.
        Ok(data) if !data.is_file() => return Ok(Found::Foreign),
        Ok(_) => {}
    }
    let bytes = fs::read(path).map_err(|error| failed(path, "read", error))?;
    let text = String::from_utf8_lossy(&bytes);
    let Some((told, body)) = text
        .strip_prefix(::dns::HEADING)
        .and_then(|rest| rest.strip_prefix(UNDO)?.split_once('\n'))
    else {
        return Ok(Found::Foreign);
    };
    Ok(if told == sum(body) {
        Found::Ours(body.to_owned())
    } else {
        Found::Edited(body.to_owned())
    })
}

/// Puts a file of ours at `path`, all at once.
pub(super) fn write(path: &Path, body: &str) -> Result<(), HostDnsError> {
    let text = format!("{}{UNDO}{}\n{body}", ::dns::HEADING, sum(body));
    replace(path, &text)
}

/// Puts `text` at `path`, all at once: whoever reads it meanwhile sees the one or the
/// other.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), HostDnsError> {
    let new = beside(path, ".sealane-new");
    let written = (|| {
        drop(fs::remove_file(&new));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&new)?;
        // All programs read it, whatever this one's umask.
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    })();
    written.map_err(|error| failed(&new, "written", error))?;
    rename(&new, path).inspect_err(|_| drop(fs::remove_file(&new)))
}

/// Makes a directory with those above it, for all to look into.
pub(super) fn make_directory(path: &Path) -> Result<(), HostDnsError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_directory(parent)?;
    }
    fs::create_dir(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o755)))
        .map_err(|error| failed(path, "made", error))
}

/// Gives a file or link a second name, in place of what had it.
pub(super) fn link(path: &Path, other: &Path) -> Result<(), HostDnsError> {
    let new = beside(other, ".sealane-new");
    drop(fs::remove_file(&new));
    fs::hard_link(path, &new).map_err(|error| failed(&new, "made", error))?;
    rename(&new, other).inspect_err(|_| drop(fs::remove_file(&new)))
}

/// Keeps all others that change this host's files waiting until it is dropped.
pub(super) fn lock(root: &Path) -> Result<Flock<fs::File>, HostDnsError> {
    let etc = root.join("etc");
    let directory = fs::File::open(&etc).map_err(|error| failed(&etc, "opened", error))?;
    Flock::lock(directory, FlockArg::LockExclusive)
        .map_err(|(_, error)| failed(&etc, "locked", error.into()))
}

/// Moves a file or link over another.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), HostDnsError> {
    fs::rename(from, to).map_err(|error| {
        let what = match error.raw_os_error() {
            // As containers have theirs.
            Some(code) if code == nix::libc::EBUSY => {
                "replaced, since it is a mount of its own; whoever made that decides"
            }
            _ => "replaced",
        };
        failed(to, what, error)
    })
}

/// The path with something behind its name.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

pub(super) fn failed(path: &Path, what: &'static str, source: io::Error) -> HostDnsError {
    HostDnsError::File {
        path: path.to_owned(),
        what,
        source,
    }
}

/// FNV-1a of 64 bits: enough to see a change that nobody tries to hide.
fn sum(text: &str) -> String {
    let mixed = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{mixed:016x}")
}
