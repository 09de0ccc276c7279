//! Files of ours, which tell whether somebody else changed them.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::HostDnsError;

/// How our files begin; the sum of all that follows stands behind it.
const HEADING: &str = "# Written by `sealane dns enable`; `sealane dns disable` undoes it. Sum: ";

/// What stands where a file of ours would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// What we wrote, behind its heading.
    Ours(String),
    /// What we wrote, and somebody changed.
    Edited,
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
        .strip_prefix(HEADING)
        .and_then(|rest| rest.split_once('\n'))
    else {
        return Ok(Found::Foreign);
    };
    Ok(if told == sum(body) {
        Found::Ours(body.to_owned())
    } else {
        Found::Edited
    })
}

/// Puts a file of ours at `path`, all at once.
pub(super) fn write(path: &Path, body: &str) -> Result<(), HostDnsError> {
    let text = format!("{HEADING}{}\n{body}", sum(body));
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
            .mode(0o644)
            .open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    })();
    written.map_err(|error| failed(&new, "written", error))?;
    rename(&new, path).inspect_err(|_| drop(fs::remove_file(&new)))
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
