//! What follows `/v2/apps/`: an app's id, which contains slashes, and what of it is
//! meant. Ids never end with the words that are special here.

use model::{AppId, AppIdError};

use crate::refusal::Refusal;

/// An app's id as it was written in a URL; perhaps not one at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathId(String);

impl PathId {
    /// The id of an app that is looked for.
    pub(crate) fn app(&self) -> Result<AppId, Refusal> {
        self.resolve().map_err(|_| Refusal::NoApp(self.0.clone()))
    }

    /// The id of an app that may be made.
    pub(crate) fn resolve(&self) -> Result<AppId, AppIdError> {
        AppId::resolve(&self.0)
    }

    /// Whether an app lies in the group that this is the id of; the root is `/`.
    pub(crate) fn is_group_of(&self, app: &AppId) -> bool {
        match app.as_str().strip_prefix(self.0.as_str()) {
            Some(rest) => self.0 == "/" || rest.starts_with('/'),
            None => false,
        }
    }
}

/// What a path below `/v2/apps/` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AppPath {
    /// `{id}`
    App(PathId),
    /// `{group}/*`
    Group(PathId),
    /// `{id}/restart`
    Restart(PathId),
    /// `{id}/tasks`
    Tasks(PathId),
    /// `{group}/*/tasks`
    GroupTasks(PathId),
    /// `{id}/tasks/{task}`
    Task(PathId, String),
    /// `{id}/versions`
    Versions(PathId),
    /// `{id}/versions/{version}`
    Version(PathId, String),
}

impl AppPath {
    /// Splits what follows `/v2/apps/`, already decoded; slashes collapse.
    ///
    /// `None` when no id is left.
    pub(crate) fn split(rest: &str) -> Option<Self> {
        let segments: Vec<&str> = rest
            .split('/')
            .filter(|segment| !segment.is_empty())
            .collect();
        let id = |segments: &[&str]| PathId(format!("/{}", segments.join("/")));
        Some(match segments.as_slice() {
            [] | ["restart" | "tasks" | "versions"] => return None,
            [group @ .., "*"] => Self::Group(id(group)),
            [group @ .., "*", "tasks"] => Self::GroupTasks(id(group)),
            [app @ .., "restart"] => Self::Restart(id(app)),
            [app @ .., "tasks"] => Self::Tasks(id(app)),
            [app @ .., "versions"] => Self::Versions(id(app)),
            [app @ .., "tasks", task] if !app.is_empty() => Self::Task(id(app), (*task).to_owned()),
            [app @ .., "versions", version] if !app.is_empty() => {
                Self::Version(id(app), (*version).to_owned())
            }
            app => Self::App(id(app)),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(text: &str) -> PathId {
        PathId(text.to_owned())
    }

    #[test]
    fn ids_and_verbs() {
        for (rest, expected) in [
            ("a", AppPath::App(id("/a"))),
            ("/a", AppPath::App(id("/a"))),
            ("a//b/c/", AppPath::App(id("/a/b/c"))),
            ("*", AppPath::Group(id("/"))),
            ("a/b/*", AppPath::Group(id("/a/b"))),
            ("a/*/tasks", AppPath::GroupTasks(id("/a"))),
            ("a/b/restart", AppPath::Restart(id("/a/b"))),
            ("a/restart/b", AppPath::App(id("/a/restart/b"))),
            ("a/tasks", AppPath::Tasks(id("/a"))),
            ("/a/b//tasks/t.1", AppPath::Task(id("/a/b"), "t.1".into())),
            ("a/versions", AppPath::Versions(id("/a"))),
            ("a/versions/v", AppPath::Version(id("/a"), "v".into())),
            ("tasks/a", AppPath::App(id("/tasks/a"))),
            ("a/versions/tasks", AppPath::Tasks(id("/a/versions"))),
        ] {
            assert_eq!(AppPath::split(rest), Some(expected), "{rest}");
        }
        for nothing in ["", "/", "//", "tasks", "/versions/", "restart"] {
            assert_eq!(AppPath::split(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn groups_hold_apps() {
        let app = AppId::resolve("/a/b/c").unwrap();
        for (group, holds) in [
            ("/", true),
            ("/a", true),
            ("/a/b", true),
            ("/a/b/c", false),
            ("/a/bb", false),
            ("/b", false),
        ] {
            assert_eq!(id(group).is_group_of(&app), holds, "{group}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_split(rest in "(/|tasks|versions|restart|\\*|\\PC){0,12}") {
            let _ = AppPath::split(&rest);
        }
    }
}
