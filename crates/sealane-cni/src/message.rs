//! Requests of the plugin and answers of the daemon.
//!
//! A conversation is one request as JSON, the end of the plugin's side, and one answer
//! as JSON. The daemon looks at requests again, since anything that runs as root can
//! send them.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::environment::{check_container, check_ifname};
use crate::{Failure, code, config};

/// What a request or an answer may have, in bytes: a GC names all attachments of a
/// node, at some hundred bytes each.
pub const MAX_BYTES: u64 = 4 << 20;

/// Longest path of a namespace.
const MAX_PATH: usize = 4096;

/// One interface of one container, under the names that the runtime gave them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attachment {
    /// The container's id.
    pub container: String,
    /// The interface's name inside.
    pub ifname: String,
}

/// What the daemon is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase")]
pub enum Request {
    /// Make an interface.
    Add(Add),
    /// Remove one; none there is fine.
    Del(Del),
    /// See that one is as ADD left it.
    Check(Check),
    /// Remove those that are not named.
    Gc(Collect),
    /// Say whether one could be made.
    Status(Status),
}

/// ADD.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Add {
    /// Which interface.
    #[serde(flatten)]
    pub attachment: Attachment,
    /// The virtual network.
    pub network: String,
    /// Path of the network namespace, as the runtime sees it.
    pub netns: PathBuf,
    /// Addresses that it must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Hardware address that it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// MTU that it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// Host ports that lead to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub port_mappings: Vec<PortMapping>,
    /// Limits of its traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
}

/// DEL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Del {
    /// Which interface.
    #[serde(flatten)]
    pub attachment: Attachment,
}

/// CHECK.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Which interface.
    #[serde(flatten)]
    pub attachment: Attachment,
    /// The virtual network.
    pub network: String,
    /// The addresses that ADD's result gave it.
    pub addresses: Vec<IpAddr>,
    /// All host interfaces that ADD's result names.
    pub host_interfaces: Vec<String>,
}

/// GC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Collect {
    /// The virtual network.
    pub network: String,
    /// What is in use.
    pub valid: Vec<Attachment>,
}

/// STATUS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The virtual network.
    pub network: String,
}

/// A host port that leads to a port of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMapping {
    /// Port of the host.
    pub host_port: u16,
    /// Port of the container.
    pub container_port: u16,
    /// Its protocol.
    pub protocol: Protocol,
    /// The host's address that it is limited to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<IpAddr>,
}

/// What can have host ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Limits of traffic, as the capability `bandwidth` has them: rates in bits a second,
/// bursts in bits. A rate of 0 is no limit. What the daemon makes of the numbers, and
/// which it refuses, is its own matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Bandwidth {
    /// Rate of what comes to the container.
    pub ingress_rate: u64,
    /// How much of that may come at once; 0 leaves it to the daemon.
    pub ingress_burst: u64,
    /// Rate of what the container sends.
    pub egress_rate: u64,
    /// How much of that may leave at once; 0 leaves it to the daemon.
    pub egress_burst: u64,
}

impl Bandwidth {
    /// Whether anything is limited.
    #[must_use]
    pub fn limits(&self) -> bool {
        self.ingress_rate != 0 || self.egress_rate != 0
    }
}

/// What the daemon answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// It is so.
    Done,
    /// The interface is there.
    Added(Assigned),
    /// It is not so.
    Failed(Failure),
}

/// An interface that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assigned {
    /// The host's end.
    pub host_interface: String,
    /// Hardware address of the host's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_mac: Option<String>,
    /// Hardware address of the container's end.
    pub mac: String,
    /// MTU of both.
    pub mtu: u32,
    /// Its addresses.
    pub addresses: Vec<IpNet>,
    /// Next hops, at most one of each family.
    pub gateways: Vec<IpAddr>,
    /// Destinations that lead to the gateway of their family.
    pub routes: Vec<IpNet>,
    /// The node's resolver, if it serves names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<IpAddr>,
}

impl Attachment {
    fn validate(&self) -> Result<(), Failure> {
        check_container(&self.container)?;
        check_ifname(&self.ifname)
    }
}

impl Request {
    /// Refuses what the plugin would not have sent.
    ///
    /// # Errors
    /// What is wrong, with its code.
    pub fn validate(&self) -> Result<(), Failure> {
        match self {
            Self::Add(add) => {
                add.attachment.validate()?;
                check_netns(&add.netns)?;
                config::check_name(&add.network)
            }
            Self::Del(del) => del.attachment.validate(),
            Self::Check(check) => {
                check.attachment.validate()?;
                config::check_name(&check.network)
            }
            Self::Gc(collect) => {
                collect.valid.iter().try_for_each(Attachment::validate)?;
                config::check_name(&collect.network)
            }
            Self::Status(status) => config::check_name(&status.network),
        }
    }
}

fn check_netns(path: &std::path::Path) -> Result<(), Failure> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if path.is_absolute() && bytes.len() <= MAX_PATH && !bytes.contains(&0) {
        return Ok(());
    }
    Err(Failure::new(
        code::NAMESPACE,
        format!(
            "'{}' is not a namespace's absolute path",
            path.display().to_string().escape_debug()
        ),
    ))
}
