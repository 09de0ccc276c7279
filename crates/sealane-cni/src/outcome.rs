//! Results of ADD, read and printed in every version.
//!
//! Fields that are not known here are kept: results pass through us from the plugins
//! before to the plugins behind.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use crate::config::nullable;
use crate::{Assigned, Attachment, Failure, Version, code};

/// A result in one form for all versions.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(from = "Raw")]
pub struct Outcome {
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) ips: Vec<Ip>,
    pub(crate) routes: Vec<Route>,
    pub(crate) dns: Dns,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Interface {
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mac: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mtu: Option<u32>,
    /// The namespace; absent or empty is the host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sandbox: Option<String>,
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ip {
    #[serde(deserialize_with = "net")]
    pub(crate) address: IpNet,
    #[serde(
        default,
        deserialize_with = "gateway",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) gateway: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) interface: Option<i64>,
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Route {
    #[serde(deserialize_with = "net")]
    pub(crate) dst: IpNet,
    #[serde(
        default,
        deserialize_with = "gateway",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) gw: Option<IpAddr>,
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

/// Resolver settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Dns {
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub(crate) nameservers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) domain: Option<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub(crate) search: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub(crate) options: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw {
    ip4: Option<OldIp>,
    ip6: Option<OldIp>,
    #[serde(deserialize_with = "nullable")]
    interfaces: Vec<Interface>,
    #[serde(deserialize_with = "nullable")]
    ips: Vec<Ip>,
    #[serde(deserialize_with = "nullable")]
    routes: Vec<Route>,
    #[serde(deserialize_with = "nullable")]
    dns: Dns,
}

/// An address of versions 0.1 and 0.2, one of each family.
#[derive(Deserialize)]
struct OldIp {
    #[serde(deserialize_with = "net")]
    ip: IpNet,
    #[serde(default, deserialize_with = "gateway")]
    gateway: Option<IpAddr>,
    #[serde(default, deserialize_with = "nullable")]
    routes: Vec<Route>,
}

impl From<Raw> for Outcome {
    fn from(raw: Raw) -> Self {
        let (mut ips, mut routes) = (Vec::new(), Vec::new());
        for old in [raw.ip4, raw.ip6].into_iter().flatten() {
            ips.push(Ip {
                address: old.ip,
                gateway: old.gateway,
                interface: None,
                more: Map::new(),
            });
            routes.extend(old.routes);
        }
        ips.extend(raw.ips);
        routes.extend(raw.routes);
        // Said anew in the versions that have it.
        ips.iter_mut()
            .for_each(|ip| drop(ip.more.remove("version")));
        Self {
            interfaces: raw.interfaces,
            ips,
            routes,
            dns: raw.dns,
        }
    }
}

impl Dns {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Outcome {
    /// This result with an interface that the daemon made.
    pub(crate) fn with(mut self, assigned: &Assigned, ifname: &str, sandbox: &str) -> Self {
        let mtu = Some(assigned.mtu);
        self.interfaces.push(Interface {
            name: assigned.host_interface.clone(),
            mac: assigned.host_mac.clone(),
            mtu,
            ..Interface::default()
        });
        let inside = i64::try_from(self.interfaces.len()).ok();
        self.interfaces.push(Interface {
            name: ifname.to_owned(),
            mac: Some(assigned.mac.clone()),
            mtu,
            sandbox: Some(sandbox.to_owned()),
            ..Interface::default()
        });
        let via = |net: &IpNet| {
            let same = |gateway: &&IpAddr| gateway.is_ipv4() == net.addr().is_ipv4();
            assigned.gateways.iter().find(same).copied()
        };
        self.ips.extend(assigned.addresses.iter().map(|address| Ip {
            address: *address,
            gateway: via(address),
            interface: inside,
            more: Map::new(),
        }));
        self.routes.extend(assigned.routes.iter().map(|dst| Route {
            dst: *dst,
            gw: via(dst),
            more: Map::new(),
        }));
        if self.dns.is_empty() {
            let texts = assigned.nameservers.iter().map(ToString::to_string);
            self.dns.nameservers = texts.collect();
        }
        self
    }

