//! How people call VIPs: by name, whole or short, or by address, with or without a port.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use model::Protocol;
use vip::{ALIAS_ZONES, ZONE, fragment};

use crate::VipPort;

/// What somebody called a VIP.
///
/// `web:80`, `web.marathon`, `/group/web:80/udp`, a full name, `11.1.2.3:80`,
/// `[fd01:c::1]:80`. A short name is one up to any of its dots. Where several names fit,
/// those count that need the least guessing: the full name, then the name without its
/// zone, then the label alone, then the beginning of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VipRef {
    host: Host,
    port: Option<u16>,
    protocol: Option<Protocol>,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    /// Normalised, in the main zone if in one.
    Name(String),
}

/// Why a text is not how anybody calls a VIP.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is neither a name nor an address of a VIP; write web:80, web.marathon or 11.1.2.3:80"
)]
pub struct VipRefError(String);

impl FromStr for VipRef {
    type Err = VipRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || VipRefError(text.to_owned());
        let (rest, protocol) = match text.strip_suffix("/tcp") {
            Some(rest) => (rest, Some(Protocol::Tcp)),
            None => match text.strip_suffix("/udp") {
                Some(rest) => (rest, Some(Protocol::Udp)),
                None => (text, None),
            },
        };
        let (host, port) = split(rest);
        let host = match host.parse::<IpAddr>() {
            Ok(address) => Host::Address(address.to_canonical()),
            Err(_) => Host::Name(name(host).ok_or_else(wrong)?),
        };
        Ok(Self {
            host,
            port,
            protocol,
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for VipRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl VipRef {
    /// Those that are meant, by position; none if nothing fits.
    #[must_use]
    pub fn select<'a>(&self, all: impl Iterator<Item = &'a VipPort>) -> Vec<usize> {
        let mut best = None;
        let mut found = Vec::new();
        for (index, at) in all.enumerate() {
            let Some(guess) = self.guess(at) else {
                continue;
            };
            if best.is_none_or(|best| guess < best) {
                best = Some(guess);
                found.clear();
            }
            if best == Some(guess) {
                found.push(index);
            }
        }
        found
    }

    /// The address, if that is what was said; it may be no VIP.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Address(address) => Some(address),
            Host::Name(_) => None,
        }
    }

    /// The port, if one was said.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The protocol, if one was said.
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        self.protocol
    }

    /// How much guessing it takes to mean this one; nothing if it cannot be meant.
    fn guess(&self, at: &VipPort) -> Option<u8> {
        if self.port.is_some_and(|port| port != at.port)
            || self
                .protocol
                .is_some_and(|protocol| protocol != at.protocol)
        {
            return None;
        }
        match &self.host {
            Host::Address(address) => (*address == at.address).then_some(0),
            Host::Name(name) => guess(name, at.name.as_deref()?),
        }
    }
}

fn guess(wanted: &str, full: &str) -> Option<u8> {
    let rest = full.strip_prefix(wanted)?;
    if rest.is_empty() {
        return Some(0);
    }
    let rest = rest.strip_prefix('.')?;
    let labels = rest
        .strip_suffix(ZONE)
        .map(|labels| labels.trim_end_matches('.'));
    Some(match labels {
        Some("") => 1,
        Some(framework) if !framework.contains('.') => 2,
        _ => 3,
    })
}

/// A name as it is in full names.
fn name(text: &str) -> Option<String> {
    let plain = text
        .chars()
        .all(|c| !c.is_whitespace() && !matches!(c, ':' | '[' | ']'));
    let name = fragment(text);
    if !plain || name.is_empty() {
        return None;
    }
    let alias = ALIAS_ZONES
        .iter()
        .find_map(|zone| name.strip_suffix(zone)?.strip_suffix('.'));
    Some(alias.map_or_else(|| name.clone(), |rest| format!("{rest}.{ZONE}")))
}

/// Name or address and port; an IPv6 address with a port stands in brackets.
fn split(text: &str) -> (&str, Option<u16>) {
    if text.parse::<IpAddr>().is_ok() {
        return (text, None);
    }
    let with_port = text
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)));
    match with_port {
        Some((host, port)) => (unbracketed(host), Some(port)),
        None => (unbracketed(text), None),
    }
}

fn unbracketed(text: &str) -> &str {
    let inner = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    inner.unwrap_or(text)
}

#[cfg(test)]
mod tests;
