//! Arguments of `sealane daemon`.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Run the node's daemon: API, scheduler, agent, datapath and DNS.
///
/// Everything has a default: `sealane daemon` alone serves one host, with its state
/// in /var/lib/sealane and the API on 127.0.0.1:8080.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Example:\n  sealane daemon --state-dir /tmp/lane --api-listen 127.0.0.1:8081\n\n\
    `sealane daemon --print-config` writes a commented configuration with every default."
)]
pub(crate) struct Arguments {
    /// Configuration file (TOML); without it, /etc/sealane/sealane.toml is read if it exists
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Directory for everything that must survive; wins over the configuration
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,

    /// Address and port of the HTTP API; wins over the configuration
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) api_listen: Option<SocketAddr>,

    /// Write the default configuration with comments, and exit
    #[arg(long)]
    pub(crate) print_config: bool,
}
