//! Host ports: one container each, and none that a process listens on.
//!
//! A plugin that maps ports writes a rule and listens on nothing, so the kernel
//! refuses no second one, and the last rule wins in silence. Hence two questions:
//! does a recorded attachment have the port, and can it be bound right now?
//! The binding is given up at once: held, it would keep the port from a process of
//! the host for no gain, since the rule precedes any listener.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::Protocol;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt,
};

use crate::NetworkError;
use crate::wanted::HostPort;

/// Which container has which host port.
#[derive(Debug, Default)]
pub(crate) struct HostPorts {
    owners: Mutex<HashMap<HostPort, String>>,
}

impl HostPorts {
    /// Reserves all of `ports` for the container, or none.
    pub(crate) fn reserve(&self, id: &str, ports: &[HostPort]) -> Result<(), NetworkError> {
        let mut owners = self.owners();
        for (port, protocol) in ports {
            let holder = match owners.get(&(*port, *protocol)) {
                Some(owner) if owner == id => continue,
                Some(owner) => format!("container '{owner}' has it"),
                None if !is_free(*port, *protocol) => "a process of this host has it".to_owned(),
                None => continue,
            };
            return Err(NetworkError::PortInUse {
                port: *port,
                protocol: *protocol,
                holder,
            });
        }
        owners.extend(ports.iter().map(|port| (*port, id.to_owned())));
        Ok(())
    }

    /// Makes `ports` all that the container has: what its records say.
    pub(crate) fn settle(&self, id: &str, ports: impl Iterator<Item = HostPort>) {
        let mut owners = self.owners();
        owners.retain(|_, owner| owner != id);
        owners.extend(ports.map(|port| (port, id.to_owned())));
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<HostPort, String>> {
        // The map is whole after each statement, so a panic elsewhere spoils nothing.
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nothing of this namespace has the port, on any address of either family.
fn is_free(port: u16, protocol: Protocol) -> bool {
    let any = [
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    ];
    // Only "in use" counts: a host may lack IPv6.
    any.iter()
        .all(|ip| try_bind(SocketAddr::new(*ip, port), protocol) != Err(Errno::EADDRINUSE))
}

/// Binds without listening, so that no client ever meets the socket.
fn try_bind(address: SocketAddr, protocol: Protocol) -> Result<(), Errno> {
    let family = if address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let kind = match protocol {
        Protocol::Tcp => SockType::Stream,
        Protocol::Udp => SockType::Datagram,
    };
    let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
    if address.is_ipv6() {
        setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
    }
    if protocol == Protocol::Tcp {
        // Connections of a server that ended linger in TIME_WAIT and hold no port.
        setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    }
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    /// A port that was free a moment ago.
    fn free_port() -> io::Result<u16> {
        Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
    }

    #[test]
    fn a_port_belongs_to_one_container() {
        let ports = HostPorts::default();
        let port = free_port().unwrap();
        ports.reserve("a", &[(port, Protocol::Tcp)]).unwrap();
        ports.reserve("a", &[(port, Protocol::Tcp)]).unwrap();
        ports.reserve("b", &[(port, Protocol::Udp)]).unwrap();
        let error = ports
            .reserve("b", &[(port, Protocol::Tcp)])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("{port}/tcp")) && error.contains("'a' has it"),
            "{error}"
        );
        ports.settle("a", std::iter::empty());
        ports.reserve("b", &[(port, Protocol::Tcp)]).unwrap();
    }

    #[test]
    fn all_or_none_is_reserved() {
        let ports = HostPorts::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = listener.local_addr().unwrap().port();
        let free = free_port().unwrap();
        ports
            .reserve("a", &[(free, Protocol::Tcp), (taken, Protocol::Tcp)])
            .unwrap_err();
        ports.reserve("b", &[(free, Protocol::Tcp)]).unwrap();
        drop(listener);
        ports.reserve("a", &[(taken, Protocol::Tcp)]).unwrap();
    }

    #[test]
    fn listeners_on_any_address_are_seen() {
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let port = listener.local_addr().unwrap().port();
            assert!(!is_free(port, Protocol::Tcp), "{address}");
            let socket = UdpSocket::bind(address).unwrap();
            let port = socket.local_addr().unwrap().port();
            assert!(!is_free(port, Protocol::Udp), "{address}");
        }
    }
}
