//! The commands beside ADD and DEL: CHECK, STATUS, GC and VERSION.

use serde_json::{Value, json};

use crate::join::base;
use crate::plugin::locate;
use crate::{CniError, NetworkConfig, PluginConfig, Runtime, Version};

impl Runtime {
    /// CHECK: asks whether a joined network is as ADD left it. Networks below
    /// version 0.4.0, ones that disable it, and interfaces without a result pass.
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
        if record.result.is_none() || config.disable_check || config.version < Version::CHECK {
            return Ok(());
        }
        let netns = Some(record.join.netns.as_path());
        for plugin in &config.plugins {
            self.one(
                &config,
                &record.join,
                plugin,
                "CHECK",
                record.result.as_ref(),
                netns,
            )
            .await?;
        }
        Ok(())
    }

    /// STATUS: asks whether a network could take containers now. Networks below
    /// version 1.1.0 pass.
    ///
    /// # Errors
    /// The first plugin's failure; its code 50 means not available, 51 that living
    /// containers may be limited too.
    pub async fn status(&self, config: &NetworkConfig) -> Result<(), CniError> {
        if config.version < Version::NEWEST {
            return Ok(());
        }
        for plugin in &config.plugins {
            let stdin = Value::Object(base(config, plugin)).to_string();
            self.about_nobody(plugin, "STATUS", stdin.as_bytes())
                .await?;
        }
        Ok(())
    }

    /// GC: tells a network which (container, interface) pairs are in use, so that
    /// its plugins free the rest. Must not run while others join or leave. Networks
    /// below version 1.1.0 and ones that disable it pass.
    ///
    /// # Errors
    /// [`CniError::Leave`] with every plugin's failure, after all were asked.
    pub async fn collect(
        &self,
        config: &NetworkConfig,
        in_use: &[(String, String)],
    ) -> Result<(), CniError> {
        if config.version < Version::NEWEST || config.disable_gc {
            return Ok(());
        }
        let valid: Vec<Value> = in_use
            .iter()
            .map(|(container, ifname)| json!({"containerID": container, "ifname": ifname}))
            .collect();
        let mut problems = Vec::new();
        for plugin in &config.plugins {
            let mut object = base(config, plugin);
            object.insert("cni.dev/valid-attachments".to_owned(), json!(valid));
            let stdin = Value::Object(object).to_string();
            if let Err(error) = self.about_nobody(plugin, "GC", stdin.as_bytes()).await {
                problems.push(error.to_string());
            }
        }
        let network = config.name.clone();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(CniError::Leave { network, problems })
        }
    }

    /// VERSION: which versions a plugin says it speaks, as it prints them.
    ///
    /// # Errors
    /// When the plugin fails or prints something else.
    pub async fn versions(&self, plugin: &str) -> Result<Vec<String>, CniError> {
        let plugin = PluginConfig::named(plugin);
        let path = locate(&plugin.kind, &self.plugin_dirs)?;
        let env = self.env("VERSION", None, None);
        let stdin = json!({"cniVersion": Version::NEWEST.to_string()}).to_string();
        let run = self.run(&plugin, &path, "VERSION", &env, stdin.as_bytes());
        let value = run.json(&run.output().await?)?;
        let list = value.get("supportedVersions").and_then(Value::as_array);
        let list = list.ok_or_else(|| run.unusable("'supportedVersions' is missing".to_owned()))?;
        Ok(list
            .iter()
            .filter_map(Value::as_str)
            .map(ToOwned::to_owned)
            .collect())
    }

    async fn about_nobody(
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
