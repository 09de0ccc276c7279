//! Which port of a container a VIP means, and where it is reached from other nodes.
//!
//! Nothing is guessed: a port is taken when it is given, or when what the container
//! exposes leaves no doubt. A wrong guess would be a VIP that refuses connections, or
//! that leads to an administrator's page.

use std::net::{IpAddr, SocketAddr};

use engines::ExposedPort;
use model::Protocol;

use super::labels::Wish;

/// Ports that a problem lists.
const MAX_LISTED: usize = 8;

/// Why no port can be told.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PortFlaw {
    /// Nothing to choose from.
    #[error(
        "the container exposes no TCP or UDP port; say which one it serves, for example with \
         the label {key}.port=8080"
    )]
    NothingExposed { key: String },
    /// Several to choose from.
    #[error(
        "the container exposes ports {choices}, and {vip_port} is none of them; say which one it \
         serves with the label {key}.port"
    )]
    Ambiguous {
        key: String,
        choices: String,
        vip_port: u16,
    },
}

/// The container's port that the wish means, with the protocols it serves there:
///
/// 1. the one that its label gives;
/// 2. the only one that is exposed;
/// 3. the VIP's own number, if that is among those that are exposed.
///
/// Without a protocol in the label it serves those that the number is exposed for, or
/// TCP if there are none.
pub(super) fn choose(
    wish: &Wish,
    exposed: &[ExposedPort],
) -> Result<(u16, Vec<Protocol>), PortFlaw> {
    let (number, protocol) = match wish.port {
        Some(given) => (given.number, given.protocol),
        None => (only_or_same(wish, exposed)?, None),
    };
    if let Some(protocol) = protocol {
        return Ok((number, vec![protocol]));
    }
    let mut protocols: Vec<_> = exposed
        .iter()
        .filter(|it| it.port == number)
        .map(|it| it.protocol)
        .collect();
    if protocols.is_empty() {
        protocols.push(Protocol::default());
    }
    Ok((number, protocols))
}

fn only_or_same(wish: &Wish, exposed: &[ExposedPort]) -> Result<u16, PortFlaw> {
    let mut numbers: Vec<_> = exposed.iter().map(|it| it.port).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let key = wish.key.clone();
    match numbers.as_slice() {
        [] => Err(PortFlaw::NothingExposed { key }),
        [only] => Ok(*only),
        _ if numbers.contains(&wish.vip_port) => Ok(wish.vip_port),
        several => Err(PortFlaw::Ambiguous {
            key,
            choices: listed(several),
            vip_port: wish.vip_port,
        }),
    }
}

/// `80, 443 and 9000`, or the first few and how many more there are.
fn listed(numbers: &[u16]) -> String {
    let mut texts: Vec<_> = numbers
        .iter()
        .take(MAX_LISTED)
        .map(u16::to_string)
        .collect();
    let last = match numbers.len().checked_sub(MAX_LISTED) {
        Some(more @ 1..) => format!("{more} more"),
        _ => texts.pop().unwrap_or_default(),
    };
    format!("{} and {last}", texts.join(", "))
}

/// The port of a node at this address that leads to the container's port, if it is
/// published there: one on the loopback address, or on another one of the node's,
/// cannot be reached where other nodes look for it.
pub(super) fn published(
    exposed: &[ExposedPort],
    number: u16,
    protocol: Protocol,
    node: IpAddr,
) -> Option<u16> {
    let port = exposed
        .iter()
        .find(|it| (it.port, it.protocol) == (number, protocol))?;
    let leads = |at: &&SocketAddr| {
        let everywhere = at.ip().is_unspecified() && at.is_ipv4() == node.is_ipv4();
        everywhere || at.ip() == node
    };
    port.published.iter().find(leads).map(SocketAddr::port)
}

#[cfg(test)]
mod tests;