    /// Addresses of one of the container's interfaces. Those that belong to no
    /// interface in particular count for it, since old versions name none.
    pub(crate) fn addresses_of(&self, attachment: &Attachment) -> Vec<IpAddr> {
        let here = |ip: &&Ip| match ip.interface.map(usize::try_from) {
            None | Some(Err(_)) => true,
            Some(Ok(index)) => self.interfaces.get(index).is_some_and(|interface| {
                interface.is_inside() && interface.name == attachment.ifname
            }),
        };
        self.ips
            .iter()
            .filter(here)
            .map(|ip| ip.address.addr())
            .collect()
    }

    /// Names of all interfaces in the host's namespace.
    pub(crate) fn host_interfaces(&self) -> Vec<String> {
        let outside = self.interfaces.iter().filter(|one| !one.is_inside());
        outside.map(|interface| interface.name.clone()).collect()
    }

    /// The result as `version` writes it.
    ///
    /// # Errors
    /// Old versions cannot say that there is no address.
    pub fn to_value(&self, version: Version) -> Result<Value, Failure> {
        let mut value = if version < Version::LISTS {
            self.old()?
        } else {
            self.lists(version)
        };
        if let Value::Object(object) = &mut value {
            object.insert("cniVersion".to_owned(), version.to_string().into());
        }
        Ok(value)
    }

    fn old(&self) -> Result<Value, Failure> {
        let mut object = Map::new();
        for (key, v4) in [("ip4", true), ("ip6", false)] {
            let ours = |net: &IpNet| net.addr().is_ipv4() == v4;
            let Some(ip) = self.ips.iter().find(|ip| ours(&ip.address)) else {
                continue;
            };
            let routes: Vec<Value> = self
                .routes
                .iter()
                .filter(|route| ours(&route.dst))
                .map(|route| match route.gw {
                    Some(gw) => json!({"dst": route.dst, "gw": gw}),
                    None => json!({"dst": route.dst}),
                })
                .collect();
            let mut old = json!({"ip": ip.address, "routes": routes});
            if let (Some(gateway), Value::Object(old)) = (ip.gateway, &mut old) {
                old.insert("gateway".to_owned(), json!(gateway));
            }
            object.insert(key.to_owned(), old);
        }
        if object.is_empty() {
            let msg = "there is no address, which results before version 0.3.0 cannot say";
            return Err(Failure::new(code::INCOMPATIBLE_VERSION, msg));
        }
        object.insert("dns".to_owned(), json!(self.dns));
        Ok(Value::Object(object))
    }

    fn lists(&self, version: Version) -> Value {
        let mut interfaces = self.interfaces.clone();
        if version < Version::NEWEST {
            interfaces.iter_mut().for_each(|one| one.mtu = None);
        }
        let mut ips = self.ips.clone();
        if version < Version::STABLE {
            for ip in &mut ips {
                let family = if ip.address.addr().is_ipv4() {
                    "4"
                } else {
                    "6"
                };
                ip.more.insert("version".to_owned(), family.into());
            }
        }
        json!({"interfaces": interfaces, "ips": ips, "routes": self.routes, "dns": self.dns})
    }
}

impl Interface {
    pub(crate) fn is_inside(&self) -> bool {
        self.sandbox.as_deref().is_some_and(|path| !path.is_empty())
    }
}

/// An address with a prefix length; without one it stands for itself alone.
fn net<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpNet, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| {
            let text = text.escape_debug();
            serde::de::Error::custom(format!("'{text}' is no address with a prefix length"))
        })
}

fn gateway<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    match text.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            let text = text.escape_debug();
            serde::de::Error::custom(format!("'{text}' is no gateway's address"))
        }),
    }
}

#[cfg(test)]
mod tests;
