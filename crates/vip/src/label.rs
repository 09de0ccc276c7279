//! VIP labels: what people write on a port to get a VIP.
//!
//! A port's label `VIP_0 = /myservice:6666` asks for the named VIP `myservice` at
//! port 6666, `VIP_0 = 11.1.2.3:80` for the address itself. This module reads the
//! text only. Whether an address may be a VIP is [`VipRanges::check`]'s question,
//! since ranges are configuration and a text's meaning is not.
//!
//! DC/OS logged a bad label and went on, so that nobody noticed. Here each error
//! says what would work; the API refuses the app and the table reports a problem.
//!
//! [`VipRanges::check`]: crate::VipRanges::check

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use model::Protocol;

use crate::fragment::fragment;
use crate::name::{APP_FRAMEWORK, check};
use crate::settings::{SettingFlaw, is_setting};

/// Characters of a label that an error message repeats.
const MAX_QUOTE: usize = 80;

/// What a VIP is reached by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A name, normalised by [`fragment`](crate::fragment), never empty.
    Name(String),
    /// The address itself; IPv4-mapped IPv6 addresses are IPv4 ones.
    Address(IpAddr),
}

/// A VIP that a port asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label {
    /// Name or address.
    pub host: Host,
    /// The VIP's port, never 0.
    pub port: u16,
}

/// A VIP that a task label (`vip_port<N>`, the oldest form) asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskLabel {
    /// Index into the task's host ports.
    pub port_index: usize,
    /// The value's scheme, `tcp://` or `udp://`.
    pub protocol: Protocol,
    /// The rest of the value.
    pub label: Label,
}

/// A label that cannot become a VIP or a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{subject}: {flaw}")]
pub struct LabelError {
    /// The label, quoted.
    pub subject: String,
    /// What is wrong with it and what would work.
    pub flaw: LabelFlaw,
}

/// Why a label cannot become what it is meant for. Each text ends in what would work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelFlaw {
    /// Blanks or control characters; they would vanish in a name unnoticed.
    #[error("it holds white space or control characters; write name:port without them")]
    Blank,
    /// Nothing behind the last colon, or no colon.
    #[error("no port; write it as name:port, for example myservice:6666")]
    NoPort,
    /// The port is not a number.
    #[error("port '{0}' is not a number; write it as name:port, for example myservice:6666")]
    PortText(String),
    /// Port 0, which some forms write for a port that is assigned later.
    #[error("port 0 is no port; choose the port that clients use, for example 80")]
    PortZero,
    /// The port is above 65535.
    #[error("port {0} is above 65535; choose one from 1 to 65535")]
    PortRange(String),
    /// Nothing before the colon, or nothing is left of the name.
    #[error("the name is empty; it needs at least one of a-z and 0-9, for example myservice:6666")]
    EmptyName,
    /// Digits and dots that are not an address.
    #[error("'{0}' is not an IPv4 address; correct it, or use a name with a letter in it")]
    BrokenIpv4(String),
    /// A colon or bracket in something that is not an IPv6 address.
    #[error(
        "'{0}' is not an IPv6 address and a name has no colons or brackets; \
         write [address]:port or name:port, for example [fd01:c::1]:80"
    )]
    BrokenIpv6(String),
    /// `tcp://` in a port label.
    #[error("a port's label has no scheme, the port has its protocol; leave '{0}://' out")]
    Scheme(String),
    /// A task label without `tcp://` or `udp://`.
    #[error("a task's label begins with tcp:// or udp://, for example tcp://myservice:6666")]
    NoScheme,
    /// The DNS name would be too long.
    #[error("the full name has {length} characters, a domain name at most 253; shorten it")]
    TooLong {
        /// Length of the full name without the trailing dot.
        length: usize,
    },
    /// Nothing is left of the framework's name.
    #[error("nothing of framework name '{framework}' fits into a domain name; rename it")]
    Framework {
        /// The framework's name.
        framework: String,
    },
    /// An IP VIP that might be somebody's real address.
    #[error(
        "{address} lies outside the ranges for VIPs ({allowed}); choose an address there, \
         or a name, or have the range added to the configuration"
    )]
    OutsideRanges {
        /// The address.
        address: IpAddr,
        /// The ranges, for people.
        allowed: String,
    },
    /// An address that the DNS needs.
    #[error("{0} is reserved for DNS; choose another address or a name")]
    Reserved(IpAddr),
    /// An IP VIP at an address that a named VIP has.
    #[error("{address} is the address of VIP '{name}'; use that name, or choose another address")]
    Occupied {
        /// The address.
        address: IpAddr,
        /// The record's name.
        name: String,
    },
    /// A task label for a port that the task does not have.
    #[error("the task has {ports} host ports, counted from 0; there is no number {index}")]
    NoSuchPort {
        /// Index in the label.
        index: usize,
        /// How many host ports the task has.
        ports: usize,
    },
    /// A task label for a mapped port that is published for the other protocol only.
    #[error("host port number {index} is not mapped for {protocol}; declare it for {protocol} too")]
    NotMapped {
        /// Index in the label.
        index: usize,
        /// The label's protocol.
        protocol: Protocol,
    },
    /// A label that is no setting.
    #[error(transparent)]
    Setting(#[from] SettingFlaw),
}

