//! The mount table of this process.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::mount::{MntFlags, umount2};

/// One line of the mount table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) point: PathBuf,
    pub(crate) kind: String,
}

/// All mounts, parents before what is mounted on them.
pub(crate) fn all() -> Result<Vec<Mount>> {
    let table = fs::read_to_string("/proc/self/mountinfo").context("reading the mount table")?;
    Ok(table.lines().filter_map(parse).collect())
}

/// Unmounts everything at or below `dir`, the innermost first; what is busy goes
/// when its last user does.
pub(crate) fn detach_below(dir: &Path) -> Result<()> {
    for mount in all()?
        .into_iter()
        .rev()
        .filter(|mount| mount.point.starts_with(dir))
    {
        // Another mount's end may have taken this one along.
        let _ = umount2(&mount.point, MntFlags::MNT_DETACH);
    }
    Ok(())
}

/// Deletes `dir`, once nothing is mounted below it any more.
///
/// A mount that cannot be detached stops this: deleting on would follow it to files
/// that are nobody's but the machine's.
pub(crate) fn remove_tree(dir: &Path) -> Result<()> {
    detach_below(dir)?;
    if let Some(mount) = all()?
        .into_iter()
        .find(|mount| mount.point.starts_with(dir))
    {
        bail!("{} is still mounted", mount.point.display());
    }
    fs::remove_dir_all(dir).with_context(|| format!("deleting {}", dir.display()))
}

/// proc(5), mountinfo: the fifth field is the mount point, and the first one after
/// the separator `-` is the kind of file system.
fn parse(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    Some(Mount {
        point: unescape(left.split(' ').nth(4)?),
        kind: right.split(' ').next()?.to_owned(),
    })
}

/// The kernel writes space, tab, newline and backslash as `\` and three octal digits.
fn unescape(text: &str) -> PathBuf {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text
            .get(at + 1..at + 4)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (bytes[at], code) {
            (b'\\', Some(code)) => {
                out.push(code);
                at += 4;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_with_optional_fields() {
        let line = r"40 30 0:35 / /a\040b rw,relatime shared:7 - cgroup2 none rw";
        let mount = parse(line).unwrap();
        assert_eq!(mount.point, Path::new("/a b"));
        assert_eq!(mount.kind, "cgroup2");
    }
}
