//! The host's own resolvers, to which foreign names go.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::SERVICE_ADDRESS;

/// How many upstreams one query may ask (resolv.conf(5) allows as many).
const MOST: usize = 3;
/// How long an upstream that failed is asked last.
const PENALTY: Duration = Duration::from_secs(30);

/// Where foreign names are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstreams {
    /// The `nameserver` lines of this file, port 53, read again whenever it changes.
    ResolvConf(PathBuf),
    /// These addresses.
    Fixed(Vec<SocketAddr>),
}

/// The upstreams in use, with a memory of which ones failed.
#[derive(Debug)]
pub(crate) struct Directory {
    source: Upstreams,
    own: Vec<IpAddr>,
    listening: Vec<SocketAddr>,
    read: Mutex<Reading>,
    failed: Mutex<HashMap<SocketAddr, Instant>>,
}

/// What the file said, and which state of the file that was.
#[derive(Debug, Default)]
struct Reading {
    stamp: Option<[i64; 5]>,
    servers: Arc<[SocketAddr]>,
}

impl Directory {
    /// `own` and `listening` are ourselves, and never asked: a query would circle.
    pub(crate) fn new(source: Upstreams, own: Vec<IpAddr>, listening: Vec<SocketAddr>) -> Self {
        Self {
            source,
            own,
            listening,
            read: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    /// The upstreams, best first: in their given order, those that failed lately last.
    pub(crate) fn order(&self, now: Instant) -> Vec<SocketAddr> {
        let mut servers = match &self.source {
            Upstreams::Fixed(servers) => servers.clone(),
            Upstreams::ResolvConf(path) => self.read(path).to_vec(),
        };
        servers.retain(|server| !self.is_ourselves(server));
        let mut failed = lock(&self.failed);
        failed.retain(|_, since| now.duration_since(*since) < PENALTY);
        servers.sort_by_key(|server| failed.contains_key(server));
        servers.truncate(MOST);
        servers
    }

    /// Notes that an upstream failed.
    pub(crate) fn failed(&self, server: SocketAddr, now: Instant) {
        lock(&self.failed).insert(server, now);
    }

    /// Notes that an upstream answered.
    pub(crate) fn answered(&self, server: SocketAddr) {
        lock(&self.failed).remove(&server);
    }

    fn is_ourselves(&self, server: &SocketAddr) -> bool {
        let ip = server.ip().to_canonical();
        let listens = |own: &SocketAddr| {
            let any = own.ip().is_unspecified() && ip.is_loopback();
            own.port() == server.port() && (own.ip() == ip || any)
        };
        ip == IpAddr::V4(SERVICE_ADDRESS)
            || ip.is_unspecified()
            || self.own.contains(&ip)
            || self.listening.iter().any(listens)
    }

    /// The file's servers. The file is looked at on every use, which costs one
    /// system call and leaves no moment in which a change is not seen.
    fn read(&self, path: &Path) -> Arc<[SocketAddr]> {
        let stamp = std::fs::metadata(path).ok().map(|data| {
            let inode = i64::try_from(data.ino()).unwrap_or(i64::MAX);
            let size = i64::try_from(data.size()).unwrap_or(i64::MAX);
            let changed = data
                .ctime()
                .wrapping_mul(1_000_000_000)
                .wrapping_add(data.ctime_nsec());
            let dev = i64::try_from(data.dev()).unwrap_or(i64::MAX);
            [dev, inode, size, data.mtime_nsec(), changed]
        });
        let mut reading = lock(&self.read);
        if stamp.is_none() || stamp != reading.stamp {
            let text = std::fs::read(path).unwrap_or_default();
            let servers = parse(&String::from_utf8_lossy(&text));
            *reading = Reading {
                stamp,
                servers: servers.into(),
            };
        }
        Arc::clone(&reading.servers)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The `nameserver` lines of a resolv.conf; lines that say nothing useful are
/// passed over, as the C library does.
fn parse(text: &str) -> Vec<SocketAddr> {
    text.lines().filter_map(name_server).collect()
}

fn name_server(line: &str) -> Option<SocketAddr> {
    let mut words = line.split_whitespace();
    if words.next()? != "nameserver" {
        return None;
    }
    let address = words.next()?;
    if let Ok(ip) = address.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, 53));
    }
    let (ip, interface) = address.split_once('%')?;
    let ip: Ipv6Addr = ip.parse().ok()?;
    let scope = interface
        .parse()
        .ok()
        .or_else(|| nix::net::if_::if_nametoindex(interface).ok())?;
    Some(SocketAddrV6::new(ip, 53, 0, scope).into())
}

#[cfg(test)]
mod tests;