impl Label {
    /// Reads a port's label.
    ///
    /// `None` when the key has nothing to do with VIPs: VIP keys begin with exactly
    /// `VIP` or `vip`. The value is `HOST:PORT`, split at the last colon. A name may
    /// have a leading slash, which means nothing; an IPv6 address may have brackets.
    ///
    /// # Errors
    /// When the value is not `HOST:PORT`; see [`LabelFlaw`].
    #[must_use]
    pub fn parse(key: &str, value: &str) -> Option<Result<Self, LabelError>> {
        if !Self::is_key(key) {
            return None;
        }
        Some(read(value).map_err(|flaw| flaw.of_label(key, value)))
    }

    /// Whether a port's label with this key asks for a VIP.
    #[must_use]
    pub fn is_key(key: &str) -> bool {
        key.starts_with("VIP") || key.starts_with("vip")
    }
}

impl TaskLabel {
    /// Reads a task's label of the oldest form, `vip_port<N> = tcp://HOST:PORT`.
    ///
    /// `None` when the key, in any case, is not `vip_port` and a number.
    ///
    /// # Errors
    /// When the value is not `tcp://` or `udp://` with `HOST:PORT`.
    #[must_use]
    pub fn parse(key: &str, value: &str) -> Option<Result<Self, LabelError>> {
        let (prefix, number) = key.split_at_checked("vip_port".len())?;
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if !prefix.eq_ignore_ascii_case("vip_port") || !digits {
            return None;
        }
        // A number beyond any integer is beyond any task's ports as well.
        let port_index = number.parse().unwrap_or(usize::MAX);
        let label = match value.split_once("://") {
            Some(("tcp", rest)) => read(rest).map(|label| (Protocol::Tcp, label)),
            Some(("udp", rest)) => read(rest).map(|label| (Protocol::Udp, label)),
            _ => Err(LabelFlaw::NoScheme),
        };
        let read = label.map(|(protocol, label)| Self {
            port_index,
            protocol,
            label,
        });
        Some(read.map_err(|flaw| flaw.of_label(key, value)))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl LabelFlaw {
    /// The flaw as an error about a label with this key and value.
    pub(crate) fn of_label(self, key: &str, value: &str) -> LabelError {
        let kind = if is_setting(key) {
            "label"
        } else {
            "VIP label"
        };
        let subject = format!("{kind} '{}' has value '{}'", quote(key), quote(value));
        LabelError {
            subject,
            flaw: self,
        }
    }

    /// The flaw as an error about a VIP whose label is no longer at hand.
    pub(crate) fn of_vip(self, label: &Label) -> LabelError {
        LabelError {
            subject: format!("VIP '{label}'"),
            flaw: self,
        }
    }
}

/// Text that a message can repeat: short, without control characters.
pub(crate) fn quote(text: &str) -> String {
    let shown: String = text
        .chars()
        .take(MAX_QUOTE)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MAX_QUOTE).is_some() {
        format!("{shown}…")
    } else {
        shown
    }
}

fn read(value: &str) -> Result<Label, LabelFlaw> {
    if value.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(LabelFlaw::Blank);
    }
    if let Some((scheme @ ("tcp" | "udp" | "http" | "https"), _)) = value.split_once("://") {
        return Err(LabelFlaw::Scheme(scheme.to_owned()));
    }
    let (host, port) = match value.rsplit_once(':') {
        // A closed bracket behind the last colon means that the port is missing.
        Some((_, port)) if port.ends_with(']') => return Err(LabelFlaw::NoPort),
        Some((host, port)) => (host, port),
        None => return Err(LabelFlaw::NoPort),
    };
    let port = read_port(port)?;
    Ok(Label {
        host: read_host(host)?,
        port,
    })
}

fn read_port(text: &str) -> Result<u16, LabelFlaw> {
    if text.is_empty() {
        return Err(LabelFlaw::NoPort);
    }
    // `u16::from_str` alone would accept a plus sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(LabelFlaw::PortText(quote(text)));
    }
    match text.parse() {
        Ok(0) => Err(LabelFlaw::PortZero),
        Ok(port) => Ok(port),
        Err(_) => Err(LabelFlaw::PortRange(quote(text))),
    }
}

fn read_host(text: &str) -> Result<Host, LabelFlaw> {
    if let Some(inner) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let address: Ipv6Addr = inner
            .parse()
            .map_err(|_| LabelFlaw::BrokenIpv6(quote(inner)))?;
        return Ok(Host::Address(address.to_canonical()));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Host::Address(address.to_canonical()));
    }
    if text.contains([':', '[', ']']) {
        return Err(LabelFlaw::BrokenIpv6(quote(text)));
    }
    let name = fragment(text);
    // What is left counts, as it is what people would look up: `1./2` is `1.2`.
    let numeric = name
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if numeric && name.contains('.') {
        return Err(LabelFlaw::BrokenIpv4(quote(text)));
    }
    // The framework is not known here; the longest that every app can have counts.
    check(&name, APP_FRAMEWORK)?;
    Ok(Host::Name(name))
}

#[cfg(test)]
mod tests;
