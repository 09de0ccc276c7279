//! The ways to reach a VIP by address family.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use model::Protocol::{self, Tcp, Udp};
use vip::{Backend, ServiceTable, Settings};

use crate::lab::{Client, VIP, far, table, vip};
use crate::servers::{serve_echo, serve_udp};

/// The IPv6 address that most tests use.
pub(crate) const VIP6: &str = "fd01:c::1";

/// A client's socket and the address it uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stack {
    /// An IPv4 socket to an IPv4 VIP.
    Four,
    /// An IPv6 socket to an IPv6 VIP.
    Six,
    /// An IPv6 socket to an IPv4 VIP, which it knows as `::ffff:a.b.c.d`.
    Mapped,
}

pub(crate) const STACKS: [Stack; 3] = [Stack::Four, Stack::Six, Stack::Mapped];

impl Stack {
    /// What the table calls a VIP's port.
    pub(crate) fn key(self, port: u16) -> SocketAddr {
        match self {
            Self::Six => six(port),
            Self::Four | Self::Mapped => vip(port),
        }
    }

    /// What the client calls it.
    pub(crate) fn vip(self, port: u16) -> SocketAddr {
        self.sees(self.key(port))
    }

    /// What the client calls any address.
    pub(crate) fn sees(self, address: SocketAddr) -> SocketAddr {
        match self {
            Self::Four | Self::Six => address,
            Self::Mapped => mapped(address),
        }
    }

    /// Loopback, where backends listen.
    pub(crate) fn local(self) -> SocketAddr {
        match self {
            Self::Six => "[::1]:0".parse().unwrap(),
            Self::Four | Self::Mapped => "127.0.0.1:0".parse().unwrap(),
        }
    }

    pub(crate) fn open(self, client: &mut Client, protocol: Protocol) -> u32 {
        match self {
            Self::Four => client.open(protocol),
            Self::Six => client.open_six(protocol, true),
            Self::Mapped => client.open_six(protocol, false),
        }
    }

    /// A new socket, connected.
    pub(crate) fn dial(self, client: &mut Client, protocol: Protocol, port: u16) -> u32 {
        let socket = self.open(client, protocol);
        client.connect(socket, self.vip(port)).unwrap();
        socket
    }

    /// A backend that answers every line or datagram with its name and the question.
    pub(crate) fn backend(self, protocol: Protocol, name: &str) -> Backend {
        let address = match protocol {
            Tcp => serve_echo(self.local(), name),
            Udp => serve_udp(self.local(), name),
        };
        far(name, address)
    }

    /// Who answers so many connects, one after the other.
    pub(crate) fn met(
        self,
        client: &mut Client,
        protocol: Protocol,
        port: u16,
        connects: usize,
    ) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for _ in 0..connects {
            let socket = self.dial(client, protocol, port);
            names.insert(client.echo(socket, "q"));
            client.close(socket);
        }
        names
    }

    pub(crate) fn backends(self, protocol: Protocol, names: &[&str]) -> Vec<Backend> {
        let backend = |name: &&str| self.backend(protocol, name);
        names.iter().map(backend).collect()
    }
}

pub(crate) fn six(port: u16) -> SocketAddr {
    SocketAddr::new(VIP6.parse().unwrap(), port)
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(address) => {
            SocketAddr::new(address.ip().to_ipv6_mapped().into(), address.port())
        }
        SocketAddr::V6(_) => address,
    }
}

/// A table whose services all have these settings.
pub(crate) fn table_with(
    settings: Settings,
    services: &[(SocketAddr, Protocol, &[Backend])],
) -> ServiceTable {
    let mut table = table(services);
    for service in table.services.values_mut() {
        service.settings = settings;
    }
    table
}

#[test]
fn an_ipv4_address_is_mapped() {
    let four: Ipv4Addr = VIP.parse().unwrap();
    assert_eq!(
        Stack::Mapped.vip(80).to_string(),
        format!("[::ffff:{four}]:80")
    );
}
