//! Files of a container's root file system before anything is mounted.
//!
//! The users of an image are needed to write its specification, which is earlier
//! than runc mounts the snapshot. Mounting it here as well would need clean-up;
//! reading the layers' directories does not.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use containerd_client::types::Mount;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

/// Users' files are kilobytes; a longer one is not read to its end.
const LIMIT: u64 = 4 * 1024 * 1024;

/// Text of the file at `path` as the mounts would show it; empty when there is none.
pub(super) fn text(mounts: &[Mount], path: &str) -> String {
    let mut text = Vec::new();
    let read = |file: File| file.take(LIMIT).read_to_end(&mut text);
    match open(mounts, path, OFlag::O_RDONLY | OFlag::O_NONBLOCK).map(read) {
        Some(Ok(_)) => String::from_utf8_lossy(&text).into_owned(),
        _ => String::new(),
    }
}

/// `user:group` with each path in it replaced by the number of the file's owner, as AppC
/// has it; what is no path, or leads nowhere, stays.
pub(super) fn owned(mounts: &[Mount], user: &str) -> String {
    if !user.contains('/') {
        return user.to_owned();
    }
    let metadata = |path: &str| {
        let file = open(mounts, path.strip_prefix('/')?, OFlag::O_PATH)?;
        file.metadata().ok()
    };
    let (user, group) = user.split_once(':').unwrap_or((user, ""));
    let uid = metadata(user).map_or_else(|| user.to_owned(), |it| it.uid().to_string());
    match group {
        "" => uid,
        group => {
            let gid = metadata(group).map_or_else(|| group.to_owned(), |it| it.gid().to_string());
            format!("{uid}:{gid}")
        }
    }
}

/// The file at `path` as the mounts would show it.
fn open(mounts: &[Mount], path: &str, flags: OFlag) -> Option<File> {
    for layer in layers(mounts) {
        let Ok(root) = File::open(&layer) else {
            continue;
        };
        // The image decides what is in its layers: no link may lead out of them.
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT);
        let Ok(file) = openat2(&root, path, how.mode(Mode::empty())) else {
            continue;
        };
        let file = File::from(file);
        // What an upper layer deleted is a character device there (overlayfs, "whiteouts").
        let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
        return is_file.then_some(file);
    }
    None
}

/// Directories that are stacked, the top one first.
fn layers(mounts: &[Mount]) -> Vec<PathBuf> {
    let Some(mount) = mounts.last() else {
        return Vec::new();
    };
    if mount.r#type != "overlay" {
        return vec![Path::new(&mount.source).to_owned()];
    }
    let option = |name: &str| {
        mount
            .options
            .iter()
            .find_map(|option| option.strip_prefix(name))
            .unwrap_or_default()
    };
    std::iter::once(option("upperdir="))
        .chain(option("lowerdir=").split(':'))
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_top_layer_wins_and_links_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        let layer = |name: &str| {
            let path = dir.path().join(name).join("etc");
            fs::create_dir_all(&path).unwrap();
            path
        };
        let (upper, middle, lower) = (layer("upper"), layer("middle"), layer("lower"));
        fs::write(lower.join("passwd"), "lower").unwrap();
        fs::write(middle.join("passwd"), "middle").unwrap();
        fs::write(lower.join("group"), "lower").unwrap();
        symlink("/etc/shadow", upper.join("secret")).unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let overlay = Mount {
            r#type: "overlay".into(),
            options: vec![
                "index=off".into(),
                format!("upperdir={}", path("upper")),
                format!("lowerdir={}:{}", path("middle"), path("lower")),
            ],
            ..Mount::default()
        };
        let mounts = [overlay];
        assert_eq!(text(&mounts, "etc/passwd"), "middle");
        assert_eq!(text(&mounts, "etc/group"), "lower");
        assert_eq!(text(&mounts, "etc/secret"), "");
        assert_eq!(text(&mounts, "etc/none"), "");
        let bind = Mount {
            r#type: "bind".into(),
            source: path("lower"),
            ..Mount::default()
        };
        assert_eq!(text(&[bind], "etc/passwd"), "lower");
        assert_eq!(text(&[], "etc/passwd"), "");
        let own = fs::metadata(lower.join("group")).unwrap();
        let (uid, gid) = (own.uid(), own.gid());
        assert_eq!(
            owned(&mounts, "/etc/group:/etc/group"),
            format!("{uid}:{gid}")
        );
        assert_eq!(owned(&mounts, "/etc/passwd"), uid.to_string());
        assert_eq!(owned(&mounts, "web:/etc/none"), "web:/etc/none");
    }
}
