//! Settings that change what an app definition means.

use crate::names::is_network_name;

/// Settings of the cluster; Marathon's flags of the same names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Name for container networks that are given without one; unset by default,
    /// and then such networks are refused. Not restricted to any pattern.
    pub default_network_name: Option<String>,
    /// In the old form, `ipAddress.networkName` of this value means the bridge.
    pub mesos_bridge_name: String,
    /// First service port that may be assigned.
    pub local_port_min: u16,
    /// Last service port that may be assigned; inclusive.
    pub local_port_max: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            default_network_name: None,
            mesos_bridge_name: "mesos-bridge".to_owned(),
            local_port_min: 10_000,
            local_port_max: 20_000,
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not a network name.
    #[error("mesos_bridge_name must match pattern ^[a-z0-9]([-a-z0-9_]*[a-z0-9])?$")]
    BridgeName,
    /// The range of service ports holds no port.
    #[error(
        "local_port_min ({min}) to local_port_max ({max}) holds no port; raise local_port_max to at least local_port_min and at least 1"
    )]
    PortRange {
        /// `local_port_min` as given.
        min: u16,
        /// `local_port_max` as given.
        max: u16,
    },
}

impl Config {
    /// Checks the settings among themselves.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !is_network_name(&self.mesos_bridge_name) {
            return Err(ConfigError::BridgeName);
        }
        let (min, max) = (self.local_port_min, self.local_port_max);
        if max < min || max == 0 {
            return Err(ConfigError::PortRange { min, max });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridge_names_and_ranges() {
        let bridge = |name: &str| Config {
            mesos_bridge_name: name.to_owned(),
            ..Config::default()
        };
        assert_eq!(Config::default().validate(), Ok(()));
        assert_eq!(bridge("valid-n3tw0rk-name").validate(), Ok(()));
        assert_eq!(
            bridge("invalid network name")
                .validate()
                .unwrap_err()
                .to_string(),
            "mesos_bridge_name must match pattern ^[a-z0-9]([-a-z0-9_]*[a-z0-9])?$"
        );
        let range = |min, max| Config {
            local_port_min: min,
            local_port_max: max,
            ..Config::default()
        };
        assert_eq!(range(7, 7).validate(), Ok(()));
        assert_eq!(range(0, 11).validate(), Ok(()));
        assert!(range(8, 7).validate().is_err());
        assert!(range(0, 0).validate().is_err());
    }
}
