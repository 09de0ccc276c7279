//! `[ports]`: who may bind which ports of this node.

use std::ops::RangeInclusive;

use serde::Deserialize;

use super::{ConfigError, port_range};

/// `[ports]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct PortsSection {
    /// Whether tasks on the host's network may bind their own ports only, if their apps
    /// do not say.
    pub(crate) enforce: bool,
    /// Ports that isolated tasks get ranges of, for what they begin.
    pub(crate) isolated_range: String,
    /// How many of them each gets.
    pub(crate) isolated_each: u16,
}

impl PortsSection {
    /// The ports that isolated tasks get ranges of.
    ///
    /// # Errors
    /// When they are no range of ports.
    pub(crate) fn pool(&self) -> Result<RangeInclusive<u16>, ConfigError> {
        let range = port_range("ports.isolated-range", &self.isolated_range, "16384-30719")?;
        Ok(range.first..=range.last)
    }
}

impl Default for PortsSection {
    fn default() -> Self {
        Self {
            enforce: false,
            isolated_range: "16384-30719".to_owned(),
            isolated_each: 256,
        }
    }
}
