//! What a container's `NetworkInfo`s ask for, checked before anything is done.
//!
//! Rules for the entries are those of Mesos' `network/cni` isolator: one without a
//! name is skipped, a name may appear once, interfaces are eth0, eth1 … in the order
//! of the named entries. Addresses and ports, which Mesos passed on unread, are
//! checked here.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use cni::{Capabilities, NetworkConfig, PortMap, Record};
use ipnet::IpNet;
use mesos::{NetworkInfo, PortMapping};
use model::Protocol;

use crate::host_ports::Port;
use crate::{NetworkError, Published};

/// One network to join.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    /// The network's name.
    pub(crate) network: String,
    /// The interface in the container.
    pub(crate) ifname: String,
    /// The request as it was.
    pub(crate) info: NetworkInfo,
    /// Addresses that must be assigned.
    pub(crate) addresses: Vec<IpAddr>,
    /// Host ports that must be free.
    pub(crate) host_ports: Vec<Port>,
    /// The same for plugins.
    pub(crate) capabilities: Capabilities,
}

/// Checks the requests of container `id`.
pub(crate) fn wanted(id: &str, requests: &[NetworkInfo]) -> Result<Vec<Wanted>, NetworkError> {
    let (mut names, mut ports) = (HashSet::new(), HashSet::new());
    let mut all = Vec::new();
    for info in requests {
        let Some(network) = info.name.clone() else {
            continue;
        };
        if !names.insert(network.clone()) {
            return Err(NetworkError::Duplicate {
                id: id.to_owned(),
                name: network,
            });
        }
        let addresses = addresses(&network, info)?;
        let mut wanted = Wanted {
            ifname: format!("eth{}", all.len()),
            info: info.clone(),
            capabilities: Capabilities {
                ips: addresses.iter().copied().map(IpNet::from).collect(),
                ..Capabilities::default()
            },
            addresses,
            host_ports: Vec::new(),
            network,
        };
        for mapping in &info.port_mappings {
            let (host_port, map) = port_map(&wanted.network, mapping)?;
            if !ports.insert((host_port.number, host_port.protocol)) {
                let rule = "the container maps this host port twice";
                return Err(bad_mapping(&wanted.network, mapping, rule));
            }
            wanted.host_ports.push(host_port);
            wanted.capabilities.port_mappings.push(map);
        }
        all.push(wanted);
    }
    if all.is_empty() {
        return Err(NetworkError::NoNetwork(id.to_owned()));
    }
    Ok(all)
}

/// The host ports of mappings as plugins are told.
pub(crate) fn host_ports(capabilities: &Capabilities) -> impl Iterator<Item = Port> + '_ {
    capabilities.port_mappings.iter().map(|map| Port {
        number: map.host_port,
        protocol: protocol(map),
        ip: map.host_ip,
    })
}

/// Whether a plugin of the network maps ports.
pub(crate) fn maps_ports(config: &NetworkConfig) -> bool {
    let mut plugins = config.plugins.iter();
    plugins.any(|plugin| plugin.capabilities.contains("portMappings"))
}

/// The host ports of a joined network that none of its plugins maps: each leads to the
/// container's first address of either family.
pub(crate) fn published(record: &Record) -> Vec<Published> {
    let maps = &record.join.capabilities.port_mappings;
    // Asked first, since records of networks are long and most have no ports.
    let Some(result) = record.result().filter(|_| !maps.is_empty()) else {
        return Vec::new();
    };
    if record.network().is_ok_and(|config| maps_ports(&config)) {
        return Vec::new();
    }
    let mut all = Vec::new();
    for is_ipv4 in [true, false] {
        let Some(ip) = result.addresses().find(|ip| ip.is_ipv4() == is_ipv4) else {
            continue;
        };
        let valid = |map: &&PortMap| map.host_ip.is_none_or(|host| host.is_ipv4() == is_ipv4);
        all.extend(maps.iter().filter(valid).map(|map| Published {
            host_port: map.host_port,
            protocol: protocol(map),
            host_ip: map.host_ip,
            to: SocketAddr::new(ip, map.container_port),
        }));
    }
    all
}

fn protocol(map: &PortMap) -> Protocol {
    if map.protocol == Protocol::Udp.as_str() {
        Protocol::Udp
    } else {
        Protocol::Tcp
    }
}

fn addresses(network: &str, info: &NetworkInfo) -> Result<Vec<IpAddr>, NetworkError> {
    let texts = info
        .ip_addresses
        .iter()
        .filter_map(|ip| ip.ip_address.as_deref());
    texts
        .map(|text| {
            let (network, address) = (network.to_owned(), text.to_owned());
            text.parse()
                .map_err(|_| NetworkError::Address { network, address })
        })
        .collect()
}

