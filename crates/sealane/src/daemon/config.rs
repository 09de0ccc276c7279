//! The daemon's configuration.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::Deserialize;
use vip::VipRanges;

use super::Arguments;

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
    /// Networks of native containers.
    pub(crate) cni: Cni,
    /// Marathon's flags.
    pub(crate) marathon: Marathon,
    /// Where VIPs' addresses lie.
    pub(crate) vips: VipRanges,
    /// The resolver.
    pub(crate) dns: Dns,
    /// The kernel side of VIPs.
    pub(crate) datapath: DatapathSection,
    /// Logs of the daemon.
    pub(crate) log: Log,
}

/// `[api]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Api {
    /// TCP address.
    pub(crate) listen: SocketAddr,
    /// Unix socket; empty means `api.sock` in the run directory.
    pub(crate) socket: PathBuf,
}

/// `[node]`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct NodeSection {
    /// Name; the host's if absent.
    pub(crate) name: Option<String>,
    /// Address at which containers and other nodes reach this one; found if absent.
    pub(crate) address: Option<IpAddr>,
    /// Fault domain.
    pub(crate) zone: Option<String>,
    /// Cores to offer; those that the host has if absent.
    pub(crate) cpus: Option<f64>,
    /// Memory to offer in MiB; what the host has less 1 GiB, at least half, if absent.
    pub(crate) mem: Option<f64>,
    /// Disk to offer in MiB; what is free in the state directory if absent.
    pub(crate) disk: Option<f64>,
    /// GPUs to offer.
    pub(crate) gpus: u32,
    /// Host ports for free choice, such as `["31000-32000"]`.
    pub(crate) ports: Vec<String>,
}

/// `[docker]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Docker {
    /// Whether Docker containers are run.
    pub(crate) enabled: bool,
    /// Its socket.
    pub(crate) socket: PathBuf,
}

/// `[containerd]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Containerd {
    /// Whether native containers are run.
    pub(crate) enabled: bool,
    /// Its socket.
    pub(crate) socket: PathBuf,
    /// Namespace within containerd.
    pub(crate) namespace: String,
    /// Snapshotter for images.
    pub(crate) snapshotter: String,
}

/// `[cni]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Cni {
    /// Directories with network configurations.
    pub(crate) config_dirs: Vec<PathBuf>,
    /// Directories with plugins.
    pub(crate) plugin_dirs: Vec<PathBuf>,
    /// Interface of the default bridge.
    pub(crate) bridge_interface: String,
    /// Addresses of the default bridge.
    pub(crate) bridge_subnet: IpNet,
    /// How long one plugin may take, in seconds.
    pub(crate) plugin_timeout: u64,
}

/// `[marathon]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Marathon {
    /// Network of apps in container mode that name none (`--default_network_name`).
    pub(crate) default_network_name: Option<String>,
    /// Network that stands for bridge mode of native containers (`--mesos_bridge_name`).
    pub(crate) mesos_bridge_name: String,
    /// Lowest service port (`--local_port_min`).
    pub(crate) local_port_min: u16,
    /// Highest service port (`--local_port_max`).
    pub(crate) local_port_max: u16,
    /// Put before port variables (`--env_vars_prefix`).
    pub(crate) env_vars_prefix: Option<String>,
}

/// `[dns]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Dns {
    /// Whether names are served.
    pub(crate) enabled: bool,
    /// Port on the node's address; 0 is any. Clients use 198.51.100.1:53.
    pub(crate) port: u16,
    /// Where foreign names are asked for; the host's resolv.conf if empty.
    pub(crate) upstreams: Vec<IpAddr>,
}

/// `[datapath]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct DatapathSection {
    /// Whether VIPs are translated on this node.
    pub(crate) enabled: bool,
    /// Directory for pins on a bpf filesystem; chosen by the state directory if empty.
    pub(crate) pins: PathBuf,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Log {
    /// Filter such as `info,agent=debug`.
    pub(crate) filter: String,
    /// `text` or `json`.
    pub(crate) format: LogFormat,
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
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
            .map(|text| port_range(text))
            .collect()
    }
}

fn port_range(text: &str) -> Result<model::PortRange, ConfigError> {
    let wrong = || {
        ConfigError::Value(format!(
            "node.ports: '{text}' is no range of ports; write 31000-32000"
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
            cni: Cni::default(),
            marathon: Marathon::default(),
            vips: VipRanges::default(),
            dns: Dns::default(),
            datapath: DatapathSection::default(),
            log: Log::default(),
        }
    }
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            socket: PathBuf::new(),
        }
    }
}

impl Default for Docker {
    fn default() -> Self {
        Self {
            enabled: true,
            socket: PathBuf::from("/run/docker.sock"),
        }
    }
}

impl Default for Containerd {
    fn default() -> Self {
        Self {
            enabled: true,
            socket: PathBuf::from("/run/containerd/containerd.sock"),
            namespace: "sealane".to_owned(),
            snapshotter: "overlayfs".to_owned(),
        }
    }
}

impl Default for Cni {
    fn default() -> Self {
        let defaults = networks::Options::default();
        Self {
            config_dirs: defaults.config_dirs,
            plugin_dirs: defaults.plugin_dirs,
            bridge_interface: defaults.bridge_interface,
            bridge_subnet: defaults.bridge_subnet,
            plugin_timeout: defaults.plugin_timeout.as_secs(),
        }
    }
}

impl Default for Marathon {
    fn default() -> Self {
        let defaults = marathon::Config::default();
        Self {
            default_network_name: defaults.default_network_name,
            mesos_bridge_name: defaults.mesos_bridge_name,
            local_port_min: defaults.local_port_min,
            local_port_max: defaults.local_port_max,
            env_vars_prefix: None,
        }
    }
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            enabled: true,
            port: 0,
            upstreams: Vec::new(),
        }
    }
}

impl Default for DatapathSection {
    fn default() -> Self {
        Self {
            enabled: true,
            pins: PathBuf::new(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

#[cfg(test)]
mod tests;
