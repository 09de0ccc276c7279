//! Task identifiers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::AppId;

/// Why a text is not a task id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a task id: 1 to 255 of a-z, A-Z, 0-9, '.', '_' and '-', beginning with a letter or digit"
)]
pub struct TaskIdError(String);

/// Names one instance of an app: `shop_cart.instance-<uuid>._app.1`, as Marathon does.
///
/// The text is safe as a file name, a container name and a CNI container id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(String);

impl TaskId {
    /// The id of the instance `unique` (a UUID's text) of `app`.
    #[must_use]
    pub fn for_instance(app: &AppId, unique: &str) -> Self {
        Self(format!("{}.instance-{unique}._app.1", app.task_prefix()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Marathon's instance id: the task id up to `._app.`.
    #[must_use]
    pub fn instance(&self) -> &str {
        self.0.split("._app.").next().unwrap_or(&self.0)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TaskId {
    type Err = TaskIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let ok = (1..=255).contains(&text.len())
            && text.chars().all(allowed)
            && text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if ok {
            Ok(Self(text.to_owned()))
        } else {
            Err(TaskIdError(text.to_owned()))
        }
    }
}

impl Serialize for TaskId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TaskId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_from_an_app_id() {
        let app = AppId::resolve("/a/b").unwrap();
        let id = TaskId::for_instance(&app, "11111111-2222-3333-4444-555555555555");
        assert_eq!(
            id.as_str(),
            "a_b.instance-11111111-2222-3333-4444-555555555555._app.1"
        );
        assert_eq!(
            id.instance(),
            "a_b.instance-11111111-2222-3333-4444-555555555555"
        );
        assert_eq!(id.as_str().parse::<TaskId>().unwrap(), id);
        assert!("../etc".parse::<TaskId>().is_err());
        assert!("a/b".parse::<TaskId>().is_err());
    }
}
