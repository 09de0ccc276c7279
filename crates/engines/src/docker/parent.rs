//! The parent of a container's cgroup, as Docker wants it named.
//!
//! Where Docker makes cgroups by itself, a parent is a path. Where systemd makes them, it
//! is the name of a slice, and the dashes in a name tell which slices it lies in.

use std::path::{Path, PathBuf};

use crate::{EngineError, untranslated};

/// What Docker is told; nothing leaves it the choice.
///
/// # Errors
/// [`EngineError::Unsupported`] for what systemd does not take.
pub(super) fn name(
    configured: Option<&str>,
    systemd: bool,
    opted_out: bool,
) -> Result<Option<String>, EngineError> {
    let configured = match configured {
        Some(parent) if systemd => Some(slice(parent)?),
        configured => configured,
    };
    Ok(match (opted_out, systemd) {
        (false, _) => configured.map(str::to_owned),
        (true, false) => Some(untranslated::parent(configured)),
        (true, true) => Some(untranslated::slice(configured)),
    })
}

/// Where the containers of tasks that have opted out are, from the cgroup root.
///
/// # Errors
/// As [`name`].
pub(crate) fn untranslated(
    configured: Option<&str>,
    systemd: bool,
) -> Result<Option<PathBuf>, EngineError> {
    let name = name(configured, systemd, true)?;
    Ok(name.map(|name| match systemd {
        true => place(&name),
        false => PathBuf::from(name),
    }))
}

/// The cgroup of a container whose parent is called so, from the cgroup root.
pub(super) fn cgroup(parent: Option<&str>, systemd: bool, container: &str) -> PathBuf {
    match systemd {
        true => place(parent.unwrap_or("system.slice")).join(format!("docker-{container}.scope")),
        false => {
            let parent = parent.unwrap_or("/docker").trim_start_matches('/');
            Path::new("/").join(parent).join(container)
        }
    }
}

/// The slice that a configured path ends in.
fn slice(parent: &str) -> Result<&str, EngineError> {
    let last = parent.rsplit('/').next().unwrap_or(parent);
    if last.len() > ".slice".len() && last.ends_with(".slice") {
        return Ok(last);
    }
    Err(EngineError::Unsupported(format!(
        "cgroup parent '{parent}' is not a slice, but Docker makes its cgroups through \
         systemd; configure one such as 'sealane.slice', or none"
    )))
}

/// Where systemd has a slice: `a-b.slice` is in `a.slice`, after systemd.slice(5).
fn place(slice: &str) -> PathBuf {
    let stem = slice.trim_end_matches(".slice");
    let dashes = stem.match_indices('-').map(|(at, _)| at);
    let names = dashes
        .chain([stem.len()])
        .filter_map(|end| stem.get(..end))
        .map(|name| format!("{name}.slice"));
    PathBuf::from("/").join(names.collect::<PathBuf>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_below_its_parent() {
        for (parent, systemd, expected) in [
            (None, false, "/docker/abc"),
            (Some("/mine"), false, "/mine/abc"),
            (Some("mine/sub"), false, "/mine/sub/abc"),
            (None, true, "/system.slice/docker-abc.scope"),
            (
                Some("a-b.slice"),
                true,
                "/a.slice/a-b.slice/docker-abc.scope",
            ),
        ] {
            assert_eq!(cgroup(parent, systemd, "abc"), PathBuf::from(expected));
        }
    }

    #[test]
    fn systemd_wants_slices() {
        for wrong in ["/mine", ".slice", "/mine.slice/"] {
            let error = name(Some(wrong), true, false).unwrap_err().to_string();
            assert!(
                error.contains(&format!("'{wrong}'")) && error.contains("slice"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_docker_is_told() {
        let told = |parent, systemd, opted_out| name(parent, systemd, opted_out).unwrap();
        for (parent, systemd, plain, opted_out) in [
            (None, false, None, "/sealane/untranslated"),
            (Some("/mine"), false, Some("/mine"), "/mine/untranslated"),
            (None, true, None, "sealane-untranslated.slice"),
            (
                Some("mine.slice"),
                true,
                Some("mine.slice"),
                "mine-untranslated.slice",
            ),
            (
                Some("/a.slice/a-b.slice"),
                true,
                Some("a-b.slice"),
                "a-b-untranslated.slice",
            ),
        ] {
            assert_eq!(told(parent, systemd, false).as_deref(), plain);
            assert_eq!(told(parent, systemd, true).as_deref(), Some(opted_out));
        }
    }

    #[test]
    fn and_where_that_is() {
        let place = |parent, systemd| untranslated(parent, systemd).unwrap().unwrap();
        for (parent, systemd, expected) in [
            (Some("/mine"), false, "/mine/untranslated"),
            (None, true, "/sealane.slice/sealane-untranslated.slice"),
            (
                Some("/a.slice/a-b.slice"),
                true,
                "/a.slice/a-b.slice/a-b-untranslated.slice",
            ),
            (Some("-.slice"), true, "/untranslated.slice"),
        ] {
            assert_eq!(place(parent, systemd), PathBuf::from(expected));
        }
    }
}
