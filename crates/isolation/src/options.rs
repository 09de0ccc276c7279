//! What a daemon says about itself.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// What tasks share, and where what is known of them is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The node's address, which isolated tasks have as well.
    pub address: Ipv4Addr,
    /// Directory of the records, one file for each task; best one that a reboot empties.
    pub records: PathBuf,
    /// Directory where the tasks' namespaces are mounted.
    pub namespaces: PathBuf,
    /// Ports that tasks get ranges of for what they begin. Nobody else on the node may use
    /// them: they must not meet `net.ipv4.ip_local_port_range`.
    pub pool: RangeInclusive<u16>,
    /// How many of them each task gets.
    pub each: u16,
}
