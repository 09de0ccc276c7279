//! The daemon's configuration.

mod datapath;
mod images;
mod networks;
mod ports;
mod sections;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use vip::VipRanges;

use super::Arguments;
pub(crate) use datapath::{Capacities, DatapathSection};
pub(crate) use images::ImagesSection;
pub(crate) use networks::{NetworkSection, NetworksSection};
pub(crate) use ports::PortsSection;
pub(crate) use sections::{
    Api, Cni, Containerd, Dns, Docker, Log, LogFormat, Marathon, MetricsSection, NodeSection,
};

/// The commented default file; a test checks that it means the defaults.
pub(crate) const DEFAULT_FILE: &str = include_str!("sealane.toml");

/// Read when no file is named and this one exists.
const STANDARD_FILE: &str = "/etc/sealane/sealane.toml";

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("configuration file {path} is not valid: {detail}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and what.
        detail: String,
    },
    /// A value that cannot be used.
    #[error("configuration: {0}")]
    Value(String),
}

/// Everything that can be configured; [`Config::default`] serves one host.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Directory for everything that must survive.
    pub(crate) state_dir: PathBuf,
    /// Cgroup below the cgroup v2 root whose processes are served; `/` is all.
    pub(crate) cgroup: String,
    /// The HTTP API.
    pub(crate) api: Api,
    /// This node.
    pub(crate) node: NodeSection,
    /// Docker.
    pub(crate) docker: Docker,
    /// The native engine.
    pub(crate) containerd: Containerd,
    /// Images of native containers.
    pub(crate) images: ImagesSection,
    /// Networks of native containers.
    pub(crate) cni: Cni,
    /// Virtual networks.
    pub(crate) networks: NetworksSection,
    /// Marathon's flags.
    pub(crate) marathon: Marathon,
    /// Where VIPs' addresses lie.
    pub(crate) vips: VipRanges,
    /// The resolver.
    pub(crate) dns: Dns,
    /// The kernel side of VIPs.
    pub(crate) datapath: DatapathSection,
    /// Who may bind which ports.
    pub(crate) ports: PortsSection,
    /// How much `/metrics` shows.
    pub(crate) metrics: MetricsSection,
    /// Logs of the daemon.
    pub(crate) log: Log,
}

impl Config {
    /// The configuration that the arguments ask for.
    ///
    /// # Errors
    /// When the file cannot be read or means nothing that can be used.
    pub(crate) fn load(arguments: &Arguments) -> Result<Self, ConfigError> {
        let standard = Path::new(STANDARD_FILE);
        let path = arguments
            .config
            .as_deref()
            .or_else(|| standard.exists().then_some(standard));
        let mut config = match path {
            Some(path) => Self::read(path)?,
            None => Self::default(),
        };
        if let Some(directory) = &arguments.state_dir {
            config.state_dir.clone_from(directory);
        }
        if let Some(listen) = arguments.api_listen {
            config.api.listen = listen;
        }
        config.validate()?;
        Ok(config)
    }

    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            detail: error.to_string(),
        })
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let value = |text: String| Err(ConfigError::Value(text));
        if !self.state_dir.is_absolute() {
            return value(format!(
                "state-dir {} must be absolute",
                self.state_dir.display()
            ));
        }
        if !self.cgroup.starts_with('/') || self.cgroup.contains("..") {
            return value(format!(
                "cgroup '{}' must be a path below the cgroup root, such as /sealane",
                self.cgroup
            ));
        }
        self.vips
            .validate()
            .map_err(|error| ConfigError::Value(error.to_string()))?;
        self.marathon_config()
            .validate()
            .map_err(|error| ConfigError::Value(error.to_string()))?;
        self.datapath.validate().map_err(ConfigError::Value)?;
        self.images.validate().map_err(ConfigError::Value)?;
        self.networks
            .validate(&self.marathon.mesos_bridge_name)
            .map_err(ConfigError::Value)?;
        self.ports.pool()?;
        self.ports().map(drop)
    }

    /// What shapes app definitions.
    #[must_use]
    pub(crate) fn marathon_config(&self) -> marathon::Config {
        marathon::Config {
            default_network_name: self.marathon.default_network_name.clone(),
            mesos_bridge_name: self.marathon.mesos_bridge_name.clone(),
            local_port_min: self.marathon.local_port_min,
            local_port_max: self.marathon.local_port_max,
        }
    }

    /// Host ports for free choice.
    ///
    /// # Errors
    /// Which entry is no range of ports.
    pub(crate) fn ports(&self) -> Result<Vec<model::PortRange>, ConfigError> {
        if self.node.ports.is_empty() {
            return Ok(vec![model::PortRange {
                first: 31_000,
                last: 32_000,
            }]);
        }
        self.node
            .ports
            .iter()
            .map(|text| port_range("node.ports", text, "31000-32000"))
            .collect()
    }
}

/// What a key of the configuration says; `example` is how it could be said.
fn port_range(key: &str, text: &str, example: &str) -> Result<model::PortRange, ConfigError> {
    let wrong = || {
        ConfigError::Value(format!(
            "{key}: '{text}' is no range of ports; write {example}"
        ))
    };
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let first: u16 = first.trim().parse().map_err(|_| wrong())?;
    let last: u16 = last.trim().parse().map_err(|_| wrong())?;
    if first == 0 || first > last {
        return Err(wrong());
    }
    Ok(model::PortRange { first, last })
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state_dir: PathBuf::from("/var/lib/sealane"),
            cgroup: "/".to_owned(),
            api: Api::default(),
            node: NodeSection::default(),
            docker: Docker::default(),
            containerd: Containerd::default(),
            images: ImagesSection::default(),
            cni: Cni::default(),
            networks: NetworksSection::default(),
            marathon: Marathon::default(),
            vips: VipRanges::default(),
            dns: Dns::default(),
            datapath: DatapathSection::default(),
            ports: PortsSection::default(),
            metrics: MetricsSection::default(),
            log: Log::default(),
        }
    }
}

#[cfg(test)]
mod tests;
