//! Network configurations: lists of plugins, and single plugins made into lists.
//!
//! Rules are those of the specification (SPEC.md section 1) with libcni's
//! leniencies: a configuration without a version means 0.1.0, and booleans may be
//! texts. Of several versions offered, those newer than we speak are left out;
//! which of the rest is used depends on the plugins (`agree`).
//!
//! A key of the wrong type is refused, also where it could be left out: a capability
//! that is silently off, or a filter that is silently missing, is found much later.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::{CniError, Version};

/// One plugin of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginConfig {
    /// Its type: the file name of its program.
    pub kind: String,
    /// The type of the address plugin that it delegates to.
    pub ipam: Option<String>,
    /// What it declares that it can use of `runtimeConfig`.
    pub capabilities: BTreeSet<String>,
    /// The version that it is spoken to in.
    pub version: Version,
    /// The whole object as written.
    pub(crate) object: Map<String, Value>,
}

/// A network: a name and its plugins in order.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkConfig {
    /// Its name.
    pub name: String,
    /// The newest version that it offers and we speak.
    pub version: Version,
    /// All versions that it offers and we speak, newest first.
    pub(crate) offered: Vec<Version>,
    /// Whether CHECK is to be left out.
    pub disable_check: bool,
    /// Whether GC is to be left out.
    pub disable_gc: bool,
    /// Whether plugins come from the list alone and not from a directory beside it.
    pub(crate) only_inlined: bool,
    /// Its plugins in the order of ADD.
    pub plugins: Vec<PluginConfig>,
}

impl NetworkConfig {
    /// Reads a list, or a single plugin that is made into a list of one; what has
    /// `plugins` is a list. `file` is for messages.
    ///
    /// # Errors
    /// [`CniError::Config`] names the first thing that is wrong.
    pub fn parse(text: &[u8], file: &str) -> Result<Self, CniError> {
        let value = serde_json::from_slice(text)
            .map_err(|error| bad(file, format!("it is not JSON: {error}")))?;
        let config = Self::from_value(value, file)?;
        config.complete(file)
    }

    /// As [`NetworkConfig::parse`], but a list may lack plugins still.
    pub(crate) fn from_value(value: Value, file: &str) -> Result<Self, CniError> {
        let Value::Object(mut object) = value else {
            return Err(bad(file, "it is not a JSON object"));
        };
        let name = text(&object, "name", file)?.unwrap_or_default().to_owned();
        check_name("network name", &name).map_err(|error| bad(file, error.to_string()))?;
        let offered = offered(&object, file)?;
        let version = offered.first().copied().unwrap_or(Version::OLDEST);
        let disable_check = boolean(&object, "disableCheck", file)?;
        let disable_gc = boolean(&object, "disableGC", file)?;
        let only_inlined = boolean(&object, "loadOnlyInlinedPlugins", file)?;
        let (plugins, only_inlined) = match object.remove("plugins") {
            Some(Value::Array(plugins)) => (plugins, only_inlined),
            None if object.contains_key("type") => (vec![Value::Object(object)], true),
            None if !only_inlined => (Vec::new(), false),
            Some(Value::Null) | None => {
                return Err(bad(file, "it has neither 'plugins' nor 'type'"));
            }
            Some(_) => return Err(bad(file, "'plugins' is not a list")),
        };
        let plugins = plugins
            .into_iter()
            .enumerate()
            .map(|(index, plugin)| PluginConfig::from_value(plugin, index, version, file))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            name,
            version,
            offered,
            disable_check,
            disable_gc,
            only_inlined,
            plugins,
        })
    }

    pub(crate) fn complete(self, file: &str) -> Result<Self, CniError> {
        if self.plugins.is_empty() {
            return Err(bad(
                file,
                "it has no plugins: give 'plugins' or a single 'type'",
            ));
        }
        Ok(self)
    }

    /// The list as JSON, for records; it parses to the same configuration.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let offered: Vec<String> = self.offered.iter().map(ToString::to_string).collect();
        let plugins: Vec<Value> = self
            .plugins
            .iter()
            .map(|plugin| Value::Object(plugin.object.clone()))
            .collect();
        serde_json::json!({
            "name": self.name,
            "cniVersion": self.version.to_string(),
            "cniVersions": offered,
            "disableCheck": self.disable_check,
            "disableGC": self.disable_gc,
            "loadOnlyInlinedPlugins": self.only_inlined,
            "plugins": plugins,
        })
    }
}

