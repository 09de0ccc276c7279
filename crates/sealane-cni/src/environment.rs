//! The variables that a runtime sets.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::{Attachment, Failure, code};

/// Longest container id; runtimes use 64 to 130 characters.
const MAX_CONTAINER: usize = 1024;

/// What a runtime wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Join a network.
    Add,
    /// Leave it.
    Del,
    /// See whether all is as it was.
    Check,
    /// Free what is not in use.
    Gc,
    /// Say whether containers can join.
    Status,
    /// Say which versions are spoken.
    Version,
}

/// The variables, by name, those without the prefix left out.
#[derive(Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, OsString>);

impl Environment {
    pub(crate) fn new(all: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let ours = all.into_iter().filter_map(|(key, value)| {
            let key = key.into_string().ok()?;
            key.starts_with("CNI_").then_some((key, value))
        });
        Self(ours.collect())
    }

    pub(crate) fn verb(&self) -> Result<Verb, Failure> {
        match self.required("CNI_COMMAND")? {
            "ADD" => Ok(Verb::Add),
            "DEL" => Ok(Verb::Del),
            "CHECK" => Ok(Verb::Check),
            "GC" => Ok(Verb::Gc),
            "STATUS" => Ok(Verb::Status),
            "VERSION" => Ok(Verb::Version),
            other => Err(wrong(
                "CNI_COMMAND",
                other,
                "ADD, DEL, CHECK, GC, STATUS or VERSION",
            )),
        }
    }

    pub(crate) fn attachment(&self) -> Result<Attachment, Failure> {
        let (container, ifname) = (
            self.required("CNI_CONTAINERID")?,
            self.required("CNI_IFNAME")?,
        );
        check_container(container)?;
        check_ifname(ifname)?;
        Ok(Attachment {
            container: container.to_owned(),
            ifname: ifname.to_owned(),
        })
    }

    pub(crate) fn netns(&self) -> Result<PathBuf, Failure> {
        let path = self.required("CNI_NETNS")?;
        if path.starts_with('/') {
            return Ok(PathBuf::from(path));
        }
        Err(wrong("CNI_NETNS", path, "an absolute path"))
    }

    /// `CNI_ARGS`: `KEY=value;KEY=value`. Keys that nobody here knows are other
    /// plugins', or those that Kubernetes sends to all.
    pub(crate) fn args(&self) -> Result<Vec<(&str, &str)>, Failure> {
        let Some(text) = self.text("CNI_ARGS")? else {
            return Ok(Vec::new());
        };
        let pairs = text.split(';').filter(|pair| !pair.trim().is_empty());
        pairs
            .map(|pair| {
                let (key, value) = pair
                    .split_once('=')
                    .ok_or_else(|| wrong("CNI_ARGS", pair, "KEY=value, separated by ';'"))?;
                Ok((key.trim(), value.trim()))
            })
            .collect()
    }

    fn required(&self, name: &str) -> Result<&str, Failure> {
        self.text(name)?.ok_or_else(|| {
            let msg = format!("{name} is not set; this program is run by container runtimes");
            Failure::new(code::ENVIRONMENT, msg)
        })
    }

    /// An empty variable counts as none, as in the reference plugins.
    fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let text = value.to_str().ok_or_else(|| {
            let msg = format!("{name} is not UTF-8: {}", value.display());
            Failure::new(code::ENVIRONMENT, msg)
        })?;
        Ok((!text.is_empty()).then_some(text))
    }
}

/// Container ids: a letter or digit, then letters, digits, `_`, `.` and `-`.
pub(crate) fn check_container(id: &str) -> Result<(), Failure> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let first = id.starts_with(|c: char| c.is_ascii_alphanumeric());
    if first && id.len() <= MAX_CONTAINER && id.chars().all(allowed) {
        return Ok(());
    }
    let rule = "a letter or digit, then letters, digits, '_', '.' and '-', at most 1024";
    Err(wrong("CNI_CONTAINERID", id, rule))
}

/// Interface names: what the kernel takes, and the specification.
pub(crate) fn check_ifname(name: &str) -> Result<(), Failure> {
    let forbidden = |c: char| matches!(c, '/' | ':') || c.is_whitespace() || c.is_control();
    if (1..=15).contains(&name.len()) && !matches!(name, "." | "..") && !name.contains(forbidden) {
        return Ok(());
    }
    let rule = "1 to 15 bytes without '/', ':' and white space, not '.' or '..'";
    Err(wrong("CNI_IFNAME", name, rule))
}

fn wrong(variable: &str, value: &str, rule: &str) -> Failure {
    let shown: String = value.chars().take(100).collect();
    Failure::new(
        code::ENVIRONMENT,
        format!(
            "{variable} is '{}'; it must be {rule}",
            shown.escape_debug()
        ),
    )
}
