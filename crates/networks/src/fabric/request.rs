//! Whether a request makes sense, before anything is done for it.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use model::Protocol;
use netlink::Mac;

use super::names::parse_mac;
use super::{EndpointId, EndpointRequest, FabricError, FabricNetwork};
use crate::Published;

/// Longest container id: it is part of a file name and of a note on a link.
const LONGEST_ID: usize = 160;
/// Longest name of an interface.
const LONGEST_IFNAME: usize = 15;
/// IPv4 needs this much of every link; IPv6 needs 1280.
const SMALLEST_MTU: u16 = 68;

/// Refuses ids that cannot be one, so that nothing else has to think of them.
pub(crate) fn check_id(id: &EndpointId) -> Result<(), FabricError> {
    let word = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    if !word(&id.container) || id.container.len() > LONGEST_ID {
        return Err(FabricError::Invalid {
            what: "container id",
            value: id.container.clone(),
            rule: "1 to 160 of a-z, A-Z, 0-9, '.', '_' and '-', beginning with a letter or digit",
        });
    }
    if !word(&id.ifname) || id.ifname.len() > LONGEST_IFNAME {
        return Err(FabricError::Invalid {
            what: "interface name",
            value: id.ifname.clone(),
            rule: "1 to 15 of a-z, A-Z, 0-9, '.', '_' and '-', beginning with a letter or digit",
        });
    }
    Ok(())
}

/// Refuses names of networks that are no names of directories.
pub(crate) fn check_name(network: &str) -> Result<(), FabricError> {
    if network.is_empty() || network.starts_with('.') || network.contains(['/', '\0']) {
        return Err(FabricError::Invalid {
            what: "name of a virtual network",
            value: network.to_owned(),
            rule: "letters, digits, '_', '.' and '-', beginning with a letter or digit",
        });
    }
    Ok(())
}

/// The hardware address and MTU of a request, if it has them.
pub(crate) fn check_link(
    request: &EndpointRequest,
    v6: bool,
) -> Result<(Option<Mac>, Option<u16>), FabricError> {
    let mac = match &request.mac {
        None => None,
        Some(text) => Some(parse_mac(text).ok_or_else(|| FabricError::Invalid {
            what: "hardware address",
            value: text.clone(),
            rule: "six pairs of hexadecimal digits with ':' between, not that of a group",
        })?),
    };
    let smallest = if v6 { 1280 } else { SMALLEST_MTU };
    match request.mtu {
        Some(mtu) if mtu < smallest => Err(FabricError::Invalid {
            what: "MTU",
            value: mtu.to_string(),
            rule: "at least 68, and 1280 with IPv6",
        }),
        mtu => Ok((mac, mtu)),
    }
}

/// Which address is wanted of each of `nets`, in their order.
pub(crate) fn wanted_of(
    network: &FabricNetwork,
    nets: &[IpNet],
    wanted: &[IpAddr],
) -> Result<Vec<Option<IpAddr>>, FabricError> {
    let mut found = vec![None; nets.len()];
    for address in wanted {
        let at = nets.iter().position(|net| net.contains(address));
        let Some(place) = at.and_then(|at| found.get_mut(at)) else {
            return Err(outside(network, *address));
        };
        if place.is_some_and(|other| other != *address) {
            return Err(FabricError::Invalid {
                what: "wanted address",
                value: address.to_string(),
                rule: "an interface has at most one of each family",
            });
        }
        *place = Some(*address);
    }
    Ok(found)
}

/// Says whose a foreign address is.
pub(crate) fn outside(network: &FabricNetwork, address: IpAddr) -> FabricError {
    let mut elsewhere = network.elsewhere.iter();
    FabricError::Outside {
        network: network.network.name.clone(),
        address,
        block: network.block.clone(),
        whose: elsewhere.find(|(net, _)| net.contains(&address)).copied(),
    }
}

/// The host ports of a request, as they lead to `addresses`: each mapping leads to one
/// address of each family, unless it names an address of the host.
pub(crate) fn published(
    request: &EndpointRequest,
    addresses: &[IpNet],
) -> Result<Vec<Published>, FabricError> {
    let mut all = Vec::new();
    for mapping in &request.port_mappings {
        let invalid = |what, value: String, rule| FabricError::Invalid { what, value, rule };
        let protocol = match mapping.protocol.to_ascii_lowercase().as_str() {
            "" | "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => {
                let value = mapping.protocol.clone();
                return Err(invalid("protocol of a port mapping", value, "tcp or udp"));
            }
        };
        if mapping.host_port == 0 || mapping.container_port == 0 {
            let value = format!("{}:{}", mapping.host_port, mapping.container_port);
            return Err(invalid("port mapping", value, "both ports are 1 to 65535"));
        }
        let fits = |to: &&IpNet| {
            let at = mapping.host_ip;
            at.is_none_or(|at| at.is_ipv4() == to.addr().is_ipv4())
        };
        let begun = all.len();
        all.extend(addresses.iter().filter(fits).map(|to| Published {
            host_port: mapping.host_port,
            protocol,
            host_ip: mapping.host_ip.filter(|ip| !ip.is_unspecified()),
            to: SocketAddr::new(to.addr(), mapping.container_port),
        }));
        if all.len() == begun {
            let value = mapping.host_ip.map(|ip| ip.to_string()).unwrap_or_default();
            let rule = "the network has addresses of that family";
            return Err(invalid("host address of a port mapping", value, rule));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
