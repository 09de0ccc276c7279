//! What can be typed about VIPs.

use std::num::NonZeroU32;

use clap::{Args, Subcommand};

/// Commands on VIPs.
#[derive(Debug, Subcommand)]
pub(crate) enum VipCommand {
    /// List all VIPs
    ///
    /// Below the list stands what is wrong: VIPs without a backend, labels without effect.
    #[command(after_help = "Example:\n  sealane vip list")]
    List,
    /// Show a VIP: its settings, and the state, load and failures of each backend
    #[command(after_help = "Examples:
  sealane vip show shop
  sealane vip show shop.marathon:80
  sealane vip show 11.23.4.5
  sealane vip show [fd01:c::5]:53/udp -o json

A short name is one up to any of its dots; all VIPs that it fits best are shown.")]
    Show {
        /// Its name or address, with or without the port
        #[arg(value_name = "NAME[:PORT]")]
        vip: String,
    },
    /// Tell which backend a new connection would get, and why not another
    #[command(after_help = "Examples:
  sealane vip explain shop:80
  sealane vip explain shop:80 --from cart.instance-4f...-d2._app.1
  sealane vip explain shop:80 --from container:9f86d081884c")]
    Explain(Explain),
}

/// `vip explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Name or address of the VIP
    #[arg(value_name = "NAME[:PORT]")]
    pub(in crate::cli) vip: String,

    /// Whose connection: host, a task, or a container of this node
    ///
    /// A task is given by its id or by an app with one task here, a container by its id,
    /// the beginning of one, or its name. `task:…` and `container:…` say which is meant.
    #[arg(long, value_name = "CLIENT", default_value = "host")]
    pub(in crate::cli) from: String,
}

/// `trace`.
///
/// Prints a line for each new connection to a VIP, and for each UDP socket's first
/// datagram to one: who asked, which backend it got and how that was chosen. The daemon
/// tells a thousand a second at most, and a line says when some are missing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealane trace --count 20
  sealane trace --vip shop:80
  sealane trace --every 100 -o json | jq .client.task

How a backend was chosen: only (there is one), drawn (by weight), lighter (the less loaded
of two that were drawn), hash, affinity (the client had it before), trial (it was ejected
and somebody has to try), fallback (those that were drawn could not be used), refused.")]
pub(crate) struct Trace {
    /// Only this VIP: its name or address, with or without the port
    #[arg(long, value_name = "NAME[:PORT]")]
    pub(in crate::cli) vip: Option<String>,

    /// Only one decision of so many
    #[arg(long, value_name = "N", default_value = "1")]
    pub(in crate::cli) every: NonZeroU32,

    /// End after so many decisions
    #[arg(long, value_name = "N")]
    pub(in crate::cli) count: Option<NonZeroU32>,
}
