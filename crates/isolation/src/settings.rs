//! Settings of a namespace: some that make a shared address possible, and those of TCP and
//! of sockets as the host has them, since its administrator tuned them for what runs there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::names::INSIDE;
use crate::records::Record;
use crate::{IsolationError, files};

const NET: &str = "/proc/sys/net";

/// What is copied from the host: files of these, and all of IPv4 that begin like this.
const COPIED: [&str; 3] = [
    "core/somaxconn",
    "ipv4/ip_unprivileged_port_start",
    "ipv4/ping_group_range",
];
const COPIED_PREFIX: &str = "tcp_";

/// Settings with their values.
#[derive(Debug)]
pub(crate) struct Tuning(Vec<(PathBuf, String)>);

impl Tuning {
    /// Those of this thread's namespace.
    pub(crate) fn read() -> Self {
        let net = Path::new(NET);
        let all = files::names(&net.join("ipv4")).unwrap_or_default();
        let tcp = all.iter().filter(|name| name.starts_with(COPIED_PREFIX));
        let paths = tcp.map(|name| net.join("ipv4").join(name));
        let paths = paths.chain(COPIED.iter().map(|name| net.join(name)));
        let read = paths.filter_map(|path| {
            let value = fs::read_to_string(&path).ok()?;
            Some((path, value.trim().to_owned()))
        });
        Self(read.collect())
    }

    /// Writes them to this thread's namespace. Some are the whole machine's, and cannot be
    /// written in one.
    fn write(&self) {
        for (path, value) in &self.0 {
            if let Err(error) = files::set(path, value) {
                tracing::trace!(%error, "a setting stays as it is");
            }
        }
    }
}

/// Sets up the namespace that this thread is in.
pub(crate) fn furnish(record: &Record, tuning: &Tuning) -> Result<(), IsolationError> {
    tuning.write();
    let net = Path::new(NET);
    let (first, last) = record.ephemeral;
    let range = format!("{first}\t{last}");
    files::set(&net.join("ipv4/ip_local_port_range"), &range)?;
    let conf = net.join("ipv4/conf");
    files::set(&conf.join("all/rp_filter"), "0")?;
    let link = conf.join(INSIDE);
    files::set(&link.join("rp_filter"), "0")?;
    // The host and other tasks have the same address.
    files::set(&link.join("accept_local"), "1")?;
    files::set(&link.join("route_localnet"), "1")?;
    for which in ["all", "default"] {
        let path = net.join("ipv6/conf").join(which).join("disable_ipv6");
        // A kernel without IPv6 has no such setting.
        if path.exists() {
            files::set(&path, "1")?;
        }
    }
    Ok(())
}
