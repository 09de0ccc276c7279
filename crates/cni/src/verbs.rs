//! The commands that ask and change nothing: CHECK and STATUS.

use serde_json::Value;

use crate::join::base;
use crate::plugin::locate;
use crate::{CniError, NetworkConfig, PluginConfig, Runtime, Version};

impl Runtime {
    /// CHECK: asks whether a joined network is as ADD left it. Plugins spoken to in a
    /// version below 0.4.0, networks that disable it, and interfaces without a result
    /// pass.
    ///
    /// # Errors
    /// The first plugin's failure.
    pub async fn check(&self, container: &str, ifname: &str) -> Result<(), CniError> {
        let (id, name) = (container.to_owned(), ifname.to_owned());
        let Some(record) = self
            .on_disk(move |records| records.read(&id, &name))
            .await?
        else {
            return Ok(());
        };
        let config = record.network()?;
        if record.result.is_none() || config.disable_check {
            return Ok(());
        }
        let netns = Some(record.join.netns.as_path());
        let previous = record.result.as_ref();
        let able = config
            .plugins
            .iter()
            .filter(|p| p.version >= Version::CHECK);
        for plugin in able {
            self.one(&config, &record.join, plugin, "CHECK", previous, netns)
                .await?;
        }
        Ok(())
    }

    /// STATUS: asks whether a network could take containers now: whether its plugins
    /// are there, speak a version that it offers, and, from version 1.1.0 on, say that
    /// they are ready.
    ///
    /// # Errors
    /// The first plugin's failure; its [`CniError::code`] 50 means not available, 51
    /// that living containers may be cut off too.
    pub async fn status(&self, config: &NetworkConfig) -> Result<(), CniError> {
        if let Some(missing) = self.missing(config).into_iter().next() {
            return Err(missing);
        }
        let agreed = self.agreed(config).await?;
        for plugin in &agreed.plugins {
            if plugin.version >= Version::NEWEST {
                let stdin = Value::Object(base(&agreed, plugin)).to_string();
                self.about_nobody(plugin, "STATUS", stdin.as_bytes())
                    .await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn about_nobody(
        &self,
        plugin: &PluginConfig,
        verb: &'static str,
        stdin: &[u8],
    ) -> Result<(), CniError> {
        let path = locate(&plugin.kind, &self.plugin_dirs)?;
        let env = self.env(verb, None, None);
        self.run(plugin, &path, verb, &env, stdin)
            .output()
            .await
            .map(|_| ())
    }
}
