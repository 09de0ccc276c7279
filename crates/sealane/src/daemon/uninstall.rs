//! `sealane uninstall`: takes everything out of the kernel that a daemon put there.

use anyhow::{Context, bail};
use datapath::Datapath;

use super::directories::Directories;
use super::{Config, host};

/// Removes programs, maps and routes. Containers go on running, and the state
/// directory stays: it holds the apps.
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
    Ok(())
}
