//! Why the datapath could not do something.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use libbpf_rs::{MapCore, MapHandle};
use vip::ServiceKey;

/// A failure of the datapath as a whole; that of one service is a [`Failure`].
#[derive(Debug, thiserror::Error)]
pub enum DatapathError {
    /// The directory is not a cgroup of version 2.
    #[error("'{path}' is not a directory of cgroup v2; `find_cgroup2` finds where it is mounted")]
    NotCgroup2 {
        /// What was given.
        path: PathBuf,
    },
    /// No cgroup v2 is mounted.
    #[error(
        "no cgroup v2 is mounted in this mount namespace; mount it: mount -t cgroup2 none <dir>"
    )]
    NoCgroup2,
    /// The directory for pins is elsewhere.
    #[error("'{path}' is not on a bpf filesystem; mount one: mount -t bpf bpf /sys/fs/bpf")]
    NotBpffs {
        /// What was given.
        path: PathBuf,
    },
    /// Somebody else holds the pins.
    #[error("the datapath pinned at '{path}' is in use by another process; stop that one first")]
    Busy {
        /// The directory.
        path: PathBuf,
    },
    /// A capacity that the maps' layout cannot hold.
    #[error("capacity {name} = {value} is out of range: 1 to {max}")]
    Capacity {
        /// Its name in [`crate::Capacities`].
        name: &'static str,
        /// What was given.
        value: u32,
        /// The largest possible.
        max: u32,
    },
    /// The kernel does not take the programs.
    #[error("the kernel refused the datapath's {step}; `sealane doctor` names what is missing")]
    Load {
        /// `object`, `maps` or `programs`.
        step: &'static str,
        /// What libbpf said.
        #[source]
        source: libbpf_rs::Error,
    },
    /// A map could not be read or written.
    #[error("map '{map}' could not be {action}")]
    Map {
        /// Its name.
        map: &'static str,
        /// What was tried, such as `read`.
        action: &'static str,
        /// What the kernel said.
        #[source]
        source: libbpf_rs::Error,
    },
    /// A map has no room for one more.
    #[error("all {capacity} {name} of the datapath are in use; raise that capacity and restart")]
    Full {
        /// Its name in [`crate::Capacities`].
        name: &'static str,
        /// How many there are.
        capacity: u32,
    },
    /// A program could not be attached, replaced or detached.
    #[error("program '{hook}' could not be {action}")]
    Link {
        /// Its hook.
        hook: &'static str,
        /// What was tried, such as `attached`.
        action: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A program could not be put onto a network interface, or taken off it.
    #[error(
        "the program that keeps groups apart could not be {action} '{link}'; it needs \
         CONFIG_NET_CLS_BPF and CONFIG_NET_SCH_INGRESS"
    )]
    Interface {
        /// Its name.
        link: String,
        /// What was tried, such as `put onto`.
        action: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A system call on a file failed.
    #[error("'{path}' could not be {action}")]
    File {
        /// Which file or directory.
        path: PathBuf,
        /// What was tried, such as `created`.
        action: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A namespace has more networks than a place holds.
    #[error(
        "network namespace {cookie} is on {count} networks; only the first {kept} are used, \
         others are reached by their far addresses"
    )]
    TooManyNetworks {
        /// The namespace's cookie.
        cookie: u64,
        /// On how many it is.
        count: usize,
        /// How many are used.
        kept: usize,
    },
}

impl DatapathError {
    /// Why an element could not be added to a map that is called as its capacity is. The
    /// kernel's own answer for a full one, "Argument list too long", helps nobody.
    pub(crate) fn unwritten(map: &MapHandle, name: &'static str, source: libbpf_rs::Error) -> Self {
        let capacity = map.max_entries();
        match map.keys().count() >= capacity as usize {
            true => Self::Full { name, capacity },
            false => Self::Map {
                map: name,
                action: "written",
                source,
            },
        }
    }
}

/// What a [`Failure`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A VIP's port.
    Service(ServiceKey),
    /// A VIP's address.
    Address(IpAddr),
}

/// Something in the table that did not reach the kernel; all else did. What was in
/// the kernel before is still there, and applying again tries again.
#[derive(Debug)]
pub struct Failure {
    /// What it is about.
    pub subject: Subject,
    /// Why.
    pub error: ApplyError,
}

/// Why something in the table did not reach the kernel.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// No room is left. Services leave after others have come, so that a table which
    /// shrank elsewhere may fit when it is applied again.
    #[error("all {capacity} {name} of the datapath are in use; raise that capacity and restart")]
    Full {
        /// Its name in [`crate::Capacities`].
        name: &'static str,
        /// How many there are.
        capacity: u32,
    },
    /// A service has more backends than a slice can count.
    #[error("{count} backends are more than the {max} that one VIP port can have")]
    TooManyBackends {
        /// How many it has.
        count: usize,
        /// The largest possible number.
        max: u32,
    },
    /// The kernel refused the entry.
    #[error("map '{map}' could not be written")]
    Map {
        /// Its name.
        map: &'static str,
        /// What the kernel said.
        #[source]
        source: libbpf_rs::Error,
    },
}
