//! `/etc/resolv.conf`: our resolver first, then those that were there.
//!
//! The former file stays beside it as the very inode that it was, so that whatever it
//! is, a link, its owner, its times, comes back by moving it over ours. The daemon goes
//! on reading the former one, which others may keep up to date behind a link.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use super::sealed::{self, Found};
use super::{Did, HostDnsError, Standing};

/// Where a link that is kept leads if there was nothing to keep.
const NOTHING: &str = "there-was-none";

fn paths(root: &Path) -> (PathBuf, PathBuf) {
    let path = root.join("etc/resolv.conf");
    let kept = ::dns::kept(&path);
    (path, kept)
}

pub(super) fn standing(root: &Path) -> Result<Standing, HostDnsError> {
    let (path, kept) = paths(root);
    let found = sealed::look(&path)?;
    let changed = match &found {
        Found::Ours(_) => false,
        Found::Edited => true,
        Found::Foreign | Found::Nothing => is_there(&kept),
    };
    Ok(Standing {
        enabled: matches!(found, Found::Ours(_)),
        changed: changed.then_some(path),
    })
}

pub(super) fn enable(root: &Path, force: bool) -> Result<Did, HostDnsError> {
    let (path, kept) = paths(root);
    forget_attempt(&path, &kept)?;
    let found = sealed::look(&path)?;
    match &found {
        // Without it, what was there before is in there.
        Found::Ours(_) if !is_there(&kept) => return Ok(Did::Nothing),
        Found::Ours(_) => {}
        Found::Edited if force => {}
        Found::Foreign | Found::Nothing if !is_there(&kept) => keep(&path, &kept, &found)?,
        // Somebody put another one there: it is what counts.
        Found::Foreign | Found::Nothing if force => {
            fs::remove_file(&kept).map_err(|error| sealed::failed(&kept, "removed", error))?;
            keep(&path, &kept, &found)?;
        }
        _ => return Err(changed(&path, &kept)),
    }
    // A link that leads nowhere is as good as an empty file.
    let former = fs::read(&kept).unwrap_or_default();
    let body = body(&String::from_utf8_lossy(&former));
    if found == Found::Ours(body.clone()) {
        return Ok(Did::Nothing);
    }
    sealed::write(&path, &body).inspect_err(|_| {
        // Nothing was replaced, so nothing has to be kept.
        if matches!(found, Found::Foreign | Found::Nothing) {
            drop(fs::remove_file(&kept));
        }
    })?;
    Ok(Did::Changed)
}

pub(super) fn disable(root: &Path, force: bool) -> Result<Did, HostDnsError> {
    let (path, kept) = paths(root);
    forget_attempt(&path, &kept)?;
    match (sealed::look(&path)?, is_there(&kept)) {
        (Found::Foreign | Found::Nothing, false) => Ok(Did::Nothing),
        (Found::Ours(_), true) => restore(&path, &kept),
        (_, true) if force => restore(&path, &kept),
        (Found::Ours(body), false) if force => {
            let first = format!("nameserver {}\n", ::dns::SERVICE_ADDRESS);
            let rest = body.strip_prefix(&first).unwrap_or(&body);
            sealed::replace(&path, rest).map(|()| Did::Changed)
        }
        (Found::Ours(_), false) => Err(HostDnsError::Lost { path, kept }),
        _ => Err(changed(&path, &kept)),
    }
}

/// Undoes what an attempt left that was cut off between keeping and replacing: then
/// both are the same file, and moving one over the other would do nothing.
fn forget_attempt(path: &Path, kept: &Path) -> Result<(), HostDnsError> {
    let inode = |path| fs::symlink_metadata(path).map(|data| (data.dev(), data.ino()));
    match (inode(path), inode(kept)) {
        (Ok(one), Ok(other)) if one == other => {
            fs::remove_file(kept).map_err(|error| sealed::failed(kept, "removed", error))
        }
        _ => Ok(()),
    }
}

/// Keeps what is there, or that nothing is.
fn keep(path: &Path, kept: &Path, found: &Found) -> Result<(), HostDnsError> {
    let done = if *found == Found::Nothing {
        symlink(NOTHING, kept)
    } else {
        // A second name for the file or link itself; moving it away would leave the
        // host without any for a moment.
        fs::hard_link(path, kept)
    };
    done.map_err(|error| sealed::failed(kept, "made", error))
}

fn restore(path: &Path, kept: &Path) -> Result<Did, HostDnsError> {
    if fs::read_link(kept).is_ok_and(|target| target == Path::new(NOTHING)) {
        for gone in [path, kept] {
            let removed = fs::remove_file(gone);
            // Others may have removed ours.
            if let Err(error) = removed
                && error.kind() != std::io::ErrorKind::NotFound
            {
                return Err(sealed::failed(gone, "removed", error));
            }
        }
        return Ok(Did::Changed);
    }
    sealed::rename(kept, path)?;
    Ok(Did::Changed)
}

fn changed(path: &Path, kept: &Path) -> HostDnsError {
    let beside = if is_there(kept) {
        format!(" (what was there before is {})", kept.display())
    } else {
        String::new()
    };
    HostDnsError::Changed {
        path: path.to_owned(),
        beside,
    }
}

fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// The former file's lines behind our resolver. The others come into play when ours is
/// away. They must not take turns with it, since they know nothing of our names.
fn body(former: &str) -> String {
    let ours = ::dns::SERVICE_ADDRESS;
    let mut body = format!("nameserver {ours}\n");
    for line in former.lines() {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if words == ["nameserver", &ours.to_string()] {
            continue;
        }
        if words.first() == Some(&"options") && words.contains(&"rotate") {
            words.retain(|word| *word != "rotate");
            if words.len() > 1 {
                body.push_str(&words.join(" "));
                body.push('\n');
            }
            continue;
        }
        body.push_str(line);
        body.push('\n');
    }
    body
}
