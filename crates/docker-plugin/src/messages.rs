//! What Docker says and hears, as far as it matters here.
//!
//! The protocol is that of remote drivers of networks and addresses (moby,
//! `daemon/libnetwork/docs/remote.md` and `ipam.md`). Fields that nobody reads are left
//! out; unknown ones are ignored, since newer Dockers send more.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Options as Docker passes them: of users, of itself, of any shape.
pub(crate) type Options = BTreeMap<String, Value>;

/// Where Docker keeps what users gave as `--opt`.
pub(crate) const GENERIC: &str = "com.docker.network.generic";
/// Whether a network is cut off from everything else.
pub(crate) const INTERNAL: &str = "com.docker.network.internal";
/// What a pool's data may say about its gateway.
pub(crate) const GATEWAY: &str = "com.docker.network.gateway";
/// Published ports, for `ProgramExternalConnectivity`.
pub(crate) const PORT_MAP: &str = "com.docker.network.portmap";
/// Asks for an address that is to be the gateway's.
pub(crate) const ADDRESS_TYPE: &str = "RequestAddressType";

/// `IpamDriver.RequestPool`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct RequestPool {
    pub(crate) pool: String,
    pub(crate) sub_pool: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) options: Options,
    pub(crate) v6: bool,
}

/// Its answer.
#[derive(Debug, Serialize)]
pub(crate) struct Pool {
    #[serde(rename = "PoolID")]
    pub(crate) pool_id: String,
    #[serde(rename = "Pool")]
    pub(crate) pool: String,
    #[serde(rename = "Data")]
    pub(crate) data: BTreeMap<&'static str, String>,
}

/// `IpamDriver.RequestAddress` and `IpamDriver.ReleaseAddress`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PoolAddress {
    #[serde(rename = "PoolID")]
    pub(crate) pool_id: String,
    #[serde(rename = "Address")]
    pub(crate) address: String,
    #[serde(rename = "Options", deserialize_with = "nullable")]
    pub(crate) options: Options,
}

/// `NetworkDriver.CreateNetwork`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CreateNetwork {
    #[serde(rename = "NetworkID")]
    pub(crate) network_id: String,
    #[serde(rename = "Options", deserialize_with = "nullable")]
    pub(crate) options: Options,
    #[serde(rename = "IPv4Data", deserialize_with = "nullable")]
    pub(crate) v4: Vec<AddressData>,
    #[serde(rename = "IPv6Data", deserialize_with = "nullable")]
    pub(crate) v6: Vec<AddressData>,
}

/// Addresses that Docker's address driver gave a network.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct AddressData {
    pub(crate) pool: String,
}

/// Names a network, or one and an endpoint.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Subject {
    #[serde(rename = "NetworkID")]
    pub(crate) network_id: String,
    #[serde(rename = "EndpointID")]
    pub(crate) endpoint_id: String,
    #[serde(rename = "Options", deserialize_with = "nullable")]
    pub(crate) options: Options,
    #[serde(rename = "Interface", deserialize_with = "nullable")]
    pub(crate) interface: Interface,
    /// The container's network namespace, as a path; only for `Join`.
    #[serde(rename = "SandboxKey")]
    pub(crate) sandbox_key: String,
}

/// An interface as Docker describes it.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Interface {
    #[serde(rename = "Address", skip_serializing_if = "String::is_empty")]
    pub(crate) address: String,
    #[serde(rename = "AddressIPv6", skip_serializing_if = "String::is_empty")]
    pub(crate) address_v6: String,
    #[serde(rename = "MacAddress", skip_serializing_if = "String::is_empty")]
    pub(crate) mac_address: String,
}

/// The answer to `NetworkDriver.Join`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Joined {
    pub(crate) interface_name: InterfaceName,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<IpAddr>,
    #[serde(rename = "GatewayIPv6", skip_serializing_if = "Option::is_none")]
    pub(crate) gateway_v6: Option<IpAddr>,
    pub(crate) static_routes: Vec<StaticRoute>,
    /// Without this, a network without a gateway gets a second leg on `docker_gwbridge`.
    pub(crate) disable_gateway_service: bool,
}

/// Which link becomes the container's, and what its name there begins with.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InterfaceName {
    pub(crate) src_name: String,
    pub(crate) dst_prefix: &'static str,
}

/// A route of the container.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StaticRoute {
    pub(crate) destination: String,
    /// 1: the destination is on the link.
    pub(crate) route_type: u8,
}

/// A published port, of [`PORT_MAP`].
#[derive(Debug, Deserialize)]
pub(crate) struct PublishedPort {
    /// 6 or 17.
    #[serde(rename = "Proto")]
    pub(crate) protocol: u8,
    #[serde(rename = "Port")]
    pub(crate) container_port: u16,
    #[serde(rename = "HostIP", default)]
    pub(crate) host_ip: String,
    #[serde(rename = "HostPort", default)]
    pub(crate) host_port: u16,
    #[serde(rename = "HostPortEnd", default)]
    pub(crate) host_port_end: u16,
}

/// Docker writes what is empty as `null`.
fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
