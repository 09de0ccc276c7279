//! The sections of the configuration file, and their defaults.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;

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
    /// The name of the driver by which its containers join virtual networks; none if empty.
    pub(crate) driver: String,
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

/// `[metrics]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct MetricsSection {
    /// Ports of VIPs that are shown one by one; the rest are summed up.
    pub(crate) vips: usize,
    /// Backends of all VIPs that are shown one by one; a VIP's others are summed up.
    pub(crate) backends: usize,
    /// Isolated tasks that are shown one by one; the rest are summed up.
    pub(crate) tasks: usize,
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
            driver: "sealane".to_owned(),
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

impl Default for MetricsSection {
    fn default() -> Self {
        Self {
            vips: 1_000,
            backends: 1_000,
            tasks: 1_000,
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