fn port_map(network: &str, mapping: &PortMapping) -> Result<(Port, PortMap), NetworkError> {
    let refuse = |rule| bad_mapping(network, mapping, rule);
    let protocol = match mapping
        .protocol
        .as_deref()
        .map(str::to_ascii_lowercase)
        .as_deref()
    {
        None | Some("tcp" | "") => Protocol::Tcp,
        Some("udp") => Protocol::Udp,
        Some(_) => return Err(refuse("the protocol must be tcp or udp")),
    };
    let port = |port: u32| u16::try_from(port).ok().filter(|port| *port != 0);
    let rule = "ports must be 1 to 65535; a host port to be chosen must have been chosen by now";
    let host_port = port(mapping.host_port).ok_or_else(|| refuse(rule))?;
    let container_port = port(mapping.container_port).ok_or_else(|| refuse(rule))?;
    let protocol_name = protocol.as_str().to_owned();
    let map = PortMap {
        host_port,
        container_port,
        protocol: protocol_name,
        host_ip: None,
    };
    let port = Port {
        number: host_port,
        protocol,
        ip: None,
    };
    Ok((port, map))
}

fn bad_mapping(network: &str, mapping: &PortMapping, rule: &'static str) -> NetworkError {
    NetworkError::PortMapping {
        network: network.to_owned(),
        host_port: mapping.host_port,
        container_port: mapping.container_port,
        protocol: mapping.protocol.clone().unwrap_or_else(|| "tcp".to_owned()),
        rule,
    }
}

#[cfg(test)]
mod tests {
    use mesos::IpAddress;

    use super::*;

    fn mapping(host_port: u32, container_port: u32, protocol: Option<&str>) -> PortMapping {
        PortMapping {
            host_port,
            container_port,
            protocol: protocol.map(ToOwned::to_owned),
        }
    }

    fn with_ports(name: &str, port_mappings: Vec<PortMapping>) -> NetworkInfo {
        NetworkInfo {
            port_mappings,
            ..NetworkInfo::named(name)
        }
    }

    #[test]
    fn named_entries_become_interfaces_in_order() {
        let requests = [
            NetworkInfo::named("b"),
            NetworkInfo::default(),
            NetworkInfo::named("a"),
        ];
        let all = wanted("x", &requests).unwrap();
        let order: Vec<(&str, &str)> = all
            .iter()
            .map(|one| (one.network.as_str(), one.ifname.as_str()))
            .collect();
        assert_eq!(order, [("b", "eth0"), ("a", "eth1")]);
        assert!(matches!(
            wanted("x", &requests[1..2]),
            Err(NetworkError::NoNetwork(_))
        ));
        let twice = [NetworkInfo::named("a"), NetworkInfo::named("a")];
        let error = wanted("x", &twice).unwrap_err();
        assert!(matches!(error, NetworkError::Duplicate { .. }), "{error}");
    }

    #[test]
    fn ports_and_addresses_reach_plugins() {
        let mut info = with_ports(
            "a",
            vec![mapping(80, 8080, None), mapping(53, 53, Some("UDP"))],
        );
        let ip = |text: &str| IpAddress {
            protocol: None,
            ip_address: Some(text.to_owned()),
        };
        info.ip_addresses = vec![IpAddress::default(), ip("10.0.0.5"), ip("2001:db8::5")];
        let one = wanted("x", &[info]).unwrap().remove(0);
        let capabilities = serde_json::to_value(&one.capabilities).unwrap();
        let expected = serde_json::json!({
            "portMappings": [
                {"hostPort": 80, "containerPort": 8080, "protocol": "tcp"},
                {"hostPort": 53, "containerPort": 53, "protocol": "udp"}
            ],
            "ips": ["10.0.0.5/32", "2001:db8::5/128"]
        });
        assert_eq!(capabilities, expected);
        let port = |number, protocol| Port {
            number,
            protocol,
            ip: None,
        };
        let ports = [port(80, Protocol::Tcp), port(53, Protocol::Udp)];
        assert_eq!(one.host_ports, ports);
        assert_eq!(
            host_ports(&one.capabilities).collect::<Vec<_>>(),
            one.host_ports
        );
        assert_eq!(one.addresses.len(), 2);
    }

    #[test]
    fn impossible_requests_are_refused() {
        for (mappings, expected) in [
            (vec![mapping(0, 80, None)], "1 to 65535"),
            (vec![mapping(65536, 80, None)], "1 to 65535"),
            (vec![mapping(80, 0, None)], "1 to 65535"),
            (vec![mapping(80, 80, Some("icmp"))], "tcp or udp"),
            (
                vec![mapping(80, 1, None), mapping(80, 2, Some("tcp"))],
                "twice",
            ),
        ] {
            let error = wanted("x", &[with_ports("a", mappings)])
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
        let both = vec![mapping(80, 1, Some("udp")), mapping(80, 1, Some("tcp"))];
        wanted("x", &[with_ports("a", both)]).unwrap();
        let one = [with_ports("a", vec![mapping(80, 1, None)])];
        let split = [one[0].clone(), with_ports("b", vec![mapping(80, 1, None)])];
        wanted("x", &split).unwrap_err();

        let ip_address = Some("10.0.0.5/24".to_owned());
        let ip_addresses = vec![IpAddress {
            protocol: None,
            ip_address,
        }];
        let error = wanted(
            "x",
            &[NetworkInfo {
                ip_addresses,
                ..NetworkInfo::named("a")
            }],
        );
        assert!(
            matches!(error, Err(NetworkError::Address { .. })),
            "{error:?}"
        );
    }
}
