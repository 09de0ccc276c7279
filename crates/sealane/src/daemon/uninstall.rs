//! `sealane uninstall`: takes everything out of the kernel that a daemon put there.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use datapath::Datapath;
use networks::{Fabric, FabricError, FabricOptions, NetworkError};

use super::directories::Directories;
use super::parts::host_ports;
use super::{Config, host, isolated_ports};

/// Removes programs, maps, routes, rules and the cgroup of containers that are not
/// translated. Containers go on running, at their own addresses: host ports lead to them
/// no longer, unless their network's own plugins see to it; those with isolated ports, which
/// have no address of their own, are cut off. The state directory stays: it holds the apps.
///
/// # Errors
/// When this host's own programs were told to ask the resolver, a daemon still runs with
/// this state, or something cannot be removed.
pub(crate) async fn uninstall(config: &Config) -> anyhow::Result<()> {
    if let Some(file) = asked_by(Path::new("/")) {
        bail!(
            "this host finds names through Sealane ({} says so), and would find none when it is \
             gone; run `sealane dns disable` first",
            file.display()
        );
    }
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
    let address = host::address(&config.node).await.ok();
    isolated_ports::remove(config, &directories.run, address.as_slice())
        .await
        .map_err(|error| anyhow!("isolated ports could not be removed: {error}"))?;
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

/// The file that tells that this host's own programs ask the resolver, if they do.
fn asked_by(root: &Path) -> Option<PathBuf> {
    let resolv_conf = root.join("etc/resolv.conf");
    let text = std::fs::read(&resolv_conf).unwrap_or_default();
    if text.starts_with(dns::HEADING.as_bytes()) {
        return Some(resolv_conf);
    }
    let drop_in = root.join(dns::RESOLVED_DROP_IN);
    drop_in.exists().then_some(drop_in)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_asks_us_is_known_by_its_files() {
        let site = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = site.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        };
        assert_eq!(asked_by(site.path()), None);
        put("etc/resolv.conf", "nameserver 198.51.100.1\n");
        assert_eq!(
            asked_by(site.path()),
            None,
            "by hand, perhaps of a container"
        );
        let drop_in = put(dns::RESOLVED_DROP_IN, "[Resolve]\n");
        assert_eq!(asked_by(site.path()), Some(drop_in));
        let ours = put("etc/resolv.conf", &format!("{}; x\n", dns::HEADING));
        assert_eq!(asked_by(site.path()), Some(ours));
    }
}
