//! The driver through which Docker's containers join virtual networks.

use std::path::Path;
use std::time::Duration;

use docker_plugin::{Listener, Options, Plugin};
use networks::{Fabric, HostPorts};
use tokio_util::sync::CancellationToken;

use super::Config;
use super::directories::Directories;

/// Where Docker finds plugins; no option of its own changes that.
const PLUGINS: &str = "/run/docker/plugins";

/// How often host ports are put right that others may have removed.
const PERIOD: Duration = Duration::from_secs(30);

/// The plugin and the socket that it has.
#[derive(Debug)]
pub(super) struct DockerPlugin {
    plugin: Plugin,
    listener: Listener,
    fabric: Fabric,
}

/// The plugin, unless Docker or virtual networks are not for this node. One that cannot
/// be had keeps nothing else from running.
pub(super) fn open(
    config: &Config,
    directories: &Directories,
    fabric: Option<&Fabric>,
    ports: &HostPorts,
) -> Option<DockerPlugin> {
    let driver = &config.docker.driver;
    if !config.docker.enabled || driver.is_empty() {
        return None;
    }
    let fabric = fabric?.clone();
    let plugin = Plugin::open(Options {
        name: driver.clone(),
        state: directories.state.clone(),
        run: directories.run.clone(),
        fabric: fabric.clone(),
        ports: ports.clone(),
    });
    let opened = plugin.and_then(|plugin| {
        let listener = plugin.listen(Path::new(PLUGINS))?;
        Ok(DockerPlugin {
            plugin,
            listener,
            fabric,
        })
    });
    opened
        .inspect_err(|error| {
            tracing::error!("Docker's containers cannot join virtual networks: {error}")
        })
        .ok()
}

impl DockerPlugin {
    /// Answers Docker and keeps its containers' host ports until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let Self {
            plugin,
            listener,
            fabric,
        } = self;
        // Docker does not ask again when it is told that a network is not there.
        tokio::select! {
            () = stop.cancelled() => return,
            () = fabric.configured() => {}
        }
        let keep = async {
            loop {
                if let Err(error) = plugin.settle().await {
                    let error = anyhow::Error::from(error);
                    tracing::error!("host ports of Docker's containers: {error:#}");
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(PERIOD) => {}
                }
            }
        };
        let served = plugin.serve(listener, stop.clone().cancelled_owned());
        tokio::join!(served, keep);
    }
}
