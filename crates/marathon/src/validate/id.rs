//! The app's id and the ids that it depends on.

use model::{AppId, AppIdError};

use crate::definition::Definition;
use crate::rejection::Problems;

/// Last segments that the HTTP API's own paths end with.
const RESERVED: [&str; 5] = ["restart", "tasks", "versions", ".", ".."];

/// The id of the app: the one of the URL, or else the one of the body.
pub(super) fn resolve(
    definition: &Definition,
    url: Option<&AppId>,
    problems: &mut Problems,
) -> Option<AppId> {
    let id = match url {
        Some(id) => id.clone(),
        None => absolute(definition.id.as_deref()?, "/id", problems)?,
    };
    if id
        .segments()
        .next_back()
        .is_some_and(|last| RESERVED.contains(&last))
    {
        problems.add(
            "/id",
            format!(
                "must not end with any of the following reserved keywords: {}",
                RESERVED.join(", ")
            ),
        );
    }
    Some(id)
}

/// The dependencies, resolved against the root, each once.
pub(super) fn dependencies(definition: &Definition, problems: &mut Problems) -> Vec<AppId> {
    let mut ids = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (index, path) in definition.dependencies.iter().flatten().enumerate() {
        if let Some(id) = absolute(path, &format!("/dependencies({index})"), problems)
            && seen.insert(id.clone())
        {
            ids.push(id);
        }
    }
    ids
}

fn absolute(path: &str, place: &str, problems: &mut Problems) -> Option<AppId> {
    match AppId::resolve(path) {
        Ok(id) => Some(id),
        Err(error) => {
            let text = match error {
                AppIdError::Segment(_) => SEGMENT.to_owned(),
                error => error.to_string(),
            };
            problems.add(place, text);
            None
        }
    }
}

/// Marathon's text; reading has refused such ids before, with `error.pattern`.
const SEGMENT: &str = r"must fully match regular expression '^(([a-z0-9]|[a-z0-9][a-z0-9\-]*[a-z0-9])\.)*([a-z0-9]|[a-z0-9][a-z0-9\-]*[a-z0-9])|(\.|\.\.)$'";
