//! Virtual networks as networks of Docker's.
//!
//! One is made with the driver both for links and for addresses, since addresses that
//! Docker chose itself would lead nowhere. Ours carry a label, so that those of the same
//! driver that people made by hand are left alone.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use async_trait::async_trait;
use bollard::models::{Ipam, IpamConfig, Network, NetworkCreateRequest};
use bollard::query_parameters::{
    InspectNetworkOptions, ListNetworksOptions, ListNetworksOptionsBuilder,
};
use ipnet::IpNet;

use super::DockerEngine;
use super::connection::Client;
use super::failure::{detail, status};
use crate::{EngineError, Ensured, VirtualNetwork, VirtualNetworks};

/// Marks networks that were made here, with the daemon's state they belong to.
const OWNER: &str = "sealane.owner";

/// The option that names a virtual network to both drivers.
const OPTION: &str = "network";

#[async_trait]
impl VirtualNetworks for DockerEngine {
    async fn ensure(
        &self,
        driver: &str,
        wanted: &[VirtualNetwork],
    ) -> Result<Ensured, EngineError> {
        self.watched(self.reconcile(driver, wanted).await).await
    }

    async fn addresses(&self, driver: &str) -> Result<BTreeSet<IpAddr>, EngineError> {
        self.watched(self.attached(driver).await).await
    }
}

impl DockerEngine {
    async fn reconcile(
        &self,
        driver: &str,
        wanted: &[VirtualNetwork],
    ) -> Result<Ensured, EngineError> {
        let client = self.connection.client().await?;
        let mut listed = self.list_networks(&client, None).await?;
        let mut ensured = Ensured::default();
        // First: one of the same name may have to make room.
        let mut kept = Vec::new();
        for stale in listed.extract_if(.., |it| self.is_stale(it, wanted)) {
            if !self.remove_network(&client, &stale, &mut ensured).await? {
                kept.extend(stale.name);
            }
        }
        for network in wanted {
            let known = listed
                .iter()
                .find(|it| it.name.as_ref() == Some(&network.name));
            match known {
                None if !network.usable || kept.contains(&network.name) => {}
                None => match self.make_network(&client, driver, network).await {
                    Ok(()) => ensured.made.push(network.name.clone()),
                    Err(EngineError::Failed { detail, .. }) => ensured.problems.push(format!(
                        "Docker does not take virtual network '{}': {detail}",
                        network.name
                    )),
                    Err(error) => return Err(error),
                },
                Some(known) if known.driver.as_deref() == Some(driver) => {}
                Some(known) => ensured.problems.push(format!(
                    "Docker has a network '{}' of driver '{}' already, so its containers cannot \
                     join the virtual network of that name; rename one of them",
                    network.name,
                    known.driver.as_deref().unwrap_or_default()
                )),
            }
        }
        Ok(ensured)
    }

    /// Yields whether it is gone.
    async fn remove_network(
        &self,
        client: &Client,
        stale: &Network,
        ensured: &mut Ensured,
    ) -> Result<bool, EngineError> {
        let name = stale.name.clone().unwrap_or_default();
        match client.docker.remove_network(&name).await {
            Ok(()) => ensured.removed.push(name),
            Err(error) if status(&error) == Some(404) => {}
            Err(error) if status(&error).is_some() => {
                ensured.problems.push(format!(
                    "virtual network '{name}' is gone or has other addresses now, but Docker \
                     keeps the network that it had: {}; remove the containers on it",
                    detail(&error)
                ));
                return Ok(false);
            }
            Err(error) => return Err(self.connection.failed("remove a network", &error)),
        }
        Ok(true)
    }

    /// Whether a network was made here and is not wanted any more, or not as it is.
    fn is_stale(&self, network: &Network, wanted: &[VirtualNetwork]) -> bool {
        let owner = network.labels.as_ref().and_then(|labels| labels.get(OWNER));
        if owner != Some(&self.options.owner) {
            return false;
        }
        let name = network.name.as_deref().unwrap_or_default();
        match wanted.iter().find(|it| it.name == name) {
            Some(wanted) => !has_subnets(network, wanted),
            None => true,
        }
    }

