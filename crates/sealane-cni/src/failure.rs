//! Errors as CNI prints them.

use serde::{Deserialize, Serialize};

/// Codes of errors: those below 100 are the specification's.
pub mod code {
    /// The configuration's version is not spoken, or has no such command.
    pub const INCOMPATIBLE_VERSION: u32 = 1;
    /// The configuration has a field that is not supported.
    pub const UNSUPPORTED_FIELD: u32 = 2;
    /// The container is unknown, and nothing needs to be undone.
    pub const UNKNOWN_CONTAINER: u32 = 3;
    /// A variable of the environment is missing or wrong.
    pub const ENVIRONMENT: u32 = 4;
    /// Reading or writing failed.
    pub const IO: u32 = 5;
    /// What was sent cannot be decoded.
    pub const DECODING: u32 = 6;
    /// The configuration says something that cannot be done.
    pub const CONFIGURATION: u32 = 7;
    /// The network namespace is none, or cannot be entered.
    pub const NAMESPACE: u32 = 8;
    /// Nothing is wrong for good: try again later.
    pub const TRY_AGAIN: u32 = 11;
    /// STATUS: no container can be added.
    pub const NOT_AVAILABLE: u32 = 50;
    /// STATUS: no container can be added, and living ones may be cut off.
    pub const LIMITED: u32 = 51;
    /// An address that was asked for is in use or not to be had.
    pub const ADDRESS: u32 = 101;
    /// The node's block has no free address.
    pub const FULL: u32 = 102;
    /// A host port is in use.
    pub const HOST_PORT: u32 = 103;
    /// The interface has been added already, or another has its name.
    pub const ATTACHED: u32 = 104;
    /// What is there is not what ADD made.
    pub const CHANGED: u32 = 105;
    /// A fault of the plugin or of the daemon.
    pub const INTERNAL: u32 = 999;
}

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{msg}")]
pub struct Failure {
    /// One of [`code`].
    pub code: u32,
    /// What was wrong, where, and what to do.
    pub msg: String,
    /// Causes below it, if any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub details: String,
}

impl Failure {
    /// A failure without details.
    pub fn new(code: u32, msg: impl Into<String>) -> Self {
        Self {
            code,
            msg: msg.into(),
            details: String::new(),
        }
    }

    /// The same with what lies below it.
    #[must_use]
    pub fn because(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }
}
