//! What can be typed about networks.

use clap::{Args, Subcommand};

/// Commands on virtual networks.
#[derive(Debug, Subcommand)]
pub(crate) enum NetworkCommand {
    /// List virtual networks, and other networks that containers of this node can join
    ///
    /// Below the lists stands what is wrong: overlaps, and blocks that are full.
    #[command(after_help = "Example:\n  sealane network list")]
    List,
    /// Show a virtual network: its addresses, each node's block, and who has which address
    ///
    /// How full a block is and who has its addresses, only the block's own node knows.
    #[command(after_help = "Examples:
  sealane network show dcos
  sealane network show dcos -o json | jq .nodes")]
    Show {
        /// Its name
        name: String,
    },
    /// Make a virtual network
    #[command(after_help = "Examples:
  sealane network create lab --subnet 10.9.0.0/16
  sealane network create lab --subnet 10.9.0.0/16 --block 26 --subnet6 fd09::/64
  sealane network create dmz --subnet6 fd0a::/48 --block6 64 --no-masquerade

Each node takes a block of the addresses for its containers. Nothing of a network can be
changed later; delete it and make another one.")]
    Create(Create),
    /// Delete a virtual network that no task uses
    ///
    /// Containers that others started on it keep their addresses until they end.
    #[command(after_help = "Example:\n  sealane network delete lab")]
    Delete {
        /// Its name
        name: String,
    },
    /// Give the block of a node free that is gone for good
    #[command(after_help = "Example:\n  sealane network release dcos old-node")]
    Release {
        /// The virtual network
        network: String,
        /// The node
        node: String,
    },
}

/// `network create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its name, the same for native containers, Docker and CNI
    pub(in crate::cli) name: String,

    /// IPv4 addresses, such as 10.9.0.0/16
    #[arg(long, value_name = "NET", required_unless_present = "subnet6")]
    pub(in crate::cli) subnet: Option<String>,

    /// Prefix length of each node's block of them
    #[arg(long, value_name = "LENGTH", default_value_t = 24, requires = "subnet")]
    pub(in crate::cli) block: u8,

    /// IPv6 addresses, such as fd09::/64
    #[arg(long, value_name = "NET")]
    pub(in crate::cli) subnet6: Option<String>,

    /// Prefix length of each node's block of those
    #[arg(
        long,
        value_name = "LENGTH",
        default_value_t = 80,
        requires = "subnet6"
    )]
    pub(in crate::cli) block6: u8,

    /// MTU of containers' interfaces; found by each node if absent
    #[arg(long, value_name = "BYTES")]
    pub(in crate::cli) mtu: Option<u16>,

    /// Let containers keep their addresses when they call others outside of the network
    ///
    /// Whatever is outside must then know the way back to them.
    #[arg(long)]
    pub(in crate::cli) no_masquerade: bool,
}