    async fn make_network(
        &self,
        client: &Client,
        driver: &str,
        network: &VirtualNetwork,
    ) -> Result<(), EngineError> {
        let option = || Some(HashMap::from([(OPTION.to_owned(), network.name.clone())]));
        let config = network.subnets.iter().map(|net| IpamConfig {
            subnet: Some(net.to_string()),
            ..IpamConfig::default()
        });
        let has = |v6: bool| network.subnets.iter().any(|net| net.addr().is_ipv6() == v6);
        let request = NetworkCreateRequest {
            name: network.name.clone(),
            driver: Some(driver.to_owned()),
            ipam: Some(Ipam {
                driver: Some(driver.to_owned()),
                // Docker takes a wish for an address only where subnets were given.
                config: Some(config.collect()),
                options: option(),
            }),
            // Dockers before 28 know IPv4 only as something that is always there.
            enable_ipv4: (!has(false)).then_some(false),
            enable_ipv6: Some(has(true)),
            options: option(),
            labels: Some(HashMap::from([(
                OWNER.to_owned(),
                self.options.owner.clone(),
            )])),
            ..NetworkCreateRequest::default()
        };
        match client.docker.create_network(request).await {
            // Somebody was quicker; the next round looks at what they made.
            Err(error) if status(&error) == Some(409) => Ok(()),
            Err(error) => Err(self.connection.failed("make a network", &error)),
            Ok(_) => Ok(()),
        }
    }

    async fn list_networks(
        &self,
        client: &Client,
        driver: Option<&str>,
    ) -> Result<Vec<Network>, EngineError> {
        let options: Option<ListNetworksOptions> = driver.map(|driver| {
            let filters = HashMap::from([("driver".to_owned(), vec![driver.to_owned()])]);
            ListNetworksOptionsBuilder::new().filters(&filters).build()
        });
        let listed = client.docker.list_networks(options).await;
        listed.map_err(|error| self.connection.failed("list its networks", &error))
    }

    async fn attached(&self, driver: &str) -> Result<BTreeSet<IpAddr>, EngineError> {
        let client = self.connection.client().await?;
        let mut addresses = BTreeSet::new();
        for network in self.list_networks(&client, Some(driver)).await? {
            let id = network.id.unwrap_or_default();
            let seen = client
                .docker
                .inspect_network(&id, None::<InspectNetworkOptions>);
            let containers = match seen.await {
                Ok(seen) => seen.containers.unwrap_or_default(),
                // Removed meanwhile.
                Err(error) if status(&error) == Some(404) => continue,
                Err(error) => return Err(self.connection.failed("inspect a network", &error)),
            };
            let texts = containers
                .into_values()
                .flat_map(|it| [it.ipv4_address, it.ipv6_address]);
            // Kept for somebody by whoever made the network.
            let config = network
                .ipam
                .and_then(|ipam| ipam.config)
                .unwrap_or_default();
            let kept = config
                .into_iter()
                .filter_map(|config| config.auxiliary_addresses);
            let texts = texts.chain(kept.flat_map(HashMap::into_values).map(Some));
            addresses.extend(texts.flatten().filter_map(|text| {
                let alone = text.split('/').next().unwrap_or_default();
                alone.parse::<IpAddr>().ok()
            }));
        }
        Ok(addresses)
    }
}

/// Whether Docker's network has the addresses of the virtual one.
fn has_subnets(network: &Network, wanted: &VirtualNetwork) -> bool {
    let config = network.ipam.as_ref().and_then(|ipam| ipam.config.as_ref());
    let subnets = config.into_iter().flatten();
    let subnets = subnets.filter_map(|config| config.subnet.as_deref()?.parse().ok());
    let has: BTreeSet<IpNet> = subnets.collect();
    has == wanted.subnets.iter().copied().collect()
}
