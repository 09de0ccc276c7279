//! What the host is and has.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, bail};
use ipnet::IpNet;
use model::{NodeId, Resources};
use vip::VipRanges;

use super::config::NodeSection;

/// Memory that is left to the system, in MiB.
const RESERVED_MEM: f64 = 1024.0;

/// The node's name: as configured, or the host's.
pub(super) fn name(section: &NodeSection) -> anyhow::Result<NodeId> {
    if let Some(name) = &section.name {
        return Ok(NodeId(name.clone()));
    }
    let name = nix::unistd::gethostname().context("the host's name cannot be read")?;
    Ok(NodeId(name.to_string_lossy().into_owned()))
}

/// The address at which containers and other nodes reach this one.
pub(super) async fn address(section: &NodeSection) -> anyhow::Result<IpAddr> {
    if let Some(address) = section.address {
        return Ok(address);
    }
    match netlink::address::primary()
        .await
        .context("the host's addresses cannot be read")?
    {
        Some(address) => Ok(address),
        None => bail!(
            "this host has no address that containers could reach; give it one, or set \
             node.address in the configuration"
        ),
    }
}

/// What the node offers: as configured, or what the host has.
pub(super) fn resources(section: &NodeSection, state: &Path) -> Resources {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cores = u32::try_from(cores).map_or(1.0, f64::from);
    let mem = memory_mib().unwrap_or(RESERVED_MEM);
    Resources {
        cpus: section.cpus.unwrap_or(cores),
        mem: section
            .mem
            .unwrap_or_else(|| (mem - RESERVED_MEM).max(mem / 2.0)),
        disk: section
            .disk
            .unwrap_or_else(|| free_disk_mib(state).unwrap_or_default()),
        gpus: section.gpus,
    }
}

fn memory_mib() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some((kib / 1024.0).floor())
}

#[expect(clippy::cast_precision_loss, reason = "a disk has fewer than 2^52 MiB")]
fn free_disk_mib(directory: &Path) -> Option<f64> {
    let stat = nix::sys::statvfs::statvfs(directory).ok()?;
    let bytes = u128::from(stat.blocks_available()) * u128::from(stat.fragment_size());
    Some((bytes >> 20) as f64)
}

/// The networks in which VIPs may lie, for routes.
pub(super) fn vip_networks(ranges: &VipRanges) -> Vec<IpNet> {
    ranges.networks().collect()
}
