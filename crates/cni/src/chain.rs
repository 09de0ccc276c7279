//! The plugins of one network, run one after the other.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use crate::convert::convert;
use crate::plugin::locate;
use crate::{AddResult, CniError, Join, NetworkConfig, PluginConfig, Runtime, Version};

/// Error code of the specification: "the container is unknown, nothing to clean up".
const UNKNOWN_CONTAINER: u64 = 3;

/// How far an ADD came.
#[derive(Default)]
pub(crate) struct Tried {
    /// Plugins that were started, the failed one included.
    pub(crate) count: usize,
    /// The last good result.
    pub(crate) previous: Option<Value>,
}

impl Runtime {
    /// ADD of all plugins, each told the result of the one before in its own version.
    pub(crate) async fn add_all(
        &self,
        config: &NetworkConfig,
        join: &Join,
        tried: &mut Tried,
    ) -> Result<AddResult, CniError> {
        let mut result = AddResult::default();
        let mut before: Option<&PluginConfig> = None;
        for plugin in &config.plugins {
            let previous = match (&tried.previous, before) {
                (Some(value), Some(before)) => Some(told(value, before, plugin)?),
                _ => None,
            };
            let stdin = join.stdin(config, plugin, previous.as_ref())?;
            let path = locate(&plugin.kind, &self.plugin_dirs)?;
            let env = self.env("ADD", Some(join), Some(&join.netns));
            let run = self.run(plugin, &path, "ADD", &env, &stdin);
            let printed = run.output().await;
            // What could not be started did nothing that would have to be undone.
            tried.count += usize::from(!matches!(printed, Err(CniError::Spawn { .. })));
            let mut value = run.json(&printed?)?;
            result = AddResult::from_value(&value).map_err(|detail| run.unusable(detail))?;
            if let Some(object) = value.as_object_mut() {
                // A result without a version is one in the configuration's.
                object
                    .entry("cniVersion")
                    .or_insert_with(|| plugin.version.to_string().into());
            }
            tried.previous = Some(value);
            before = Some(plugin);
        }
        Ok(result)
    }

    /// DEL of the plugins given, in that order, past errors, which are returned.
    pub(crate) async fn del_all(
        &self,
        config: &NetworkConfig,
        join: &Join,
        plugins: &[&PluginConfig],
        previous: Option<&Value>,
        netns: Option<&Path>,
    ) -> Vec<String> {
        // Plugins fail at a path that is left of a namespace, and would for ever.
        let netns = netns.filter(|path| is_namespace(path));
        let mut problems = Vec::new();
        for plugin in plugins {
            match self.one(config, join, plugin, "DEL", previous, netns).await {
                Ok(())
                | Err(CniError::Plugin {
                    code: UNKNOWN_CONTAINER,
                    ..
                }) => {}
                Err(error) => problems.push(with_cause(&error)),
            }
        }
        problems
    }

    /// One command after ADD, of which no result is wanted.
    pub(crate) async fn one(
        &self,
        config: &NetworkConfig,
        join: &Join,
        plugin: &PluginConfig,
        verb: &'static str,
        previous: Option<&Value>,
        netns: Option<&Path>,
    ) -> Result<(), CniError> {
        // A result that was told at ADD has this form too.
        let previous = previous
            .filter(|_| plugin.version >= Version::CHECK)
            .and_then(|value| convert(value, plugin.version).ok());
        let stdin = join.stdin(config, plugin, previous.as_ref())?;
        let path = locate(&plugin.kind, &self.plugin_dirs)?;
        let env = self.env(verb, Some(join), netns);
        self.run(plugin, &path, verb, &env, &stdin)
            .output()
            .await
            .map(|_| ())
    }
}

/// What one plugin is told of the result of the one before it.
fn told(result: &Value, before: &PluginConfig, plugin: &PluginConfig) -> Result<Value, CniError> {
    convert(result, plugin.version).map_err(|detail| CniError::Output {
        plugin: before.kind.clone(),
        verb: "ADD",
        detail: format!(
            "it has no form in version {}, in which '{}' is spoken to: {detail}",
            plugin.version, plugin.kind
        ),
    })
}

/// Whether a path still leads to a namespace: those all are on one file system.
fn is_namespace(path: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|found| found.dev());
    match (device(path), device(Path::new("/proc/self/ns/net"))) {
        (Ok(found), Ok(namespaces)) => found == namespaces,
        (found, _) => found.is_ok(),
    }
}

/// An error with its cause on one line, for lists of problems.
pub(crate) fn with_cause(error: &CniError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
