//! Where cgroup v2 and the bpf filesystem are.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{BPF_FS_MAGIC, CGROUP2_SUPER_MAGIC, FsType, statfs};

use crate::DatapathError;

/// Finds where cgroup v2 is mounted: beside v1 it is not at `/sys/fs/cgroup`.
///
/// # Errors
/// If the mount table cannot be read or has no cgroup v2.
pub fn find_cgroup2() -> Result<PathBuf, DatapathError> {
    let table = Path::new("/proc/self/mountinfo");
    let text = fs::read(table).map_err(|source| DatapathError::File {
        path: table.to_owned(),
        action: "read",
        source,
    })?;
    mount_points(&text, b"cgroup2")
        .next()
        .ok_or(DatapathError::NoCgroup2)
}

/// Makes sure that `path` is a bpf filesystem, mounting one if it is not.
///
/// # Errors
/// If the directory cannot be made or nothing can be mounted there.
pub fn ensure_bpffs(path: &Path) -> Result<(), DatapathError> {
    let failed = |action| {
        move |source| DatapathError::File {
            path: path.to_owned(),
            action,
            source,
        }
    };
    if !path.exists() {
        fs::create_dir_all(path).map_err(failed("created"))?;
    }
    if is_bpffs(path) {
        return Ok(());
    }
    let options = Some("mode=0700");
    mount(Some("bpf"), path, Some("bpf"), MsFlags::empty(), options)
        .map_err(|errno| failed("mounted as a bpf filesystem")(io::Error::from(errno)))
}

pub(crate) fn is_bpffs(path: &Path) -> bool {
    is_type(path, BPF_FS_MAGIC)
}

pub(crate) fn is_cgroup2(path: &Path) -> bool {
    is_type(path, CGROUP2_SUPER_MAGIC)
}

fn is_type(path: &Path, wanted: FsType) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == wanted)
}

/// Where filesystems of a type are mounted, after proc(5): the fifth field is the
/// mount point, the type follows the field `-`.
fn mount_points(table: &[u8], wanted: &'static [u8]) -> impl Iterator<Item = PathBuf> {
    table.split(|&byte| byte == b'\n').filter_map(move |line| {
        let mut fields = line.split(|&byte| byte == b' ');
        let point = fields.nth(4)?;
        fields.find(|field| *field == b"-")?;
        (fields.next()? == wanted)
            .then(|| PathBuf::from(std::ffi::OsString::from_vec(plain(point))))
    })
}

/// Blanks, tabs, line ends and backslashes are written as octal escapes.
fn plain(escaped: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((&first, after)) = rest.split_first() {
        let code = after
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if first == b'\\' => {
                bytes.push(byte);
                rest = &after[3..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_is_found_beside_version_1() {
        let table = b"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
            32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
            41 31 0:38 / /mnt/my\\040groups\\134 rw shared:4 master:1 - cgroup2 none rw\n";
        let found: Vec<_> = mount_points(table, b"cgroup2").collect();
        assert_eq!(found, [PathBuf::from("/mnt/my groups\\")]);
    }

    #[test]
    fn broken_lines_are_passed_over() {
        for line in [
            "",
            "a b c",
            "1 2 3 4 /p - ",
            "1 2 3 4 /p rw cgroup2",
            "\\0 \\ \\777 \\4 \\",
        ] {
            assert_eq!(
                mount_points(line.as_bytes(), b"cgroup2").next(),
                None,
                "{line}"
            );
        }
        assert_eq!(plain(b"a\\1"), b"a\\1");
    }
}
