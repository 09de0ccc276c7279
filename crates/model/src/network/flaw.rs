//! What can be wrong with a network that somebody wants.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{MAX_NETWORK_NAME, Network, RESERVED_NETWORKS, Subnet};

/// Fewest addresses of a block: three of an IPv4 block are never given to containers.
const FEWEST_ADDRESSES: u128 = 4;

/// Smallest MTU that every host must take (RFC 791), and every IPv6 link (RFC 8200).
const LEAST_MTU: (u16, u16) = (576, 1280);

/// Something wrong with a network, and what would work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkFlaw {
    /// Not a name that CNI and Docker both take.
    #[error(
        "'{0}' is no name of a network; write 1 to {MAX_NETWORK_NAME} letters, digits, '_', '.' \
         or '-', a letter or digit first"
    )]
    Name(String),
    /// A name with a meaning of its own.
    #[error("the name '{0}' means another network to an engine; choose one of your own")]
    Reserved(String),
    /// No addresses at all.
    #[error("a network needs addresses; give it a subnet such as 9.0.0.0/8 with blocks of /24")]
    NoSubnet,
    /// Two subnets of one family.
    #[error("{0} is a second subnet of its family; a network has one of each at most")]
    SecondOfFamily(IpNet),
    /// The net is not written as it is meant.
    #[error("{net} has host bits; write {}", net.trunc())]
    HostBits {
        /// As it was given.
        net: IpNet,
    },
    /// Addresses that no container can have.
    #[error("{net} holds {what} ({unusable}), which no container can have; choose another net")]
    Unusable {
        /// The net.
        net: IpNet,
        /// What is wrong with some of its addresses.
        what: &'static str,
        /// Those addresses.
        unusable: IpNet,
    },
    /// A block that holds more than the net.
    #[error(
        "a block of /{block} is larger than {net}; write a prefix length from {} on",
        net.prefix_len()
    )]
    BlockTooLarge {
        /// The net.
        net: IpNet,
        /// The block's prefix length.
        block: u8,
    },
    /// A block in which next to nothing has room.
    #[error(
        "a block of /{block} has no room for {FEWEST_ADDRESSES} addresses; write a prefix length \
         up to {most}"
    )]
    BlockTooSmall {
        /// The block's prefix length.
        block: u8,
        /// The longest that works.
        most: u8,
    },
    /// An MTU that IP does not work with.
    #[error("an MTU of {mtu} is too small for the network's addresses; write {least} or more")]
    Mtu {
        /// As it was given.
        mtu: u16,
        /// The smallest that works.
        least: u16,
    },
}

impl Network {
    /// Everything that is wrong with it, each with the place in its JSON, such as
    /// `/subnets/0/net`. `bridge` is the name of native containers' default bridge.
    #[must_use]
    pub fn flaws(&self, bridge: &str) -> Vec<(String, NetworkFlaw)> {
        let mut flaws = Vec::new();
        let mut add = |path: String, flaw| flaws.push((path, flaw));
        if let Err(flaw) = check_name(&self.name, bridge) {
            add("/name".to_owned(), flaw);
        }
        if self.subnets.is_empty() {
            add("/subnets".to_owned(), NetworkFlaw::NoSubnet);
        }
        let mut families = Vec::new();
        for (index, subnet) in self.subnets.iter().enumerate() {
            let v4 = subnet.net.addr().is_ipv4();
            if families.contains(&v4) {
                let flaw = NetworkFlaw::SecondOfFamily(subnet.net);
                add(format!("/subnets/{index}"), flaw);
            }
            families.push(v4);
            for (field, flaw) in subnet.flaws() {
                add(format!("/subnets/{index}/{field}"), flaw);
            }
        }
        let v6 = families.contains(&false);
        let least = if v6 { LEAST_MTU.1 } else { LEAST_MTU.0 };
        if let Some(mtu) = self.mtu.filter(|mtu| *mtu < least) {
            add("/mtu".to_owned(), NetworkFlaw::Mtu { mtu, least });
        }
        flaws
    }
}

/// A name that CNI and Docker both take, and that means nothing else to them
/// (containernetworking/cni `pkg/utils`).
fn check_name(name: &str, bridge: &str) -> Result<(), NetworkFlaw> {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let first = name.bytes().next();
    let fine = first.is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name.len() <= MAX_NETWORK_NAME
        && name.bytes().all(inside);
    if !fine {
        return Err(NetworkFlaw::Name(name.to_owned()));
    }
    if name == bridge || RESERVED_NETWORKS.contains(&name) {
        return Err(NetworkFlaw::Reserved(name.to_owned()));
    }
    Ok(())
}

impl Subnet {
    /// What is wrong with it, by field.
    fn flaws(&self) -> Vec<(&'static str, NetworkFlaw)> {
        let Self { net, block } = *self;
        let mut flaws = Vec::new();
        if net.trunc() != net {
            flaws.push(("net", NetworkFlaw::HostBits { net }));
        }
        let found = unusable()
            .into_iter()
            .find(|(_, unusable)| unusable.contains(&net) || net.contains(unusable));
        if let Some((what, unusable)) = found {
            let flaw = NetworkFlaw::Unusable {
                net,
                what,
                unusable,
            };
            flaws.push(("net", flaw));
        }
        let most = net.max_prefix_len() - 2;
        if block > most {
            flaws.push(("block", NetworkFlaw::BlockTooSmall { block, most }));
        } else if block < net.prefix_len() {
            flaws.push(("block", NetworkFlaw::BlockTooLarge { net, block }));
        }
        flaws
    }
}

/// Addresses that mean something else than a host, everywhere.
fn unusable() -> [(&'static str, IpNet); 9] {
    let v4 = |a, b, length| IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(a, b, 0, 0)), length);
    let v6 = |first, sixth, length| {
        let address = Ipv6Addr::new(first, 0, 0, 0, 0, sixth, 0, 0);
        IpNet::new_assert(IpAddr::V6(address), length)
    };
    [
        ("addresses of this host alone", v4(0, 0, 8)),
        ("loopback addresses", v4(127, 0, 8)),
        ("link-local addresses", v4(169, 254, 16)),
        ("multicast addresses", v4(224, 0, 4)),
        ("reserved addresses", v4(240, 0, 4)),
        ("loopback addresses", v6(0, 0, 127)),
        ("IPv4 addresses in IPv6's form", v6(0, 0xffff, 96)),
        ("link-local addresses", v6(0xfe80, 0, 10)),
        ("multicast addresses", v6(0xff00, 0, 8)),
    ]
}
