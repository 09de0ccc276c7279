//! `/etc/resolv.conf`: our resolver first, then those that were there.
//!
//! The former file stays beside it as the very inode that it was, so that whatever it
//! is, a link, its owner, its times, comes back by moving it over ours. The daemon goes
//! on reading the former one, which others may keep up to date behind a link.

use std::fs;
use std::io::ErrorKind;
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
        Found::Edited(_) => true,
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
    let keeps = match (&found, is_there(&kept)) {
        // Without it, what was there before is in there.
        (Found::Ours(_), false) => return Ok(Did::Nothing),
        (Found::Ours(_), true) => false,
        // What was kept is all that there is.
        (Found::Edited(_) | Found::Nothing, true) if force => false,
        (Found::Edited(_), false) if force => true,
        (Found::Foreign | Found::Nothing, false) => true,
        // Somebody put another one there: it is what counts.
        (Found::Foreign, true) if force => true,
        _ => return Err(changed(&path, &kept)),
    };
    if keeps {
        keep(&path, &kept, &found)?;
    }
    rewrite(&path, &kept, &found).inspect_err(|_| {
        // Nothing was replaced, so nothing has to be kept.
        if keeps {
            drop(fs::remove_file(&kept));
        }
    })
}

/// Puts ours there, made of what is kept.
fn rewrite(path: &Path, kept: &Path, found: &Found) -> Result<Did, HostDnsError> {
    let former = match fs::read(kept) {
        Ok(former) => former,
        // A link that leads nowhere is as good as an empty file.
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(sealed::failed(kept, "read", error)),
    };
    let body = body(&String::from_utf8_lossy(&former));
    if *found == Found::Ours(body.clone()) {
        return Ok(Did::Nothing);
    }
    sealed::write(path, &body)?;
    Ok(Did::Changed)
}

pub(super) fn disable(root: &Path, force: bool) -> Result<Did, HostDnsError> {
    let (path, kept) = paths(root);
    forget_attempt(&path, &kept)?;
    match (sealed::look(&path)?, is_there(&kept)) {
        (Found::Foreign | Found::Nothing, false) => Ok(Did::Nothing),
        (Found::Ours(_), true) => restore(&path, &kept),
        (_, true) if force => restore(&path, &kept),
        (Found::Ours(body) | Found::Edited(body), false) if force => {
            sealed::replace(&path, &without_ours(&body)).map(|()| Did::Changed)
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
    match found {
        Found::Nothing => {
            symlink(NOTHING, kept).map_err(|error| sealed::failed(kept, "made", error))
        }
        Found::Edited(body) => sealed::replace(kept, &without_ours(body)),
        // A second name for the file or link itself; moving it away would leave the
        // host without any for a moment.
        Found::Ours(_) | Found::Foreign => sealed::link(path, kept),
    }
}

fn restore(path: &Path, kept: &Path) -> Result<Did, HostDnsError> {
    if fs::read_link(kept).is_ok_and(|target| target == Path::new(NOTHING)) {
        for gone in [path, kept] {
            let removed = fs::remove_file(gone);
            // Others may have removed ours.
            if let Err(error) = removed
                && error.kind() != ErrorKind::NotFound
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
    let mut body = format!("nameserver {}\n", ::dns::SERVICE_ADDRESS);
    for line in without_ours(former).lines() {
        let mut words: Vec<&str> = line.split_whitespace().collect();
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

/// The lines without our resolver.
fn without_ours(text: &str) -> String {
    let ours = ::dns::SERVICE_ADDRESS.to_string();
    let lines = text.lines().filter(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words != ["nameserver", &ours]
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}
