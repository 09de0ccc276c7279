//! Addresses that somebody else has already.

use std::fmt;

use ipnet::IpNet;

use super::{Network, Subnet};

/// Addresses that are in use, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occupied {
    /// The addresses.
    pub net: IpNet,
    /// Whose they are, for people: `network 'lab'`, `interface eth0`, a node's name.
    pub by: String,
}

impl Occupied {
    /// Addresses in use by somebody.
    #[must_use]
    pub fn new(net: IpNet, by: impl Into<String>) -> Self {
        Self { net, by: by.into() }
    }

    /// The subnets of a network.
    pub fn by_network(network: &Network) -> impl Iterator<Item = Self> + '_ {
        let nets = network.subnets.iter().map(|subnet| subnet.net);
        nets.map(|net| Self::new(net, format!("network '{}'", network.name)))
    }
}

/// A subnet that somebody else has a part of, or all of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// Which of the network's subnets.
    pub subnet: usize,
    /// Its net.
    pub net: IpNet,
    /// Who has some of its addresses.
    pub other: Occupied,
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { net, other, .. } = self;
        write!(f, "{net} overlaps {} of {}", other.net, other.by)
    }
}

impl Network {
    /// Its subnets' overlaps with what others have, in their order.
    #[must_use]
    pub fn overlaps<'a>(&self, others: impl IntoIterator<Item = &'a Occupied>) -> Vec<Overlap> {
        let mut overlaps = Vec::new();
        for other in others {
            let touched = self.subnets.iter().enumerate();
            let touched = touched.filter(|(_, subnet)| subnet.overlaps(other.net));
            overlaps.extend(touched.map(|(index, subnet)| Overlap {
                subnet: index,
                net: subnet.net,
                other: other.clone(),
            }));
        }
        overlaps
    }
}

impl Subnet {
    /// Whether some address is in both.
    #[must_use]
    pub fn overlaps(&self, other: IpNet) -> bool {
        self.net.contains(&other) || other.contains(&self.net)
    }
}
