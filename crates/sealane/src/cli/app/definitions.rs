//! App definitions as users keep them.

use std::path::{Path, PathBuf};

use model::AppId;
use serde_json::{Map, Value};

use super::super::failure::Failure;

/// Fields that only the API writes. They are left out, so that the output of
/// `sealane app show -o json` can be edited and deployed.
const READ_ONLY: [&str; 11] = [
    "deployments",
    "lastTaskFailure",
    "readinessCheckResults",
    "taskStats",
    "tasks",
    "tasksHealthy",
    "tasksRunning",
    "tasksStaged",
    "tasksUnhealthy",
    "version",
    "versionInfo",
];

/// An app to deploy.
#[derive(Debug, PartialEq)]
pub(super) struct Definition {
    pub(super) id: AppId,
    pub(super) body: Value,
}

/// The apps in `text`, which came from `path`: one app, a list of apps, or an object
/// with `apps` or `app` as the API writes them. `id` replaces the id of a single one.
pub(super) fn parse(
    path: &Path,
    text: &str,
    id: Option<&AppId>,
) -> Result<Vec<Definition>, Failure> {
    let wrong = |problem: String| Failure::Data {
        path: PathBuf::from(path),
        problem,
    };
    let value: Value =
        serde_json::from_str(text).map_err(|error| wrong(format!("this is no JSON: {error}")))?;
    let apps = apps(value).map_err(wrong)?;
    match (apps.len(), id) {
        (0, _) => return Err(wrong("there is no app in it".to_owned())),
        (1, _) | (_, None) => {}
        (number, Some(_)) => {
            return Err(wrong(format!(
                "--id needs exactly one app, and here are {number}"
            )));
        }
    }
    let define =
        |(index, app)| define(app, id).map_err(|problem| wrong(format!("app {index}: {problem}")));
    apps.into_iter().enumerate().map(define).collect()
}

fn apps(value: Value) -> Result<Vec<Value>, String> {
    let mut object = match value {
        Value::Array(list) => return Ok(list),
        Value::Object(object) => object,
        _ => return Err("expected an app or a list of apps".to_owned()),
    };
    if object.contains_key("groups") {
        return Err("groups cannot be deployed; give their apps, with absolute ids".to_owned());
    }
    match (object.remove("apps"), object.remove("app")) {
        (Some(Value::Array(list)), _) => Ok(list),
        (None, Some(app @ Value::Object(_))) => Ok(vec![app]),
        (None, None) => Ok(vec![Value::Object(object)]),
        _ => Err("'apps' must be a list, and 'app' an object".to_owned()),
    }
}

fn define(app: Value, id: Option<&AppId>) -> Result<Definition, String> {
    let Value::Object(mut body) = app else {
        return Err("expected an object".to_owned());
    };
    for field in READ_ONLY {
        body.remove(field);
    }
    let id = match id {
        Some(id) => id.clone(),
        None => own_id(&body)?,
    };
    body.insert("id".to_owned(), id.as_str().into());
    Ok(Definition {
        id,
        body: Value::Object(body),
    })
}

fn own_id(body: &Map<String, Value>) -> Result<AppId, String> {
    let id = match body.get("id") {
        Some(Value::String(id)) => id,
        Some(other) => return Err(format!("'id' must be a text, not {other}")),
        None => return Err("it has no 'id'; write one, or give --id".to_owned()),
    };
    AppId::resolve(id).map_err(|error| format!("'id' is '{id}': {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ids(text: &str) -> Result<Vec<String>, String> {
        let definitions =
            parse(Path::new("x.json"), text, None).map_err(|error| error.to_string())?;
        Ok(definitions
            .into_iter()
            .map(|definition| definition.id.to_string())
            .collect())
    }

    #[test]
    fn every_form() {
        for (text, expected) in [
            (r#"{"id": "a"}"#, vec!["/a"]),
            (r#"[{"id": "a"}, {"id": "/b/c"}]"#, vec!["/a", "/b/c"]),
            (r#"{"apps": [{"id": "a"}]}"#, vec!["/a"]),
            (r#"{"app": {"id": "a", "tasksRunning": 1}}"#, vec!["/a"]),
        ] {
            assert_eq!(ids(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_and_where() {
        for (text, problem) in [
            (
                "{",
                "x.json: this is no JSON: EOF while parsing an object at line 1 column 1",
            ),
            ("3", "x.json: expected an app or a list of apps"),
            ("[]", "x.json: there is no app in it"),
            (
                "{}",
                "x.json: app 0: it has no 'id'; write one, or give --id",
            ),
            (
                r#"[{"id": "a"}, {"id": 3}]"#,
                "x.json: app 1: 'id' must be a text, not 3",
            ),
            (
                r#"{"id": "/", "groups": []}"#,
                "x.json: groups cannot be deployed; give their apps, with absolute ids",
            ),
        ] {
            assert_eq!(ids(text).unwrap_err(), problem, "{text}");
        }
    }

    #[test]
    fn another_id_and_nothing_read_only() {
        let id = AppId::resolve("/test/a").unwrap();
        let text = r#"{"app": {"id": "a", "version": "x", "cmd": "true"}}"#;
        let definitions = parse(Path::new("-"), text, Some(&id)).unwrap();
        assert_eq!(definitions[0].body, json!({"id": "/test/a", "cmd": "true"}));
        let two = r#"[{"id": "a"}, {"id": "b"}]"#;
        assert!(parse(Path::new("-"), two, Some(&id)).is_err());
    }
}
