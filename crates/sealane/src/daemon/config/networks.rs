//! `[networks]`: virtual networks that the daemon makes when it starts.

use ipnet::IpNet;
use model::{Network, Subnet, Timestamp};
use networks::OverlayOptions;
use serde::Deserialize;

/// Prefix lengths of blocks unless they are given, as DC/OS had them.
const BLOCKS: (u8, u8) = (24, 80);

/// VXLAN numbers have 24 bits.
const VNI_END: u32 = 1 << 24;

/// `[networks]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct NetworksSection {
    /// Whether the network `dcos` is made at the first start, if none is configured.
    pub(crate) defaults: bool,
    /// VXLAN number of the tunnel between nodes.
    pub(crate) vni: u32,
    /// Its UDP port.
    pub(crate) vxlan_port: u16,
    /// Networks that are made at each start unless they are there.
    pub(crate) network: Vec<NetworkSection>,
}

/// `[[networks.network]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct NetworkSection {
    /// Its name.
    pub(crate) name: String,
    /// IPv4 addresses.
    pub(crate) subnet: Option<IpNet>,
    /// Prefix length of a node's share of them.
    pub(crate) block: Option<u8>,
    /// IPv6 addresses.
    pub(crate) subnet6: Option<IpNet>,
    /// Prefix length of a node's share of those.
    pub(crate) block6: Option<u8>,
    /// MTU of containers' interfaces; found if absent.
    pub(crate) mtu: Option<u16>,
    /// Whether what leaves the network gets the node's address.
    #[serde(default = "yes")]
    pub(crate) masquerade: bool,
}

fn yes() -> bool {
    true
}

impl Default for NetworksSection {
    fn default() -> Self {
        let OverlayOptions { vni, port } = OverlayOptions::default();
        Self {
            defaults: true,
            vni,
            vxlan_port: port,
            network: Vec::new(),
        }
    }
}

impl NetworkSection {
    /// The network that it asks for.
    pub(crate) fn network(&self) -> Network {
        let subnet = |net: Option<IpNet>, block: Option<u8>, usual| {
            let block = block.unwrap_or(usual);
            net.map(|net| Subnet { net, block })
        };
        let v4 = subnet(self.subnet, self.block, BLOCKS.0);
        let v6 = subnet(self.subnet6, self.block6, BLOCKS.1);
        Network {
            name: self.name.clone(),
            subnets: v4.into_iter().chain(v6).collect(),
            mtu: self.mtu,
            masquerade: self.masquerade,
            created: Timestamp::default(),
        }
    }

    /// What cannot be used, and what would work.
    fn flaw(&self, bridge: &str) -> Option<String> {
        let families = [
            ("subnet", self.subnet, true, "9.0.0.0/8"),
            ("subnet6", self.subnet6, false, "fd01:b::/64"),
        ];
        for (field, net, v4, such) in families {
            if let Some(net) = net.filter(|net| net.addr().is_ipv4() != v4) {
                return Some(format!(
                    "{field}: {net} is of the other family; write one such as {such}"
                ));
            }
        }
        for (field, given, of, has) in [
            ("block", self.block, "subnet", self.subnet),
            ("block6", self.block6, "subnet6", self.subnet6),
        ] {
            if given.is_some() && has.is_none() {
                return Some(format!(
                    "{field} is nothing without {of}; write that as well"
                ));
            }
        }
        let flaws = self.network().flaws(bridge);
        flaws.first().map(|(_, flaw)| flaw.to_string())
    }
}

impl NetworksSection {
    /// What cannot be used, and what would work. `bridge` is the default bridge's name.
    pub(super) fn validate(&self, bridge: &str) -> Result<(), String> {
        if !(1..VNI_END).contains(&self.vni) {
            return Err(format!(
                "networks.vni = {} is out of range; write 1 to {}",
                self.vni,
                VNI_END - 1
            ));
        }
        if self.vxlan_port == 0 {
            return Err("networks.vxlan-port = 0 is no port; write one such as 64000".to_owned());
        }
        for (index, network) in self.network.iter().enumerate() {
            let name = &network.name;
            let wrong = |flaw: String| Err(format!("networks.network '{name}': {flaw}"));
            if let Some(flaw) = network.flaw(bridge) {
                return wrong(flaw);
            }
            let earlier = self.network.get(..index).unwrap_or_default();
            if earlier.iter().any(|it| it.name == *name) {
                return wrong("it is there twice; write it once".to_owned());
            }
            let others: Vec<_> = earlier.iter().map(NetworkSection::network).collect();
            let others = others.iter().flat_map(model::Occupied::by_network);
            let others: Vec<_> = others.collect();
            if let Some(overlap) = network.network().overlaps(&others).first() {
                return wrong(format!("{overlap}; give each addresses of its own"));
            }
        }
        Ok(())
    }

