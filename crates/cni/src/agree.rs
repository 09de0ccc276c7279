//! In which version each plugin is spoken to.
//!
//! The specification lets a network offer several versions and a runtime ask each
//! plugin which ones it speaks. The newest that all plugins of the network speak is
//! used. libcni takes the newest that the network offers and lets the ADD fail where
//! a plugin is older; and where no version suits all, we still speak to each plugin in
//! the newest that suits it, and put the result of the one before into that form.
//!
//! A plugin that does not answer VERSION (scripts, and all of 0.1) is taken to speak
//! everything: Mesos' own plugins do not answer.

use crate::{CniError, NetworkConfig, Version};

/// What a plugin says that it speaks; `None` when it does not say.
pub(crate) type Spoken = Option<Vec<Version>>;

/// Sets the version of each plugin. `spoken` is in the order of the plugins.
///
/// # Errors
/// [`CniError::Incompatible`] for the first plugin that speaks no version offered.
pub(crate) fn agree(config: &NetworkConfig, spoken: &[Spoken]) -> Result<NetworkConfig, CniError> {
    let mut agreed = config.clone();
    let common = config
        .offered
        .iter()
        .find(|version| spoken.iter().all(|spoken| speaks(spoken, **version)));
    if let Some(version) = common {
        agreed.version = *version;
        for plugin in &mut agreed.plugins {
            plugin.version = *version;
        }
        return Ok(agreed);
    }
    for (plugin, spoken) in agreed.plugins.iter_mut().zip(spoken) {
        let mut offered = config.offered.iter();
        plugin.version = *offered
            .find(|version| speaks(spoken, **version))
            .ok_or_else(|| CniError::Incompatible {
                plugin: plugin.kind.clone(),
                spoken: listed(spoken.as_deref().unwrap_or_default()),
                network: config.name.clone(),
                offered: listed(&config.offered),
            })?;
    }
    Ok(agreed)
}

fn speaks(spoken: &Spoken, version: Version) -> bool {
    spoken.as_ref().is_none_or(|all| all.contains(&version))
}

fn listed(versions: &[Version]) -> Vec<String> {
    let mut versions = versions.to_vec();
    versions.sort_unstable();
    versions.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
