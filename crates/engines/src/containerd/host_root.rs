//! The host's file system as a container's root.
//!
//! A directory with an empty mount point for each entry of `/` becomes the root,
//! and the entries are bound onto it inside the container's own mount namespace.
//! Refused alternatives: binding `/` as a whole in the host's namespace leaves a
//! mount that a careless recursive removal would follow into the real root, and
//! doubles the mounts with each container where `/` is shared; binding `/` onto
//! the container's `/` is refused by newer runc.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Makes the mount points in `root` and returns what is to be bound: absolute paths
/// on the host that are the same in the container, in order.
///
/// `/proc` is left out of these, since the container gets one of its own. An entry
/// that cannot be looked at, such as a dead network file system, is left out
/// altogether: runc would fail at it.
///
/// # Errors
/// With the path that could not be made.
pub(super) fn make(root: &Path) -> io::Result<Vec<String>> {
    fs::create_dir_all(root)?;
    let mut binds = Vec::new();
    for entry in fs::read_dir("/")? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let (host, point) = (entry.path(), root.join(&name));
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            exists_is_fine(symlink(fs::read_link(&host)?, &point))?;
            continue;
        }
        let Ok(metadata) = fs::metadata(&host) else {
            continue;
        };
        if metadata.is_dir() {
            exists_is_fine(fs::create_dir(&point))?;
        } else if metadata.is_file() {
            exists_is_fine(fs::File::create_new(&point).map(drop))?;
        } else {
            continue;
        }
        if name != "proc" {
            binds.push(format!("/{name}"));
        }
    }
    binds.sort_unstable();
    Ok(binds)
}

fn exists_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        let binds = make(&root).unwrap();
        assert!(
            binds.contains(&"/etc".to_owned()) && binds.contains(&"/dev".to_owned()),
            "{binds:?}"
        );
        assert!(!binds.contains(&"/proc".to_owned()) && root.join("proc").is_dir());
        for path in &binds {
            assert!(root.join(&path[1..]).exists(), "{path}");
        }
        let bin = fs::symlink_metadata("/bin").unwrap();
        assert_eq!(
            bin.is_symlink(),
            fs::symlink_metadata(root.join("bin")).unwrap().is_symlink()
        );
        assert_eq!(make(&root).unwrap(), binds, "it may be repeated");
    }
}