impl PluginConfig {
    /// A plugin with nothing but its type, to ask about itself.
    pub(crate) fn named(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            ipam: None,
            capabilities: BTreeSet::new(),
            version: Version::NEWEST,
            object: Map::new(),
        }
    }

    pub(crate) fn from_value(
        value: Value,
        index: usize,
        version: Version,
        file: &str,
    ) -> Result<Self, CniError> {
        let Value::Object(object) = value else {
            return Err(bad(file, format!("plugin {index} is not a JSON object")));
        };
        let kind = text(&object, "type", file)?
            .ok_or_else(|| bad(file, format!("plugin {index} has no 'type'")))?;
        let kind = program_name(kind, file)?;
        let ipam = match object_in(&object, "ipam", &kind, file)? {
            Some(ipam) => match text(ipam, "type", file)? {
                Some("") | None => None,
                Some(kind) => Some(program_name(kind, file)?),
            },
            None => None,
        };
        let mut capabilities = BTreeSet::new();
        if let Some(declared) = object_in(&object, "capabilities", &kind, file)? {
            for name in declared.keys() {
                if boolean(declared, name, file)? {
                    capabilities.insert(name.clone());
                }
            }
        }
        object_in(&object, "args", &kind, file)?;
        Ok(Self {
            kind,
            ipam,
            capabilities,
            version,
            object,
        })
    }
}

/// An object within a plugin's; null is none.
fn object_in<'a>(
    object: &'a Map<String, Value>,
    key: &str,
    kind: &str,
    file: &str,
) -> Result<Option<&'a Map<String, Value>>, CniError> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(found)) => Ok(Some(found)),
        Some(_) => Err(bad(file, format!("'{key}' of '{kind}' is no object"))),
    }
}

/// Names of networks and containers: `^[a-zA-Z0-9][a-zA-Z0-9_.\-]*$`.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), CniError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(allowed) {
        return Ok(());
    }
    let rule = "a letter or digit, then letters, digits, '_', '.' and '-'";
    Err(CniError::Argument {
        what,
        value: name.to_owned(),
        rule,
    })
}

/// Names of interfaces: what the kernel takes, and the specification.
pub(crate) fn check_ifname(name: &str) -> Result<(), CniError> {
    let forbidden = |c: char| matches!(c, '/' | ':') || c.is_whitespace() || c.is_control();
    if (1..=15).contains(&name.len()) && !matches!(name, "." | "..") && !name.contains(forbidden) {
        return Ok(());
    }
    let rule = "1 to 15 bytes without '/', ':' and white space, not '.' or '..'";
    Err(CniError::Argument {
        what: "interface name",
        value: name.to_owned(),
        rule,
    })
}

/// A type names a file of the plugin directories and must not lead out of them.
fn program_name(kind: &str, file: &str) -> Result<String, CniError> {
    if kind.is_empty() || matches!(kind, "." | "..") || kind.contains(['/', '\0']) {
        return Err(bad(
            file,
            format!("'{}' is not a plugin's file name", kind.escape_debug()),
        ));
    }
    Ok(kind.to_owned())
}

/// The versions that `cniVersion` and `cniVersions` name and we speak, newest first.
fn offered(object: &Map<String, Value>, file: &str) -> Result<Vec<Version>, CniError> {
    let mut named = Vec::new();
    match object.get("cniVersions") {
        None | Some(Value::Null) => {}
        Some(Value::Array(more)) => {
            for one in more {
                let one = one
                    .as_str()
                    .ok_or_else(|| bad(file, "'cniVersions' is not a list of texts"))?;
                named.push(one);
            }
        }
        Some(_) => return Err(bad(file, "'cniVersions' is not a list of texts")),
    }
    let own = text(object, "cniVersion", file)?.unwrap_or_default();
    if !own.is_empty() || named.is_empty() {
        named.push(own);
    }
    let mut versions = Vec::new();
    for text in &named {
        let version = Version::parse(text).ok_or_else(|| {
            let detail = format!(
                "cniVersion '{}' is not of the form 1.0.0",
                text.escape_debug()
            );
            bad(file, detail)
        })?;
        versions.push(version);
    }
    versions.retain(|version| version.is_spoken());
    versions.sort_unstable();
    versions.dedup();
    versions.reverse();
    if versions.is_empty() {
        let newest = Version::NEWEST;
        let detail = format!("cniVersion {} is not one up to {newest}", named.join(", "));
        return Err(bad(file, detail));
    }
    Ok(versions)
}

fn text<'a>(
    object: &'a Map<String, Value>,
    key: &str,
    file: &str,
) -> Result<Option<&'a str>, CniError> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(bad(file, format!("'{key}' is not a text"))),
    }
}

fn boolean(object: &Map<String, Value>, key: &str, file: &str) -> Result<bool, CniError> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(on)) => Ok(*on),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(bad(file, format!("'{key}' is not true or false"))),
    }
}

pub(crate) fn bad(file: &str, detail: impl Into<String>) -> CniError {
    CniError::Config {
        file: file.to_owned(),
        detail: detail.into(),
    }
}

#[cfg(test)]
mod tests;
