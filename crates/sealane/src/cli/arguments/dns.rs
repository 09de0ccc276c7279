//! What can be typed about this host's own names.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Commands on how this host itself resolves names.
#[derive(Debug, Subcommand)]
pub(crate) enum DnsCommand {
    /// Have this host's own programs find Sealane's names
    ///
    /// Through systemd-resolved where that resolves names, else by putting Sealane's
    /// resolver first in /etc/resolv.conf. Containers have it in every case.
    #[command(after_help = "Example:\n  sudo sealane dns enable")]
    Enable(DnsChange),
    /// Put back what was there before
    #[command(after_help = "Example:\n  sudo sealane dns disable")]
    Disable(DnsChange),
    /// Show whether this host's programs find Sealane's names, and how
    #[command(after_help = "Example:\n  sealane dns status")]
    Status(DnsPlace),
}

/// How the host's files are changed.
#[derive(Debug, Clone, Args)]
pub(crate) struct DnsChange {
    /// Even if somebody changed the files meanwhile, or no resolver answers
    #[arg(long)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) place: DnsPlace,
}

/// Where the host's files are.
#[derive(Debug, Clone, Args)]
pub(crate) struct DnsPlace {
    /// Directory with the `etc` and `run` to work on; nothing is told to reload there
    #[arg(long, hide = true, default_value = "/", value_name = "DIR")]
    pub(crate) root: PathBuf,
}
