//! Published ports of Docker's containers.
//!
//! A network whose driver names a gateway publishes its ports itself; only without one
//! would Docker's own bridge do it.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use model::Protocol;
use networks::{HolderKind, NetworkError, Published};

use crate::PluginError;
use crate::book::{KnownEndpoint, KnownPort};
use crate::messages::{PORT_MAP, PublishedPort, Subject};
use crate::plugin::Shared;

impl Shared {
    /// Publishes an endpoint's ports, all or none.
    pub(crate) async fn publish(&self, request: &Subject) -> Result<(), PluginError> {
        let id = &request.endpoint_id;
        let _turn = self.publishing.lock().await;
        let mut endpoint = self.endpoint(id)?;
        let wanted = request.options.get(PORT_MAP).cloned().unwrap_or_default();
        let asked: Option<Vec<PublishedPort>> = serde_json::from_value(wanted)
            .map_err(|error| PluginError::Request(format!("{PORT_MAP}: {error}")))?;
        let mut ports = Vec::new();
        for port in asked.iter().flatten() {
            ports.extend(published(&endpoint, port)?);
        }
        if ports == endpoint.ports {
            return Ok(());
        }
        endpoint.ports = ports;
        let all: Vec<Published> = endpoint
            .ports
            .iter()
            .copied()
            .map(Published::from)
            .collect();
        let owner = owner(id, &endpoint);
        self.ports
            .publish(&owner, &all)
            .await
            .map_err(ports_error)?;
        self.book.endpoints().put(id, endpoint)
    }

    /// Withdraws an endpoint's ports; none is fine.
    pub(crate) async fn withdraw(&self, id: &str) -> Result<(), PluginError> {
        let _turn = self.publishing.lock().await;
        let Some(mut endpoint) = self.book.endpoints().get(id) else {
            return Ok(());
        };
        if endpoint.ports.is_empty() {
            return Ok(());
        }
        let owner = owner(id, &endpoint);
        self.ports.withdraw(&owner).await.map_err(ports_error)?;
        endpoint.ports.clear();
        self.book.endpoints().put(id, endpoint)
    }

    /// Removes the endpoints that Docker forgot, whose addresses are leased no more, and
    /// makes what the records of the others say all host ports of Docker's containers.
    pub(crate) async fn settle(&self) -> Result<(), PluginError> {
        let leases = self.fabric.usage().await.into_iter();
        let leases = leases.flat_map(|usage| usage.leases);
        let leased: HashSet<IpAddr> = leases
            .filter(|lease| lease.kind == HolderKind::Docker)
            .map(|lease| lease.address)
            .collect();
        for (id, endpoint) in self.book.endpoints().all() {
            // Leased before the endpoint is made, and given back after it is gone.
            if endpoint
                .addresses
                .iter()
                .all(|address| !leased.contains(address))
            {
                tracing::info!(endpoint = id, "Docker has forgotten an endpoint");
                self.delete_endpoint(&id).await?;
            }
        }
        let _turn = self.publishing.lock().await;
        let known = self.book.endpoints().all().into_iter();
        let all = known.map(|(id, endpoint)| {
            let owner = owner(&id, &endpoint);
            let ports = endpoint.ports.into_iter().map(Published::from);
            (owner, ports.collect())
        });
        let all = all.filter(|(_, ports): &(String, Vec<Published>)| !ports.is_empty());
        let settled = self.ports.settle_all(&all.collect()).await;
        settled.map(drop).map_err(ports_error)
    }
}

/// Under which name an endpoint has its ports: those of one container never conflict.
fn owner(id: &str, endpoint: &KnownEndpoint) -> String {
    format!("{}/{id}", endpoint.sandbox)
}

fn ports_error(error: NetworkError) -> PluginError {
    PluginError::Ports(Box::new(error))
}

/// A published port for each of the endpoint's addresses of a family that the host's
/// address, if it is given, allows.
fn published(
    endpoint: &KnownEndpoint,
    port: &PublishedPort,
) -> Result<Vec<KnownPort>, PluginError> {
    let container_port = port.container_port;
    let protocol = match port.protocol {
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        protocol => {
            return Err(PluginError::Protocol {
                container_port,
                protocol,
            });
        }
    };
    if port.host_port == 0 || port.host_port_end > port.host_port {
        return Err(PluginError::ChosenPort { container_port });
    }
    let host_ip = match port.host_ip.as_str() {
        "" => None,
        text => Some(
            text.parse::<IpAddr>()
                .map_err(|_| PluginError::Address(text.to_owned()))?,
        ),
    };
    let suits = |address: &&IpAddr| host_ip.is_none_or(|ip| ip.is_ipv4() == address.is_ipv4());
    if let Some(host_ip) = host_ip
        && !endpoint.addresses.iter().any(|address| suits(&address))
    {
        return Err(PluginError::Nowhere {
            container_port,
            host_ip,
        });
    }
    let addresses = endpoint.addresses.iter().filter(suits);
    Ok(addresses
        .map(|address| KnownPort {
            host_port: port.host_port,
            protocol,
            // "Any address" is what no address says.
            host_ip: host_ip.filter(|ip| !ip.is_unspecified()),
            to: SocketAddr::new(*address, container_port),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> KnownEndpoint {
        KnownEndpoint {
            network: "dcos".to_owned(),
            addresses: vec!["9.0.1.2".parse().unwrap(), "fd01:b::2".parse().unwrap()],
            mac: None,
            sandbox: "s".to_owned(),
            ports: Vec::new(),
        }
    }

    fn port(host_ip: &str, host_port: u16, protocol: u8) -> PublishedPort {
        PublishedPort {
            protocol,
            container_port: 80,
            host_ip: host_ip.to_owned(),
            host_port,
            host_port_end: host_port,
        }
    }

    fn targets(host_ip: &str) -> Vec<String> {
        let all = published(&endpoint(), &port(host_ip, 8080, 6)).unwrap();
        all.iter().map(|one| one.to.to_string()).collect()
    }

    #[test]
    fn families_go_by_the_hosts_address() {
        assert_eq!(targets(""), ["9.0.1.2:80", "[fd01:b::2]:80"]);
        assert_eq!(targets("0.0.0.0"), ["9.0.1.2:80"]);
        assert_eq!(targets("127.0.0.1"), ["9.0.1.2:80"]);
        assert_eq!(targets("::"), ["[fd01:b::2]:80"]);
        let any = published(&endpoint(), &port("0.0.0.0", 1, 17)).unwrap();
        assert_eq!((any[0].host_ip, any[0].protocol), (None, Protocol::Udp));
    }

    #[test]
    fn what_cannot_be_published_is_explained() {
        let refused = |port| published(&endpoint(), &port).unwrap_err().to_string();
        assert!(refused(port("", 0, 6)).contains("-p HOST:80"));
        assert!(refused(port("", 80, 132)).contains("132"));
        assert!(refused(port("nine", 80, 6)).contains("'nine'"));
        let mut range = port("", 80, 6);
        range.host_port_end = 90;
        assert!(refused(range).contains("-p HOST:80"));
    }
}
