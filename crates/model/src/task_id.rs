//! Task identifiers.

use std::fmt;
use std::str::FromStr;

use mesos::ContainerType;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::AppId;

/// Longest id, so that it can be a file name.
const MAX_LENGTH: usize = 255;

/// Length of the ids that Docker makes, in hexadecimal digits.
const DOCKER_ID: usize = 64;

/// As many digits of such an id as Docker itself shows.
const SHORT_ID: usize = 12;

/// Why a text is not a task id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a task id: 1 to 255 of a-z, A-Z, 0-9, '.', '_' and '-', beginning with a letter or digit"
)]
pub struct TaskIdError(String);

/// Names one instance of an app: `shop_cart.instance-<uuid>._app.1`, as Marathon does.
/// A container that is nobody's task has one too, `docker.9f86d081884c`.
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

    /// The id that stands for a container which is nobody's task: the engine's name
    /// and the container's id, the latter as short as Docker shows its own. Characters
    /// that no id has become dashes.
    #[must_use]
    pub fn for_container(kind: ContainerType, container: &str) -> Self {
        let engine = match kind {
            ContainerType::Docker => "docker",
            ContainerType::Mesos => "containerd",
        };
        let generated =
            container.len() == DOCKER_ID && container.bytes().all(|byte| byte.is_ascii_hexdigit());
        let length = if generated {
            SHORT_ID
        } else {
            MAX_LENGTH - engine.len() - 1
        };
        let container = container
            .chars()
            .take(length)
            .map(|c| if is_allowed(c) { c } else { '-' });
        Self(format!("{engine}.{}", container.collect::<String>()))
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

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TaskId {
    type Err = TaskIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ok = (1..=MAX_LENGTH).contains(&text.len())
            && text.chars().all(is_allowed)
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

    #[test]
    fn made_from_a_containers_id() {
        let docker = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let long = "é/".repeat(300);
        for (kind, container, expected) in [
            (ContainerType::Docker, docker, "docker.9f86d081884c"),
            (
                ContainerType::Docker,
                &docker[1..],
                &format!("docker.{}", &docker[1..]),
            ),
            (ContainerType::Mesos, "my_job.1", "containerd.my_job.1"),
            (ContainerType::Mesos, "../a b", "containerd...-a-b"),
            (ContainerType::Docker, "", "docker."),
            (
                ContainerType::Docker,
                &long,
                &format!("docker.{}", "-".repeat(248)),
            ),
        ] {
            let id = TaskId::for_container(kind, container);
            assert_eq!(id.as_str(), expected);
            assert_eq!(id.as_str().parse::<TaskId>().unwrap(), id);
        }
    }
}
