//! The host's own resolvers, to which foreign names go.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{SERVICE_ADDRESS, kept};

/// How many upstreams one query may ask (resolv.conf(5) allows as many).
const MOST: usize = 3;
/// How long an upstream that failed is asked last.
const PENALTY: Duration = Duration::from_secs(30);
/// Where systemd-resolved lists its upstreams, while it stands in resolv.conf itself.
const RESOLVED: &str = "/run/systemd/resolve/resolv.conf";
/// Where systemd-resolved listens on this host (systemd-resolved(8)).
const STUBS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53)),
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 54)),
];

/// Where foreign names are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstreams {
    /// The `nameserver` lines of this file, port 53, read again whenever it changes. If
    /// they name us, those of its former self ([`kept`]) are used, if that is there.
    /// Where they name systemd-resolved on this host, and that was told to ask us, its
    /// other servers are used in its place: questions would circle.
    ResolvConf(PathBuf),
    /// These addresses.
    Fixed(Vec<SocketAddr>),
}

/// The upstreams in use, with a memory of which ones failed.
#[derive(Debug)]
pub(crate) struct Directory {
    source: Upstreams,
    /// Where systemd-resolved lists its upstreams.
    resolved: PathBuf,
    own: Vec<IpAddr>,
    listening: Vec<SocketAddr>,
    read: Mutex<Reading>,
    failed: Mutex<HashMap<SocketAddr, Instant>>,
}

/// What the files said, and which state of the files that was.
#[derive(Debug, Default)]
struct Reading {
    stamps: [Stamp; 3],
    servers: Arc<[SocketAddr]>,
}

/// A state of a file; `None` if there is none.
type Stamp = Option<[i64; 5]>;

impl Directory {
    /// `own` and `listening` are ourselves, and never asked: a query would circle.
    pub(crate) fn new(source: Upstreams, own: Vec<IpAddr>, listening: Vec<SocketAddr>) -> Self {
        Self {
            source,
            resolved: PathBuf::from(RESOLVED),
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

    /// The file's servers. The files are looked at on every use, which costs a few
    /// system calls and leaves no moment in which a change is not seen.
    fn read(&self, path: &Path) -> Arc<[SocketAddr]> {
        let kept = kept(path);
        let stamps = [&*kept, path, &*self.resolved].map(stamp);
        let mut reading = lock(&self.read);
        if stamps == [None; 3] || stamps != reading.stamps {
            let mut found = servers(path);
            // Without us in it, it is somebody else's by now, and so is what counts.
            if stamps[0].is_some() && name_us(&found) {
                found = servers(&kept);
            }
            *reading = Reading {
                stamps,
                servers: past_stubs(found, || servers(&self.resolved)).into(),
            };
        }
        Arc::clone(&reading.servers)
    }
}

/// What a file's state is known by, behind links.
fn stamp(path: &Path) -> Stamp {
    let data = std::fs::metadata(path).ok()?;
    let inode = i64::try_from(data.ino()).unwrap_or(i64::MAX);
    let size = i64::try_from(data.size()).unwrap_or(i64::MAX);
    let changed = data
        .ctime()
        .wrapping_mul(1_000_000_000)
        .wrapping_add(data.ctime_nsec());
    let dev = i64::try_from(data.dev()).unwrap_or(i64::MAX);
    Some([dev, inode, size, data.mtime_nsec(), changed])
}

fn servers(path: &Path) -> Vec<SocketAddr> {
    let text = std::fs::read(path).unwrap_or_default();
    parse(&String::from_utf8_lossy(&text))
}

fn name_us(servers: &[SocketAddr]) -> bool {
    let us = IpAddr::V4(SERVICE_ADDRESS);
    servers.iter().any(|it| it.ip().to_canonical() == us)
}

/// The servers, with those of systemd-resolved in its place if it was told to ask us.
fn past_stubs(
    mut servers: Vec<SocketAddr>,
    resolved: impl FnOnce() -> Vec<SocketAddr>,
) -> Vec<SocketAddr> {
    let is_stub = |it: &SocketAddr| STUBS.contains(&it.ip());
    if let Some(first) = servers.iter().position(is_stub) {
        let behind = resolved();
        if name_us(&behind) {
            servers.retain(|it| !is_stub(it));
            servers.splice(first..first, behind);
        }
    }
    servers
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
