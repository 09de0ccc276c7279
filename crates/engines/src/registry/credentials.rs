//! Credentials as `docker login` stores them.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::RegistryError;

/// A name and a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: String,
    password: String,
}

impl Login {
    /// What to put into `Authorization`.
    pub(super) fn basic(&self) -> String {
        let pair = format!("{}:{}", self.user, self.password);
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({}, …)", self.user)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: HashMap<String, Entry>,
    #[serde(default)]
    cred_helpers: HashMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

/// What the file has for a registry. No file has nothing for anybody.
///
/// # Errors
/// When the file cannot be used.
pub(super) fn find(file: Option<&Path>, registry: &str) -> Result<Option<Login>, RegistryError> {
    let Some(file) = file else {
        return Ok(None);
    };
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(file, error.to_string())),
    };
    read(&text, registry).map_err(|problem| unusable(file, problem))
}

fn unusable(file: &Path, detail: String) -> RegistryError {
    RegistryError::Credentials {
        file: file.display().to_string(),
        detail,
    }
}

/// Never shows what is in the file.
fn read(json: &[u8], registry: &str) -> Result<Option<Login>, String> {
    let file: File = serde_json::from_slice(json)
        .map_err(|error| format!("line {} is not as docker login writes it", error.line()))?;
    let entries = file.auths.iter().filter(|(_, entry)| !entry.is_empty());
    let fitting = entries.filter_map(|(key, entry)| Some((rank(key, registry)?, key, entry)));
    let best = fitting.min_by_key(|(rank, key, _)| (*rank, *key));
    let Some((_, _, entry)) = best else {
        if let Some(helper) = file.cred_helpers.get(registry) {
            return Err(format!(
                "the helper '{helper}' keeps those for {registry}, and helpers are not supported; use 'auths'"
            ));
        }
        return Ok(None);
    };
    if !entry.username.is_empty() {
        return Ok(Some(Login {
            user: entry.username.clone(),
            password: entry.password.clone(),
        }));
    }
    let broken = || format!("'auth' for {registry} is not the base64 form of user:password");
    let bytes = BASE64_STANDARD
        .decode(entry.auth.trim())
        .map_err(|_| broken())?;
    let text = String::from_utf8(bytes).map_err(|_| broken())?;
    let (user, password) = text.split_once(':').ok_or_else(broken)?;
    Ok(Some(Login {
        user: user.to_owned(),
        password: password.trim_end_matches('\0').to_owned(),
    }))
}

impl Entry {
    fn is_empty(&self) -> bool {
        self.auth.is_empty() && self.username.is_empty()
    }
}

/// The key under which Docker's hub is stored.
const HUB: &str = "https://index.docker.io/v1/";

/// How well a key of the file stands for a registry, the least first; `None` when it is
/// about something else. Docker stores a registry by its host, and the hub by an address.
/// Older files have other registries' addresses as well. What is stored for a path below
/// one, such as the hub's `/v1/access-token`, is nothing to log in with.
fn rank(key: &str, registry: &str) -> Option<u8> {
    let is_hub = registry == "docker.io";
    if key == if is_hub { HUB } else { registry } {
        return Some(0);
    }
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let same = host == registry || is_hub && host == "index.docker.io";
    let whole = matches!(path.trim_end_matches('/'), "" | "v1" | "v2");
    (same && whole).then_some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"auths": {
        "https://index.docker.io/v1/": {"auth": "aHViOnB3"},
        "registry.example:5000": {"auth": "YW5uOnA6dw=="},
        "plain.example": {"username": "bob", "password": "pw"},
        "empty.example": {},
        "broken.example": {"auth": "%"}},
        "credHelpers": {"helped.example": "pass"}}"#;

    #[test]
    fn each_registry_has_its_own() {
        for (registry, user, password) in [
            ("docker.io", "hub", "pw"),
            ("registry.example:5000", "ann", "p:w"),
            ("plain.example", "bob", "pw"),
        ] {
            let login = read(FILE.as_bytes(), registry).unwrap().unwrap();
            assert_eq!(
                (login.user.as_str(), login.password.as_str()),
                (user, password)
            );
            assert!(
                !format!("{login:?}").contains("pw"),
                "passwords are not printed"
            );
        }
        for nobody in ["registry.example", "empty.example", "other.example"] {
            assert_eq!(read(FILE.as_bytes(), nobody), Ok(None));
        }
        assert_eq!(
            read(FILE.as_bytes(), "plain.example")
                .unwrap()
                .unwrap()
                .basic(),
            "Basic Ym9iOnB3"
        );
    }

    #[test]
    fn the_key_that_docker_writes_goes_first() {
        let user = |keys: &[&str], registry: &str| {
            let entry = |key: &&str| (*key).to_owned();
            let auths: serde_json::Map<_, _> = keys
                .iter()
                .map(|key| {
                    (
                        entry(key),
                        serde_json::json!({"username": key, "password": "x"}),
                    )
                })
                .collect();
            let file = serde_json::json!({"auths": auths}).to_string();
            read(file.as_bytes(), registry).unwrap().map(|it| it.user)
        };
        let hub = "https://index.docker.io/v1/";
        let token = "https://index.docker.io/v1/access-token";
        for (keys, registry, found) in [
            (&[token, hub, "docker.io"] as &[_], "docker.io", Some(hub)),
            (&[token], "docker.io", None),
            (&["docker.io"], "docker.io", Some("docker.io")),
            (
                &["https://a.example/v1/", "a.example"],
                "a.example",
                Some("a.example"),
            ),
            (
                &["https://a.example/v1/"],
                "a.example",
                Some("https://a.example/v1/"),
            ),
            (&["a.example/group", "b.example"], "a.example", None),
        ] {
            assert_eq!(user(keys, registry).as_deref(), found, "{keys:?}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_without_secrets() {
        for (json, registry, said) in [
            (FILE, "broken.example", "base64"),
            (FILE, "helped.example", "helpers are not supported"),
            (r#"{"auths": {"x": "secret"}}"#, "x", "line 1"),
        ] {
            let error = read(json.as_bytes(), registry).unwrap_err();
            assert!(error.contains(said) && !error.contains("secret"), "{error}");
        }
        let missing = Path::new("/nonexistent/config.json");
        assert!(find(Some(missing), "x").unwrap().is_none());
    }
}
