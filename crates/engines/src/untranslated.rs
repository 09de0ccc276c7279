//! Containers of tasks that have opted out of translation, and where they begin.
//!
//! The kernel knows cgroups alone, and a container's own is there only once the
//! container runs. So these containers have a parent of their own: it can be made exempt
//! before any of them starts, and all that is below it is then exempt, too.

use std::path::PathBuf;

use model::Task;

use crate::docker::parent as docker;

/// Parent of cgroups that an engine does not choose by itself, when none is configured.
pub(crate) const PARENT: &str = "/sealane";

/// Last part of the parent of these containers.
const NAME: &str = "untranslated";

/// Whether the task has opted out. A label that makes no sense was refused with its app,
/// and does not opt out.
pub(crate) fn has_opted_out(task: &Task) -> bool {
    vip::translate(&task.labels) == Ok(false)
}

/// Their parent's path below the cgroup root, by the configured parent of all.
pub(crate) fn parent(configured: Option<&str>) -> String {
    match configured.unwrap_or(PARENT).trim_matches('/') {
        "" => format!("/{NAME}"),
        parent => format!("/{parent}/{NAME}"),
    }
}

/// The same for systemd: a slice, by its name.
pub(crate) fn slice(configured: Option<&str>) -> String {
    let configured = configured.unwrap_or("sealane.slice");
    match configured.trim_end_matches(".slice") {
        "-" => format!("{NAME}.slice"),
        parent => format!("{parent}-{NAME}.slice"),
    }
}

/// Where such a parent may have been made with the given configuration, from the root of
/// cgroup v2: the engines' own, and a slice of systemd's.
#[must_use]
pub fn untranslated_parents(configured: Option<&str>) -> Vec<PathBuf> {
    let slice = docker::untranslated(configured, true).ok().flatten();
    let own = PathBuf::from(parent(configured));
    [own].into_iter().chain(slice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_below_the_configured_parent() {
        assert_eq!(parent(None), "/sealane/untranslated");
        assert_eq!(parent(Some("/mine/")), "/mine/untranslated");
        assert_eq!(parent(Some("/")), "/untranslated");
        assert_eq!(slice(None), "sealane-untranslated.slice");
        assert_eq!(slice(Some("a-b.slice")), "a-b-untranslated.slice");
        assert_eq!(slice(Some("-.slice")), "untranslated.slice");
    }
    #[test]
    fn all_places_are_known() {
        let places = |configured| untranslated_parents(configured);
        assert_eq!(
            places(None),
            [
                PathBuf::from("/sealane/untranslated"),
                "/sealane.slice/sealane-untranslated.slice".into()
            ]
        );
        assert_eq!(places(Some("/mine")), [PathBuf::from("/mine/untranslated")]);
    }
}
