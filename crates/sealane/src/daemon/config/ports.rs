//! `[ports]`: who may bind which ports of this node.

use serde::Deserialize;

/// `[ports]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct PortsSection {
    /// Whether tasks on the host's network may bind their own ports only, if their apps
    /// do not say.
    pub(crate) enforce: bool,
}
