//! Addresses of one family, cut into blocks of one size.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Addresses of one family on a virtual network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Subnet {
    /// All of its addresses; host bits are zero.
    pub net: IpNet,
    /// Prefix length of the block that a node takes from it: 24 of 9.0.0.0/8 gives
    /// every node 256 addresses.
    pub block: u8,
}

impl Subnet {
    /// How many blocks there are; none if a block is larger than the net.
    #[must_use]
    pub fn blocks(&self) -> u128 {
        let bits = self.block.checked_sub(self.net.prefix_len());
        bits.map_or(0, power_of_two)
    }

    /// How many addresses a block has.
    #[must_use]
    pub fn addresses(&self) -> u128 {
        let bits = self.net.max_prefix_len().checked_sub(self.block);
        bits.map_or(0, power_of_two)
    }

    /// The block at a position from 0 on.
    #[must_use]
    pub fn nth(&self, position: u128) -> Option<IpNet> {
        if position >= self.blocks() {
            return None;
        }
        let offset = position.checked_mul(self.addresses())?;
        let first = number(self.net.network()).checked_add(offset)?;
        let address = match self.net {
            IpNet::V4(_) => IpAddr::V4(u32::try_from(first).ok()?.into()),
            IpNet::V6(_) => IpAddr::V6(first.into()),
        };
        IpNet::new(address, self.block).ok()
    }

    /// The position of the block that an address lies in.
    #[must_use]
    pub fn position(&self, address: IpAddr) -> Option<u128> {
        if !self.net.contains(&address) {
            return None;
        }
        let offset = number(address).checked_sub(number(self.net.network()))?;
        offset
            .checked_div(self.addresses())
            .filter(|position| *position < self.blocks())
    }

    /// Whether `net` is one of its blocks.
    #[must_use]
    pub fn has_block(&self, net: IpNet) -> bool {
        let position = self.position(net.addr());
        position.and_then(|position| self.nth(position)) == Some(net)
    }
}

/// More than there can be stands for 2^128.
fn power_of_two(bits: u8) -> u128 {
    1_u128.checked_shl(bits.into()).unwrap_or(u128::MAX)
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}
