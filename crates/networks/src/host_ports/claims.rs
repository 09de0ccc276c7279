//! Which container has which port of the host.
//!
//! A rule that leads a port to a container listens on nothing, so the kernel refuses no
//! second one, and one of the two wins in silence. Hence two questions: does another
//! container have the port, and can it be bound right now? The binding is given up at
//! once: held, it would keep the port from a process of the host for no gain, since the
//! rule precedes any listener.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

use model::Protocol;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt,
};

use super::{Published, holder};
use crate::NetworkError;

/// A port of the host: on one address, or on all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) number: u16,
    pub(crate) protocol: Protocol,
    pub(crate) ip: Option<IpAddr>,
}

impl Port {
    fn overlaps(&self, other: &Self) -> bool {
        (self.number, self.protocol) == (other.number, other.protocol)
            && (self.ip.is_none() || other.ip.is_none() || self.ip == other.ip)
    }
}

impl From<&Published> for Port {
    fn from(port: &Published) -> Self {
        Self {
            number: port.host_port,
            protocol: port.protocol,
            ip: port.host_ip,
        }
    }
}

/// Ports by their owners. An owner's name begins with its part of the daemon and its
/// container; whatever owners of one container have is no conflict among them: its ports
/// are reserved by one part and published by another.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    owners: BTreeMap<String, Vec<Port>>,
}

impl Claims {
    /// Makes `ports` all that the owner has, or changes nothing. Ports that another one
    /// of the container has already are not asked of the kernel again.
    pub(crate) fn take(&mut self, owner: &str, ports: Vec<Port>) -> Result<(), NetworkError> {
        for port in &ports {
            let holder = match self.holder(owner, port) {
                Some((_, true)) => continue,
                Some((container, false)) => format!("container '{container}' has it"),
                None if is_free(port) => continue,
                None => {
                    holder::of(port).unwrap_or_else(|| "a process of this host has it".to_owned())
                }
            };
            return Err(NetworkError::PortInUse {
                port: port.number,
                protocol: port.protocol,
                holder,
            });
        }
        self.set(owner, ports);
        Ok(())
    }

    /// Makes `ports` all that the owner has, unasked: what records say.
    pub(crate) fn set(&mut self, owner: &str, ports: Vec<Port>) {
        if ports.is_empty() {
            self.owners.remove(owner);
        } else {
            self.owners.insert(owner.to_owned(), ports);
        }
    }

    /// What the owner has.
    pub(crate) fn of(&self, owner: &str) -> Vec<Port> {
        self.owners.get(owner).cloned().unwrap_or_default()
    }

    /// Forgets `stale` owners and notes what the others have published.
    pub(crate) fn settle(
        &mut self,
        stale: impl Fn(&str) -> bool,
        published: &BTreeMap<String, Vec<Published>>,
    ) {
        self.owners.retain(|owner, _| !stale(owner));
        for (owner, ports) in published {
            self.set(owner, ports.iter().map(Port::from).collect());
        }
    }

    /// The container that has the port, and whether it is the owner's own.
    fn holder(&self, asking: &str, port: &Port) -> Option<(&str, bool)> {
        let has = |ports: &Vec<Port>| ports.iter().any(|other| other.overlaps(port));
        let holders = self.owners.iter().filter(|(_, ports)| has(ports));
        let mut holders: Vec<_> = holders
            .map(|(owner, _)| (container(owner), container(owner) == container(asking)))
            .collect();
        // Somebody else's comes first.
        holders.sort_by_key(|(_, own)| *own);
        holders.first().copied()
    }
}

/// The container of `<part>/<container>` or `<part>/<container>/<anything>`.
pub(super) fn container(owner: &str) -> &str {
    owner.split('/').nth(1).unwrap_or(owner)
}

/// Whether nothing of this namespace has the port.
fn is_free(port: &Port) -> bool {
    let any = [
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    ];
    let addresses = port.ip.map_or(any.to_vec(), |ip| vec![ip]);
    // Only "in use" counts: a host may lack IPv6, or the address.
    addresses.iter().all(|ip| {
        let address = SocketAddr::new(*ip, port.number);
        try_bind(address, port.protocol) != Err(Errno::EADDRINUSE)
    })
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

    use model::Protocol::{Tcp, Udp};

    use super::*;

    fn port(number: u16, protocol: Protocol) -> Port {
        Port {
            number,
            protocol,
            ip: None,
        }
    }

    /// A port that was free a moment ago.
    fn free_port() -> io::Result<u16> {
        Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
    }

    #[test]
    fn a_port_belongs_to_one_container() {
        let mut claims = Claims::default();
        let number = free_port().unwrap();
        claims.take("one/a", vec![port(number, Tcp)]).unwrap();
        claims.take("one/a", vec![port(number, Tcp)]).unwrap();
        claims.take("two/a/eth0", vec![port(number, Tcp)]).unwrap();
        claims.take("one/b", vec![port(number, Udp)]).unwrap();
        let error = claims.take("one/b", vec![port(number, Tcp)]).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains(&format!("{number}/tcp")) && error.contains("'a' has it"),
            "{error}"
        );
        assert_eq!(claims.of("one/b"), [port(number, Udp)], "as before");
        claims.set("one/a", Vec::new());
        claims.take("one/b", vec![port(number, Tcp)]).unwrap_err();
        claims.settle(|owner| owner == "two/a/eth0", &BTreeMap::new());
        claims.take("one/b", vec![port(number, Tcp)]).unwrap();
    }

    #[test]
    fn addresses_of_their_own_are_no_conflict() {
        let mut claims = Claims::default();
        let number = free_port().unwrap();
        let at = |ip: &str| Port {
            ip: Some(ip.parse().unwrap()),
            ..port(number, Tcp)
        };
        claims.take("one/a", vec![at("127.0.0.2")]).unwrap();
        claims.take("one/b", vec![at("127.0.0.3")]).unwrap();
        claims.take("one/c", vec![at("127.0.0.3")]).unwrap_err();
        claims.take("one/c", vec![port(number, Tcp)]).unwrap_err();
    }

    #[test]
    fn all_or_none_is_taken() {
        let mut claims = Claims::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = listener.local_addr().unwrap().port();
        let free = free_port().unwrap();
        let both = vec![port(free, Tcp), port(taken, Tcp)];
        claims.take("one/a", both).unwrap_err();
        claims.take("one/b", vec![port(free, Tcp)]).unwrap();
        drop(listener);
        claims.take("one/a", vec![port(taken, Tcp)]).unwrap();
    }

    #[test]
    fn listeners_on_any_address_are_seen_and_named() {
        let own = format!("(pid {})", std::process::id());
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let tcp = port(listener.local_addr().unwrap().port(), Tcp);
            let socket = UdpSocket::bind(address).unwrap();
            let udp = port(socket.local_addr().unwrap().port(), Udp);
            for port in [tcp, udp] {
                assert!(!is_free(&port), "{address}");
                let holder = holder::of(&port).unwrap();
                let ip = address.rsplit_once(':').unwrap().0;
                let place = format!("on {ip}:{}", port.number);
                assert!(holder.contains(&own) && holder.contains(&place), "{holder}");
            }
        }
    }
}