    /// What DC/OS was installed with.
    pub(crate) fn default_networks() -> Vec<NetworkSection> {
        let net = |text: &str| text.parse().ok();
        vec![NetworkSection {
            name: "dcos".to_owned(),
            subnet: net("9.0.0.0/8"),
            block: None,
            subnet6: net("fd01:b::/64"),
            block6: None,
            mtu: None,
            masquerade: true,
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn config(text: &str) -> Result<Config, String> {
        let config: Config = toml::from_str(text).map_err(|error| error.to_string())?;
        config.validate().map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn the_default_network_is_dcos() {
        let section = NetworksSection::default();
        assert!(section.defaults && section.network.is_empty());
        let [dcos] = NetworksSection::default_networks().try_into().unwrap();
        let dcos: Network = dcos.network();
        assert_eq!(dcos.flaws("mesos-bridge"), []);
        let subnets: Vec<_> = dcos
            .subnets
            .iter()
            .map(|it| (it.net.to_string(), it.block))
            .collect();
        assert_eq!(
            subnets,
            [("9.0.0.0/8".to_owned(), 24), ("fd01:b::/64".to_owned(), 80)]
        );
        assert_eq!(
            (dcos.name.as_str(), dcos.masquerade, dcos.mtu),
            ("dcos", true, None)
        );
    }

    #[test]
    fn networks_are_read() {
        let text = "[networks]\ndefaults = false\nvni = 7\nvxlan-port = 4789\n[[networks.network]]\nname = 'lab'\n\
            subnet = '10.9.0.0/16'\n[[networks.network]]\nname = 'six'\nsubnet6 = 'fd09::/48'\n\
            block6 = 64\nmtu = 1400\nmasquerade = false\n";
        let section = config(text).unwrap().networks;
        assert!(!section.defaults);
        assert_eq!((section.vni, section.vxlan_port), (7, 4789));
        let networks: Vec<_> = section
            .network
            .iter()
            .map(NetworkSection::network)
            .collect();
        assert_eq!(networks[0].subnets[0].block, 24);
        assert!(networks[0].masquerade && !networks[1].masquerade);
        assert_eq!(networks[1].subnets[0].block, 64);
        assert_eq!(networks[1].mtu, Some(1400));
    }

    #[test]
    fn mistakes_are_named() {
        let network = |more: &str| format!("[[networks.network]]\nname = 'lab'\n{more}\n");
        let subnet = "subnet = '10.9.0.0/16'";
        for (text, expected) in [
            (
                "[networks]\nvni = 16777216".to_owned(),
                "write 1 to 16777215",
            ),
            ("[networks]\nvni = 0".to_owned(), "write 1 to 16777215"),
            ("[networks]\nvxlan-port = 0".to_owned(), "such as 64000"),
            (network(""), "'lab': a network needs addresses"),
            (network("subnet = 'ten'"), "invalid IP address syntax"),
            (
                network("subnet = 'fd01::/48'"),
                "subnet: fd01::/48 is of the other family",
            ),
            (
                network("subnet6 = '10.0.0.0/8'"),
                "subnet6: 10.0.0.0/8 is of the other family",
            ),
            (
                network("subnet6 = 'fd09::/48'\nblock = 24"),
                "block is nothing without subnet",
            ),
            (
                network("subnet = '10.9.0.0/30'\nblock = 31"),
                "no room for 4 addresses",
            ),
            (network("subnett = 'x'"), "unknown field `subnett`"),
            (
                network(subnet) + &network(subnet),
                "'lab': it is there twice",
            ),
            (
                network(subnet) + &network("subnet = '10.0.0.0/8'").replace("lab", "all"),
                "'all': 10.0.0.0/8 overlaps 10.9.0.0/16 of network 'lab'",
            ),
            (
                network(subnet).replace("lab", "mesos-bridge"),
                "another network to an engine",
            ),
        ] {
            let error = config(&text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
