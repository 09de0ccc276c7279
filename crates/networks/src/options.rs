//! Where networks are configured and what they are made of.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};

use crate::{HostPorts, HostPortsOptions};

/// Settings of [`crate::Networks`]; [`Options::default`] is a daemon's.
#[derive(Debug, Clone)]
pub struct Options {
    /// Directories with CNI configurations, in order: a name's first file wins.
    pub config_dirs: Vec<PathBuf>,
    /// Directories with CNI plugins, in order.
    pub plugin_dirs: Vec<PathBuf>,
    /// Directory for records that outlive a boot.
    pub state: PathBuf,
    /// Directory for network namespaces (`<run>/netns/<id>`), one that a container
    /// engine in the same mount namespace sees.
    pub run: PathBuf,
    /// CNI network that a container of mode BRIDGE joins. Unless a configuration
    /// has that name, one is written to `<state>/net.d`.
    pub bridge_name: String,
    /// Interface of that default bridge. [`crate::ensure_forwarding`] lets traffic
    /// of interfaces through whose names begin with `sealane`.
    pub bridge_interface: String,
    /// Addresses of that default bridge's containers; DC/OS uses 172.31.254.0/24.
    pub bridge_subnet: IpNet,
    /// How long one plugin may take for one command.
    pub plugin_timeout: Duration,
    /// Where host ports are published on networks whose plugins do not do it.
    pub host_ports: HostPorts,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config_dirs: vec!["/etc/cni/net.d".into()],
            plugin_dirs: vec!["/opt/cni/bin".into(), "/usr/lib/cni".into()],
            state: "/var/lib/sealane/networks".into(),
            run: "/run/sealane".into(),
            bridge_name: "mesos-bridge".to_owned(),
            bridge_interface: "sealane0".to_owned(),
            bridge_subnet: IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(172, 31, 254, 0), 24)),
            plugin_timeout: Duration::from_secs(60),
            host_ports: HostPorts::new(HostPortsOptions::default()),
        }
    }
}
