//! Cgroups of version 2 and the containers in them.
//!
//! Engines name a container's cgroup after its id, alone or as in
//! `docker-<id>.scope`; what is below belongs to the container, too.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use datapath::cgroup_id;

use crate::housekeeping::chain;

/// Characters of an id that Docker or containerd made up.
const GENERATED: usize = 64;

/// The cgroup that a process is in, from the root.
pub(crate) fn of_process(pid: u32) -> io::Result<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    of_table(&text).ok_or_else(|| io::Error::other("the process is in no cgroup of version 2"))
}

/// As above, from what `/proc/<pid>/cgroup` says, after cgroups(7).
fn of_table(text: &str) -> Option<PathBuf> {
    let mut lines = text.lines();
    let path = lines.find_map(|line| line.strip_prefix("0::"))?;
    // One that is outside of what this process can see begins with "/..", a deleted one
    // says so at its end.
    let visible = !path.starts_with("/..") && !path.ends_with(" (deleted)");
    visible.then(|| PathBuf::from(path))
}

/// The whole cgroup of a container, one of whose processes is in `cgroup`; nothing for
/// the root, which is everybody's.
pub(crate) fn whole(cgroup: &Path, container: &str) -> Option<PathBuf> {
    let mut whole = PathBuf::new();
    for component in cgroup.components() {
        whole.push(component);
        if name(component).is_some_and(|name| id(name) == container || name == container) {
            return Some(whole);
        }
    }
    (cgroup != Path::new("/")).then(|| cgroup.to_owned())
}

/// The cgroup of a container by one of its processes, or `parent` if the container is below
/// that; nothing if the process has ended.
///
/// # Errors
/// That the container shares the host's root cgroup, after what it `cannot` do therefore.
pub(crate) fn of_container(
    mount: &Path,
    (container, pid): (&str, u32),
    parent: Option<&Path>,
    cannot: impl FnOnce() -> String,
) -> Result<Option<u64>, String> {
    let Ok(cgroup) = of_process(pid) else {
        return Ok(None);
    };
    let Some(whole) = whole(&cgroup, container) else {
        return Err(format!(
            "{}: it shares the root cgroup with the host; have its engine use cgroup v2",
            cannot()
        ));
    };
    let parent = parent.filter(|parent| whole.starts_with(parent));
    let directory = below(mount, parent.unwrap_or(&whole));
    match cgroup_id(&directory) {
        Ok(id) => Ok(Some(id)),
        Err(_) if !directory.exists() => Ok(None),
        Err(error) => Err(chain(&error)),
    }
}

/// Where a cgroup is below the mount.
pub(crate) fn below(mount: &Path, cgroup: &Path) -> PathBuf {
    mount.join(cgroup.strip_prefix("/").unwrap_or(cgroup))
}

/// The container that a cgroup belongs to, the outermost one: one that is known, or one
/// whose name looks like a container's id.
pub(crate) fn container_in(cgroup: &Path, known: impl Fn(&str) -> bool) -> Option<&str> {
    let names = cgroup.components().filter_map(name);
    names
        .flat_map(|name| [name, id(name)])
        .find(|name| known(name) || is_generated(name))
}

fn name(component: Component<'_>) -> Option<&str> {
    match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    }
}

/// What a unit of systemd is made for.
fn id(name: &str) -> &str {
    let unit = name.strip_suffix(".scope");
    unit.and_then(|unit| unit.rsplit_once('-'))
        .map_or(name, |(_, id)| id)
}

fn is_generated(name: &str) -> bool {
    name.len() == GENERATED && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[test]
    fn the_table_of_a_process_is_read() {
        let hybrid = "1:cpu:/\n0::/docker/abc\n";
        assert_eq!(of_table(hybrid), Some("/docker/abc".into()));
        assert_eq!(of_table("0::/\n"), Some("/".into()));
        for none in ["1:cpu:/a\n", "0::/../b\n", "0::/gone (deleted)\n", ""] {
            assert_eq!(of_table(none), None, "{none}");
        }
        assert!(of_process(std::process::id()).is_ok());
    }

    #[test]
    fn a_container_is_found_however_deep_and_under_systemd_too() {
        let unknown = |_: &str| false;
        for path in [
            format!("/docker/{ID}"),
            format!("/docker/{ID}/init.scope/a-b.service"),
            format!("/system.slice/docker-{ID}.scope"),
            format!("/kube.slice/pod-1/cri-containerd-{ID}.scope/x"),
            format!("/docker/{ID}/docker/{}", ID.replace('9', "8")),
        ] {
            let found = container_in(Path::new(&path), unknown);
            assert_eq!(found, Some(ID), "{path}");
        }
        let service = Path::new("/system.slice/cron.service");
        assert_eq!(container_in(service, unknown), None);
        let ours = Path::new("/sealane/web-1/sub");
        assert_eq!(container_in(ours, |id| id == "web-1"), Some("web-1"));
    }

    #[test]
    fn what_is_below_a_container_is_the_container_too() {
        let whole = |path: &str| whole(Path::new(path), ID);
        let plain = format!("/docker/{ID}");
        assert_eq!(whole(&format!("{plain}/a/b")), Some(plain.into()));
        let unit = format!("/system.slice/docker-{ID}.scope");
        assert_eq!(whole(&format!("{unit}/init")), Some(unit.into()));
        assert_eq!(whole("/elsewhere/x"), Some("/elsewhere/x".into()));
        assert_eq!(whole("/"), None);
    }
}
