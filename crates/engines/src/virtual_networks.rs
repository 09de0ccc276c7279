//! Virtual networks as an engine knows them.
//!
//! An engine that has networks of its own must know a virtual network by name before a
//! container can be put on it, by a task or by somebody's own command. Here it is told
//! which there are, and tells which of their addresses its containers have.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::net::IpAddr;

use async_trait::async_trait;
use ipnet::IpNet;

use crate::EngineError;

/// A virtual network that an engine should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualNetwork {
    /// Its name, the engine's as well.
    pub name: String,
    /// All its addresses, one net for each family that it has.
    pub subnets: Vec<IpNet>,
    /// Whether a container can join it here now. One that is not usable is not made; if
    /// it is there it stays, since containers remember it.
    pub usable: bool,
}

/// What [`VirtualNetworks::ensure`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ensured {
    /// Names of networks that were made.
    pub made: Vec<String>,
    /// Names of networks that were removed.
    pub removed: Vec<String>,
    /// For people: what is not as it should be, and what would help.
    pub problems: Vec<String>,
}

/// An engine's side of virtual networks.
#[async_trait]
pub trait VirtualNetworks: Send + Sync + Debug {
    /// Makes the engine know these virtual networks, and no others of ours, through the
    /// driver of that name. Networks that somebody else made are left alone.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn ensure(&self, driver: &str, wanted: &[VirtualNetwork])
    -> Result<Ensured, EngineError>;

    /// Addresses that its containers have on networks of the driver, whoever made these.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn addresses(&self, driver: &str) -> Result<BTreeSet<IpAddr>, EngineError>;
}
