//! Who has a port: the process behind a socket, for people.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use model::Protocol;

use super::claims::Port;

/// The state of a listening TCP socket in the kernel's tables.
const LISTENING: &str = "0A";
/// Length of an engine's container id, and how much of it people are shown.
const ID: usize = 64;
const SHORT_ID: usize = 12;

/// A socket of this namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Socket {
    local: SocketAddr,
    remote: SocketAddr,
    listening: bool,
    inode: u64,
}

/// A sentence about who has the port; none if no socket has it.
pub(super) fn of(port: &Port) -> Option<String> {
    let sockets = sockets(port);
    // A listener explains more than one of its connections.
    let socket = sockets.iter().max_by_key(|socket| socket.listening)?;
    let does = if socket.listening {
        format!("listens on {}", socket.local)
    } else if socket.remote.port() == 0 {
        format!("is bound to it on {}", socket.local)
    } else {
        format!(
            "has a connection from {} to {}",
            socket.local, socket.remote
        )
    };
    let Some(process) = process_with(socket.inode) else {
        return Some(format!(
            "a socket {does}, of the kernel or of a process that cannot be seen from here"
        ));
    };
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let (name, pid) = (name.trim(), process.file_name()?.to_string_lossy());
    Some(match purpose(name, &process, port) {
        Some(purpose) => format!("process {name} (pid {pid}) {does} {purpose}"),
        None => format!("process {name} (pid {pid}) {does}"),
    })
}

/// For whom the process has it.
fn purpose(name: &str, process: &Path, port: &Port) -> Option<String> {
    let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
    let arguments = String::from_utf8_lossy(&arguments);
    let arguments: Vec<&str> = arguments.split('\0').collect();
    let publishes = format!("see docker ps --filter publish={}", port.number);
    match name {
        "docker-proxy" => {
            let option = |name| {
                let found = arguments
                    .windows(2)
                    .find(|pair| pair.first() == Some(&name));
                found.and_then(|pair| pair.get(1)).copied()
            };
            let (ip, port) = (option("-container-ip")?, option("-container-port")?);
            Some(format!(
                "for Docker's container at {ip}:{port}; {publishes}"
            ))
        }
        "dockerd" => Some(format!("for one of Docker's containers; {publishes}")),
        _ => container(process).map(|id| format!("in container {id}")),
    }
}

/// The container that a process is in, by its cgroup.
fn container(process: &Path) -> Option<String> {
    let cgroups = fs::read_to_string(process.join("cgroup")).ok()?;
    let words = cgroups.split(|c: char| !c.is_ascii_alphanumeric());
    let mut ids =
        words.filter(|word| word.len() == ID && word.bytes().all(|byte| byte.is_ascii_hexdigit()));
    Some(ids.next()?.get(..SHORT_ID)?.to_owned())
}

fn sockets(port: &Port) -> Vec<Socket> {
    let mut sockets = all_sockets(port.protocol);
    sockets.retain(|socket| {
        let any = socket.local.ip().is_unspecified();
        socket.local.port() == port.number
            && port.ip.is_none_or(|ip| any || ip == socket.local.ip())
    });
    sockets
}

/// Ports of the calling thread's network namespace at which a TCP socket listens or which
/// a UDP socket has. Reads files of the kernel, so it belongs on a thread that may block.
#[must_use]
pub fn ports_in_use() -> BTreeSet<u16> {
    let listening = all_sockets(Protocol::Tcp);
    let listening = listening.into_iter().filter(|socket| socket.listening);
    let all = listening.chain(all_sockets(Protocol::Udp));
    all.map(|socket| socket.local.port()).collect()
}

fn all_sockets(protocol: Protocol) -> Vec<Socket> {
    let name = protocol.as_str();
    let mut sockets = Vec::new();
    for file in [name.to_owned(), format!("{name}6")] {
        // The thread's own namespace, which may be another than the process's.
        let path = Path::new("/proc/thread-self/net").join(file);
        let table = fs::read_to_string(path).unwrap_or_default();
        let lines = table.lines().skip(1);
        sockets.extend(lines.filter_map(|line| socket(line, protocol)));
    }
    sockets
}

/// A line of `/proc/net/tcp` and its like.
fn socket(line: &str, protocol: Protocol) -> Option<Socket> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, local, remote, state, _, _, _, _, _, inode, ..] = fields.as_slice() else {
        return None;
    };
    Some(Socket {
        local: address(local)?,
        remote: address(remote)?,
        listening: protocol == Protocol::Tcp && *state == LISTENING,
        inode: inode.parse().ok()?,
    })
}

/// An address as the tables have it: words of 32 bits in the host's byte order.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let mut bytes = Vec::new();
    for at in (0..ip.len()).step_by(8) {
        let word = u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    let ip = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(*bytes.first_chunk::<4>()?)),
        16 => IpAddr::V6(Ipv6Addr::from(*bytes.first_chunk::<16>()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// The directory in `/proc` of a process that has the socket open.
fn process_with(inode: u64) -> Option<PathBuf> {
    let link = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let processes = processes.filter(|entry| {
        let name = entry.file_name();
        name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
    });
    processes.map(|entry| entry.path()).find(|process| {
        let files = fs::read_dir(process.join("fd"))
            .into_iter()
            .flatten()
            .flatten();
        let mut targets = files.filter_map(|file| fs::read_link(file.path()).ok());
        targets.any(|target| target.as_os_str() == link.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0000000000000000 100 0 0 10 0";
        let found = socket(line, Protocol::Tcp).unwrap();
        assert_eq!(found.local, "127.0.0.1:8080".parse().unwrap());
        assert!(found.listening);
        assert_eq!(found.inode, 4242);
        let line = " 1: 0000000000000000FFFF00000100007F:0035 00000000000000000000000000000000:0000 07 0:0 0:0 0 0 0 7 2 0";
        let found = socket(line, Protocol::Udp).unwrap();
        assert_eq!(found.local, "[::ffff:127.0.0.1]:53".parse().unwrap());
        assert!(!found.listening);
        for bad in ["", "sl local", "0: 01:02 03:04 0A 0 0 0 0 0 x"] {
            assert_eq!(socket(bad, Protocol::Tcp), None, "{bad}");
        }
    }

    #[test]
    fn nobody_has_a_port_that_is_free() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let number = free.local_addr().unwrap().port();
        drop(free);
        let port = Port {
            number,
            protocol: Protocol::Tcp,
            ip: None,
        };
        assert_eq!(of(&port), None);
    }
}
