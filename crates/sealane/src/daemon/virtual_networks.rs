//! Virtual networks: what they stand on, and those that the configuration asks for.
//!
//! The latter are made when the daemon starts, unless they are there. What an operator changed
//! meanwhile is never undone: a network that differs from the configuration is reported
//! and left as it is, and the default network is made once, so that it can be deleted.

use std::path::Path;
use std::time::SystemTime;

use agent::{NodeOptions, PluginFiles};
use anyhow::Context;
use model::{Network, Occupied};
use networks::{Fabric, FabricOptions, HostPorts, OverlayOptions};
use store::{Change, Expect, Outcome, Records, State};
use vip::VipRanges;

use super::config::{NetworkSection, NetworksSection};
use super::directories::Directories;
use super::{Config, host};

/// Made when the default networks are, and kept.
const MADE: &str = "default-networks-made";

/// Makes what is missing; yields what is not as the configuration says, for people.
pub(super) async fn ensure(
    config: &Config,
    records: &Records,
    directories: &Directories,
) -> anyhow::Result<Vec<String>> {
    make_missing(&config.networks, &config.vips, records, &directories.state).await
}

async fn make_missing(
    section: &NetworksSection,
    ranges: &VipRanges,
    records: &Records,
    state_dir: &Path,
) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    let made = state_dir.join(MADE);
    let defaults = section.defaults && section.network.is_empty() && !made.exists();
    let wanted = match defaults {
        true => NetworksSection::default_networks(),
        false => section.network.clone(),
    };
    for network in wanted.iter().map(NetworkSection::network) {
        // Read anew each time: the former one is in the way of the next.
        let state = records.state().await?;
        match decide(&network, &state, ranges) {
            Decision::Make => make(network, records).await?,
            Decision::Keep => {}
            Decision::Differs(problem) => problems.push(problem),
        }
    }
    if defaults {
        std::fs::write(&made, "")
            .with_context(|| format!("{} cannot be written", made.display()))?;
    }
    for problem in &problems {
        tracing::warn!("{problem}");
    }
    Ok(problems)
}

/// What becomes of a network of the configuration.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Make,
    Keep,
    /// It is not as configured, or cannot be made.
    Differs(String),
}

fn decide(network: &Network, state: &State, ranges: &VipRanges) -> Decision {
    let name = &network.name;
    if state.has_unreadable_network(name) {
        return Decision::Differs(format!(
            "network '{name}' of the configuration has a record that cannot be read"
        ));
    }
    if let Some(there) = state.networks.get(name) {
        return match network.means_the_same(there) {
            true => Decision::Keep,
            false => Decision::Differs(format!(
                "network '{name}' is not as the configuration says, and is left as it is; change \
                 the configuration, or delete the network and restart"
            )),
        };
    }
    let networks = state.networks.values();
    let mut others: Vec<Occupied> = networks.flat_map(|it| Occupied::by_network(it)).collect();
    others.extend(ranges.networks().map(|net| Occupied::new(net, "the VIPs")));
    match network.overlaps(&others).first() {
        None => Decision::Make,
        Some(overlap) => Decision::Differs(format!(
            "network '{name}' of the configuration is not made: {overlap}; give it other addresses"
        )),
    }
}

async fn make(mut network: Network, records: &Records) -> anyhow::Result<()> {
    network.created = SystemTime::now().into();
    let mut change = Change::new();
    change.put_network(&network, Expect::Absent);
    // Another daemon that was quicker had the same configuration.
    if let Outcome::Committed(_) = records.commit(change).await? {
        tracing::info!(
            network = network.name,
            "made a network of the configuration"
        );
    }
    Ok(())
}

/// Virtual networks; a node that can have none still does the rest.
pub(super) fn fabric(
    config: &Config,
    directories: &Directories,
    host_ports: &HostPorts,
    node: &NodeOptions,
) -> Option<Fabric> {
    let made = Fabric::new(FabricOptions {
        run: directories.run.clone(),
        host_ports: host_ports.clone(),
        node: node.addresses.first().copied(),
        overlay: OverlayOptions {
            vni: config.networks.vni,
            port: config.networks.vxlan_port,
        },
        vip_ranges: host::vip_networks(&config.vips),
    });
    made.map_err(|error| {
        let error = anyhow::Error::from(error);
        tracing::error!("containers cannot join virtual networks: {error:#}");
    })
    .ok()
}

/// Where CNI runtimes find virtual networks, and the plugin, which is beside this program.
pub(super) fn plugin_files(directories: &Directories) -> anyhow::Result<PluginFiles> {
    let own = std::env::current_exe().context("the path of this program cannot be read")?;
    Ok(PluginFiles {
        configs: directories.networks().join("net.d"),
        links: directories.plugins(),
        program: own.with_file_name("sealane-cni"),
        socket: directories.cni_socket(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use store::RedbStore;

    use super::*;

    struct Bench {
        records: Records,
        directory: tempfile::TempDir,
    }

    impl Bench {
        async fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let store = RedbStore::open(directory.path().join("store.redb")).await;
            Self {
                records: Records::new(Arc::new(store.unwrap())),
                directory,
            }
        }

        /// A start with this section; yields the problems.
        async fn start(&self, section: &NetworksSection) -> Vec<String> {
            let ranges = VipRanges::default();
            let ensured =
                make_missing(section, &ranges, &self.records, self.directory.path()).await;
            ensured.unwrap()
        }

        async fn names(&self) -> Vec<String> {
            let state = self.records.state().await.unwrap();
            state.networks.keys().cloned().collect()
        }

        async fn delete(&self, name: &str) {
            let mut change = Change::new();
            change.delete_network(name, Expect::Any);
            self.records.commit(change).await.unwrap();
        }
    }

    fn section(text: &str) -> NetworksSection {
        toml::from_str(text).unwrap()
    }

    #[tokio::test]
    async fn the_default_is_made_once() {
        let bench = Bench::new().await;
        assert_eq!(bench.start(&section("defaults = false")).await, [""; 0]);
        assert_eq!(bench.names().await, [""; 0]);
        for _ in 0..2 {
            assert_eq!(bench.start(&NetworksSection::default()).await, [""; 0]);
            assert_eq!(bench.names().await, ["dcos"]);
        }
        bench.delete("dcos").await;
        bench.start(&NetworksSection::default()).await;
        assert_eq!(bench.names().await, [""; 0], "whoever deleted it meant it");
    }

    #[tokio::test]
    async fn configured_networks_are_made_and_never_overwritten() {
        let bench = Bench::new().await;
        let two = section(
            "[[network]]\nname = 'lab'\nsubnet = '10.9.0.0/16'\n\
             [[network]]\nname = 'bad'\nsubnet = '11.2.0.0/16'\n",
        );
        let problems = bench.start(&two).await;
        assert_eq!(bench.names().await, ["lab"], "no default beside them");
        assert!(
            problems[0].contains("'bad' of the configuration is not made: 11.2.0.0/16 overlaps")
        );
        let before = bench.records.state().await.unwrap();
        let other = section("[[network]]\nname = 'lab'\nsubnet = '10.9.0.0/16'\nmtu = 1400\n");
        let problems = bench.start(&other).await;
        assert!(
            problems[0].contains("'lab' is not as the configuration says"),
            "{problems:?}"
        );
        let after = bench.records.state().await.unwrap();
        assert_eq!(
            before.networks["lab"].revision,
            after.networks["lab"].revision
        );
        bench.delete("lab").await;
        assert_eq!(bench.start(&other).await, [""; 0]);
        assert_eq!(
            bench.records.state().await.unwrap().networks["lab"].mtu,
            Some(1400)
        );
    }
}
