//! What an ADD assigned, whatever version reported it.
//!
//! Versions 0.1 and 0.2 report `ip4` and `ip6`, later ones `ips`. The shape decides
//! and not the version given, since old plugins leave the version out or invent one.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// An interface that a plugin made or changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its hardware address, if reported.
    pub mac: Option<String>,
    /// Path of the namespace it is in; absent or empty for the host's.
    pub sandbox: Option<String>,
    /// Its MTU, since 1.1.
    pub mtu: Option<u32>,
}

/// An address that was assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignedIp {
    /// The address with its prefix length.
    pub address: IpNet,
    /// The gateway of its subnet.
    pub gateway: Option<IpAddr>,
    /// Index in [`AddResult::interfaces`].
    pub interface: Option<usize>,
}

/// A route that was made in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Destination.
    pub dst: IpNet,
    /// Next hop; absent means the subnet's gateway.
    pub gw: Option<IpAddr>,
}

/// Resolver settings, as CNI writes them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Dns {
    /// Name servers in order of preference.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// Local domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Search list.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Resolver options.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

/// The result of ADD in one form for all versions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddResult {
    /// Interfaces on both sides.
    pub interfaces: Vec<Interface>,
    /// Addresses in the order reported.
    pub ips: Vec<AssignedIp>,
    /// Routes in the container.
    pub routes: Vec<Route>,
    /// Resolver settings.
    pub dns: Dns,
}

impl AddResult {
    /// Reads a result of any version.
    ///
    /// # Errors
    /// Says in words what is wrong with it.
    pub fn from_value(value: &Value) -> Result<Self, String> {
        if !value.is_object() {
            return Err("it is not a JSON object".to_owned());
        }
        let raw = Raw::deserialize(value).map_err(|error| error.to_string())?;
        let mut result = Self {
            interfaces: raw.interfaces,
            dns: raw.dns,
            ..Self::default()
        };
        // A plugin that prints both forms means the same by them.
        let old = [raw.ip4, raw.ip6]
            .into_iter()
            .filter(|_| raw.ips.is_empty());
        for ip in old.flatten() {
            let gateway = gateway(ip.gateway.as_deref())?;
            result.ips.push(AssignedIp {
                address: network(&ip.ip)?,
                gateway,
                interface: None,
            });
            result.add_routes(&ip.routes)?;
        }
        for ip in raw.ips {
            result.ips.push(AssignedIp {
                address: network(&ip.address)?,
                gateway: gateway(ip.gateway.as_deref())?,
                interface: ip.interface.and_then(|index| usize::try_from(index).ok()),
            });
        }
        result.add_routes(&raw.routes)?;
        Ok(result)
    }

    /// The container's addresses without prefix lengths, in order: those on no
    /// interface in particular and those on one inside a sandbox. Plugins may
    /// report addresses of the host's side too.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let inside = |ip: &&AssignedIp| match ip.interface.and_then(|i| self.interfaces.get(i)) {
            Some(interface) => interface
                .sandbox
                .as_deref()
                .is_some_and(|path| !path.is_empty()),
            None => true,
        };
        self.ips.iter().filter(inside).map(|ip| ip.address.addr())
    }

    fn add_routes(&mut self, routes: &[RawRoute]) -> Result<(), String> {
        for route in routes {
            let gw = gateway(route.gw.as_deref())?;
            self.routes.push(Route {
                dst: network(&route.dst)?,
                gw,
            });
        }
        Ok(())
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Raw {
    ip4: Option<RawOldIp>,
    ip6: Option<RawOldIp>,
    #[serde(deserialize_with = "nullable")]
    interfaces: Vec<Interface>,
    #[serde(deserialize_with = "nullable")]
    ips: Vec<RawIp>,
    #[serde(deserialize_with = "nullable")]
    routes: Vec<RawRoute>,
    #[serde(deserialize_with = "nullable")]
    dns: Dns,
}

#[derive(Deserialize)]
struct RawOldIp {
    ip: String,
    gateway: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    routes: Vec<RawRoute>,
}

#[derive(Deserialize)]
struct RawIp {
    address: String,
    gateway: Option<String>,
    interface: Option<i64>,
}

#[derive(Deserialize)]
struct RawRoute {
    dst: String,
    gw: Option<String>,
}

/// Go writes an empty list as null.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An address with a prefix length; without one it stands for itself alone.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| format!("'{text}' is not an address with a prefix length"))
}

fn gateway(text: Option<&str>) -> Result<Option<IpAddr>, String> {
    match text {
        None | Some("") => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_| format!("'{text}' is not a gateway's address")),
    }
}

#[cfg(test)]
mod tests;
