//! The engines of a node, and what their containers join.

use std::sync::Arc;
use std::time::Duration;

use agent::{Engines, NodeOptions};
use engines::{ContainerdEngine, ContainerdOptions, DockerEngine, DockerOptions, EngineOptions};
use isolation::Isolation;
use networks::{HostPorts, Networks};

use super::Config;
use super::directories::Directories;

/// Networks of native containers, if that engine is used.
pub(super) fn networks(
    config: &Config,
    directories: &Directories,
    host_ports: &HostPorts,
) -> anyhow::Result<Option<Networks>> {
    if !config.containerd.enabled {
        return Ok(None);
    }
    let mut plugin_dirs = config.cni.plugin_dirs.clone();
    plugin_dirs.push(directories.plugins());
    let options = networks::Options {
        config_dirs: config.cni.config_dirs.clone(),
        plugin_dirs,
        state: directories.networks(),
        run: directories.run.clone(),
        bridge_name: config.marathon.mesos_bridge_name.clone(),
        bridge_interface: config.cni.bridge_interface.clone(),
        bridge_subnet: config.cni.bridge_subnet,
        plugin_timeout: Duration::from_secs(config.cni.plugin_timeout),
        host_ports: host_ports.clone(),
    };
    Ok(Some(Networks::new(options)?))
}

/// The engines that the configuration wants.
pub(super) fn engines(
    config: &Config,
    directories: &Directories,
    node: &NodeOptions,
    networks: &Option<Networks>,
    isolation: &Result<Isolation, String>,
) -> anyhow::Result<Engines> {
    let common = EngineOptions {
        owner: directories.owner.clone(),
        cgroup_parent: (config.cgroup != "/").then(|| config.cgroup.clone()),
        dns_server: dns::SERVICE_ADDRESS,
        node_addresses: node.addresses.clone(),
        logs: directories.logs(),
        state: directories.state.join("engine"),
    };
    let mut engines = Engines::default();
    if config.docker.enabled {
        let socket = config.docker.socket.clone();
        let options = DockerOptions {
            socket,
            common: common.clone(),
        };
        engines.docker = Some(Arc::new(DockerEngine::new(options)));
    }
    if let Some(networks) = networks.clone() {
        let options = ContainerdOptions {
            socket: config.containerd.socket.clone(),
            namespace: config.containerd.namespace.clone(),
            snapshotter: config.containerd.snapshotter.clone(),
            networks,
            common,
        };
        let engine = ContainerdEngine::new(options)?
            .with_images(&config.images.options())
            .isolating(isolation.clone());
        engines.native = Some(Arc::new(engine));
    }
    Ok(engines)
}
