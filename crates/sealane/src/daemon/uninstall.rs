//! `sealane uninstall`: takes everything out of the kernel that a daemon put there.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, bail};
use datapath::Datapath;
use networks::{Fabric, FabricError, FabricOptions, NetworkError};

use super::directories::Directories;
use super::parts::host_ports;
use super::{Config, host};

/// Removes programs, maps, routes, rules and the cgroup of containers that are not
/// translated. Containers go on running, at their own addresses: host ports lead to them
/// no longer, unless their network's own plugins see to it. The state directory stays: it
/// holds the apps.
///
/// # Errors
/// When a daemon still runs with this state, or something cannot be removed.
pub(crate) async fn uninstall(config: &Config) -> anyhow::Result<()> {
    // Pins are found by what is in there, so an empty one made now would hide them.
    let owned = config.datapath.pins.as_os_str().is_empty();
    if owned && config.state_dir != Config::default().state_dir && !config.state_dir.exists() {
        bail!(
            "state directory {} does not exist, so no daemon has used it; name the one that \
             was used with --config or --state-dir",
            config.state_dir.display()
        );
    }
    let directories = Directories::prepare(config)?;
    let root = datapath::find_cgroup2()?;
    Datapath::uninstall(&datapath::Options {
        cgroup: root.join(config.cgroup.trim_start_matches('/')),
        pins: directories.pins.clone(),
        capacities: datapath::Capacities::default(),
    })
    .context("the datapath could not be removed")?;
    for network in host::vip_networks(&config.vips) {
        netlink::route::remove_unreachable(network)
            .await
            .with_context(|| format!("the route for {network} could not be removed"))?;
    }
    remove_networks(&directories).await?;
    let configured = (config.cgroup != "/").then_some(config.cgroup.as_str());
    for cgroup in engines::untranslated_parents(configured) {
        remove_empty(&root.join(cgroup.strip_prefix("/").unwrap_or(&cgroup)))?;
    }
    Ok(())
}

/// Removes the routes of blocks, and the nftables table. Endpoints are their containers'.
async fn remove_networks(directories: &Directories) -> anyhow::Result<()> {
    let rules = host_ports(directories);
    let fabric = Fabric::new(FabricOptions {
        run: directories.run.clone(),
        host_ports: rules.clone(),
        ..FabricOptions::default()
    })
    .context("virtual networks could not be looked at")?;
    // What it says of rules is said again in a moment.
    match fabric.configure(Vec::new()).await {
        Ok(()) | Err(FabricError::Ports { .. }) => {}
        Err(error) => return Err(error).context("routes of blocks could not be removed"),
    }
    match rules.remove().await {
        // Without the program, nothing was made with it; another's table is another's.
        Ok(()) | Err(NetworkError::NoNft { .. } | NetworkError::ForeignTable { .. }) => Ok(()),
        Err(error) => Err(error).context("the nftables table could not be removed"),
    }
}

/// Removes a cgroup if nothing is in it any more.
fn remove_empty(cgroup: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir(cgroup) {
        Ok(()) => Ok(()),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::ResourceBusy | ErrorKind::DirectoryNotEmpty => Ok(()),
            _ => Err(error).with_context(|| format!("{} could not be removed", cgroup.display())),
        },
    }
}
