//! Docker's network driver: endpoints are links of the node's virtual networks.

use std::net::IpAddr;

use serde_json::Value;

use crate::PluginError;
use crate::book::{KnownEndpoint, KnownNetwork};
use crate::messages::{
    AddressData, CreateNetwork, GENERIC, INTERNAL, InterfaceName, Joined, Options, StaticRoute,
    Subject,
};
use crate::plugin::Shared;
use crate::pools::address;

impl Shared {
    /// Remembers what a Docker network is for.
    pub(crate) fn create_network(&self, request: &CreateNetwork) -> Result<(), PluginError> {
        let internal = request.options.get(INTERNAL).and_then(Value::as_bool);
        if internal == Some(true) {
            return Err(PluginError::Internal);
        }
        let generic = request.options.get(GENERIC).cloned().unwrap_or_default();
        let options: Options = serde_json::from_value(generic).unwrap_or_default();
        let data = request.v4.iter().chain(&request.v6);
        let pools: Vec<&str> = data.map(|AddressData { pool }| pool.as_str()).collect();
        let network = self.network_of(&options, &pools)?;
        let networks = self.book.networks();
        networks.put(&request.network_id, KnownNetwork { network })
    }

    /// Forgets it; Docker has seen to it that nothing is on it.
    pub(crate) fn delete_network(&self, request: &Subject) -> Result<(), PluginError> {
        self.book.networks().remove(&request.network_id)
    }

    /// Remembers what addresses Docker gave an endpoint.
    pub(crate) fn create_endpoint(&self, request: &Subject) -> Result<(), PluginError> {
        let id = &request.network_id;
        let known = self
            .book
            .networks()
            .get(id)
            .ok_or_else(|| missing("network", id))?;
        let interface = &request.interface;
        let texts = [&interface.address, &interface.address_v6];
        let given = texts.into_iter().filter(|text| !text.is_empty());
        let addresses = given
            .map(|text| address(text))
            .collect::<Result<Vec<_>, _>>()?;
        let endpoint = KnownEndpoint {
            network: known.network,
            addresses,
            mac: mac(&interface.mac_address)?,
            sandbox: String::new(),
            ports: Vec::new(),
        };
        self.book.endpoints().put(&request.endpoint_id, endpoint)
    }

    /// Forgets an endpoint and removes its link and ports.
    pub(crate) async fn delete_endpoint(&self, id: &str) -> Result<(), PluginError> {
        // Docker asks once and forgets, so that every step is tried.
        let withdrawn = self.withdraw(id).await;
        self.fabric.remove_link(id).await?;
        withdrawn?;
        self.book.endpoints().remove(id)
    }

    /// Makes an endpoint's link. Docker moves one end into the container and gives it
    /// its name, addresses and routes.
    pub(crate) async fn join(&self, request: &Subject) -> Result<Joined, PluginError> {
        let mut endpoint = self.endpoint(&request.endpoint_id)?;
        let sandbox = request.sandbox_key.rsplit('/').next().unwrap_or_default();
        self.alone_in(sandbox, request, &endpoint)?;
        if endpoint.sandbox != sandbox {
            sandbox.clone_into(&mut endpoint.sandbox);
            let endpoints = self.book.endpoints();
            endpoints.put(&request.endpoint_id, endpoint.clone())?;
        }
        let link = self
            .fabric
            .make_link(
                &endpoint.network,
                &request.endpoint_id,
                &endpoint.addresses,
                endpoint.mac,
            )
            .await?;
        let gateway = |v6: bool| link.gateways.iter().copied().find(|it| it.is_ipv6() == v6);
        let route = |gateway: &IpAddr| StaticRoute {
            destination: ipnet::IpNet::from(*gateway).to_string(),
            route_type: 1,
        };
        // The IPv6 gateway is the same on every link, and a second route to it would be
        // refused; without one Docker may ask before the link knows its own addresses.
        let others = self.book.endpoints().all();
        let v6_known = others.iter().any(|(id, other)| {
            let joined = *id != request.endpoint_id && other.sandbox == sandbox;
            joined && other.addresses.iter().any(IpAddr::is_ipv6)
        });
        let gateways = link.gateways.iter();
        let routed = gateways.filter(|gateway| gateway.is_ipv4() || !v6_known);
        Ok(Joined {
            interface_name: InterfaceName {
                src_name: link.movable.clone(),
                dst_prefix: "eth",
            },
            gateway: gateway(false),
            gateway_v6: gateway(true),
            static_routes: routed.map(route).collect(),
            disable_gateway_service: true,
        })
    }

    /// Refuses a second endpoint of one container on one virtual network: both would need
    /// a route to the same gateway.
    fn alone_in(
        &self,
        sandbox: &str,
        request: &Subject,
        endpoint: &KnownEndpoint,
    ) -> Result<(), PluginError> {
        let all = self.book.endpoints().all();
        let twice = all.iter().any(|(id, other)| {
            *id != request.endpoint_id
                && !sandbox.is_empty()
                && other.sandbox == sandbox
                && other.network == endpoint.network
        });
        if twice {
            return Err(PluginError::Twice {
                network: endpoint.network.clone(),
            });
        }
        Ok(())
    }

    pub(crate) fn endpoint(&self, id: &str) -> Result<KnownEndpoint, PluginError> {
        let endpoint = self.book.endpoints().get(id);
        endpoint.ok_or_else(|| missing("endpoint", id))
    }
}

fn missing(what: &'static str, id: &str) -> PluginError {
    let id = id.to_owned();
    PluginError::Missing { what, id }
}

/// Six bytes of `02:42:ac:11:00:02`; nothing of an empty text.
fn mac(text: &str) -> Result<Option<[u8; 6]>, PluginError> {
    if text.is_empty() {
        return Ok(None);
    }
    let bytes: Option<Vec<u8>> = text
        .split(':')
        .map(|part| {
            u8::from_str_radix(part, 16)
                .ok()
                .filter(|_| part.len() == 2)
        })
        .collect();
    let mac = bytes.and_then(|bytes| <[u8; 6]>::try_from(bytes).ok());
    match mac {
        Some(mac) => Ok(Some(mac)),
        None => Err(PluginError::Request(format!("'{text}' is no MAC address"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_addresses_are_six_bytes() {
        assert_eq!(mac("").unwrap(), None);
        let bytes = [0x02, 0x42, 0xac, 0x11, 0, 2];
        assert_eq!(mac("02:42:ac:11:00:02").unwrap(), Some(bytes));
        for bad in [
            "02:42",
            "02:42:ac:11:00:0",
            "02:42:ac:11:00:zz",
            "02:42:ac:11:00:02:03",
        ] {
            mac(bad).unwrap_err();
        }
    }
}
