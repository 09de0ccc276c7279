//! What can be typed about groups.

use clap::{Args, Subcommand};

/// Commands on groups.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Tell whether two containers may talk to each other, and by which groups
    ///
    /// Each is an address, or the id of a task or an app on a virtual network. Packets that
    /// were dropped between the two are those that this node has seen.
    #[command(after_help = "Examples:
  sealane group why /shop/web /shop/db
  sealane group why 9.0.1.2 9.0.3.4 -o json")]
    Why(Why),
}

/// `group why`.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The one
    pub(in crate::cli) from: String,
    /// The other
    pub(in crate::cli) to: String,
}
