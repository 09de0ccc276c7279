//! Namespaces of callers that do not see the files that the daemon sees.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The path under which the daemon finds what `caller` calls `path`: the path itself,
/// but for runtimes that live in a mount namespace of their own, whose mounts are found
/// through the process that called. That path is good as long as the process is there,
/// which is as long as it waits for its answer.
pub(super) fn seen_from_here(path: &Path, caller: Option<i32>) -> PathBuf {
    let identity = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        Some((found.dev(), found.ino()))
    };
    let through = caller.and_then(|caller| {
        let relative = path.strip_prefix("/").ok()?;
        Some(
            Path::new("/proc")
                .join(format!("{caller}/root"))
                .join(relative),
        )
    });
    match through {
        Some(through) => match identity(&through) {
            Some(theirs) if identity(path) != Some(theirs) => through,
            _ => path.to_owned(),
        },
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_see_keeps_its_name() {
        let me = i32::try_from(std::process::id()).ok();
        let path = Path::new("/proc/self/ns/mnt");
        assert_eq!(seen_from_here(path, me), path);
        assert_eq!(seen_from_here(path, None), path);
        let missing = Path::new("/run/netns/none/here");
        assert_eq!(seen_from_here(missing, me), missing);
        // A caller that is gone: nothing better is known.
        assert_eq!(seen_from_here(path, Some(i32::MAX)), path);
    }
}
