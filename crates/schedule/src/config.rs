//! Settings that shape tasks.

/// What of the daemon's configuration shapes tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Framework name in VIP and DNS names.
    pub framework: String,
    /// CNI network that stands for bridge mode of native containers.
    pub bridge_name: String,
    /// Put before the names of port variables (Marathon's `--env_vars_prefix`).
    pub env_prefix: Option<String>,
    /// From SIGTERM to SIGKILL when an app says nothing, in milliseconds.
    pub kill_grace_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            framework: "marathon".to_owned(),
            bridge_name: "mesos-bridge".to_owned(),
            env_prefix: None,
            kill_grace_ms: 3_000,
        }
    }
}
