//! Containers of tasks that have opted out of translation, and where they begin.
//!
//! The kernel knows cgroups alone, and a container's own is there only once the
//! container runs. So these containers have a parent of their own: it can be made exempt
//! before any of them starts, and all that is below it is then exempt, too.

use model::Task;

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
}
