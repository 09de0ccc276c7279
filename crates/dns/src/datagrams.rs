//! UDP sockets that answer from the address they were asked at.
//!
//! A socket on a wildcard address would let routing choose the source of its
//! answers, and a client drops what comes from an address it did not ask. There
//! the kernel is asked to tell each packet's destination. Sockets on one address
//! skip that and the cost of control messages.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrIn,
    SockaddrIn6, SockaddrStorage, bind, recvmsg, sendmsg, setsockopt, socket, sockopt,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Receive buffer of the socket: a burst of queries waits instead of getting lost.
const BACKLOG: usize = 1024 * 1024;

/// A UDP socket of the server.
#[derive(Debug)]
pub(crate) struct Datagrams {
    socket: UdpSocket,
    wildcard: bool,
}

/// Where a packet came from, and where its answer goes from and to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The address it was sent to, known for wildcard sockets only.
    local: Option<IpAddr>,
}

/// Binds a UDP socket; an IPv6 one takes no IPv4 packets.
pub(crate) fn open(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let family = if address.is_ipv6() {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family, SockType::Datagram, flags, None)?;
    let wildcard = address.ip().is_unspecified();
    if address.is_ipv6() {
        setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
    }
    match address {
        SocketAddr::V4(_) if wildcard => setsockopt(&fd, sockopt::Ipv4PacketInfo, &true)?,
        SocketAddr::V6(_) if wildcard => setsockopt(&fd, sockopt::Ipv6RecvPacketInfo, &true)?,
        _ => {}
    }
    setsockopt(&fd, sockopt::RcvBuf, &BACKLOG)?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(fd.into())
}

impl Datagrams {
    /// Hands a socket from [`open`] to the runtime.
    pub(crate) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let wildcard = socket.local_addr()?.ip().is_unspecified();
        Ok(Self {
            socket: UdpSocket::from_std(socket)?,
            wildcard,
        })
    }

    /// Waits for a packet; what exceeds `buffer` is cut off.
    pub(crate) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Peer)> {
        if self.wildcard {
            let fd = self.socket.as_raw_fd();
            return self
                .socket
                .async_io(Interest::READABLE, || receive_with_destination(fd, buffer))
                .await;
        }
        let (length, address) = self.socket.recv_from(buffer).await?;
        Ok((
            length,
            Peer {
                address,
                local: None,
            },
        ))
    }

    /// Sends an answer to where its query came from.
    pub(crate) async fn send(&self, answer: &[u8], peer: Peer) -> io::Result<()> {
        match peer.local {
            None => self.socket.send_to(answer, peer.address).await.map(drop),
            Some(local) => {
                let fd = self.socket.as_raw_fd();
                self.socket
                    .async_io(Interest::WRITABLE, || {
                        send_from(fd, answer, local, peer.address)
                    })
                    .await
            }
        }
    }
}

fn receive_with_destination(fd: i32, buffer: &mut [u8]) -> io::Result<(usize, Peer)> {
    let mut control = nix::cmsg_space!(libc::in6_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut control), MsgFlags::empty())?;
    let local = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes()))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::from(info.ipi6_addr.s6_addr)),
        _ => None,
    });
    let address = message.address.as_ref().and_then(socket_address);
    let address = address.ok_or_else(|| io::Error::other("packet without a source address"))?;
    Ok((message.bytes, Peer { address, local }))
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address
        .as_sockaddr_in()
        .map(|v4| SocketAddrV4::from(*v4).into());
    v4.or_else(|| {
        address
            .as_sockaddr_in6()
            .map(|v6| SocketAddrV6::from(*v6).into())
    })
}

fn send_from(fd: i32, answer: &[u8], local: IpAddr, peer: SocketAddr) -> io::Result<()> {
    let parts = [IoSlice::new(answer)];
    match (local, peer) {
        (IpAddr::V4(local), SocketAddr::V4(peer)) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr {
                    s_addr: u32::from_ne_bytes(local.octets()),
                },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            let control = [ControlMessage::Ipv4PacketInfo(&info)];
            sendmsg(
                fd,
                &parts,
                &control,
                MsgFlags::empty(),
                Some(&SockaddrIn::from(peer)),
            )?;
        }
        (IpAddr::V6(local), SocketAddr::V6(peer)) => {
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr {
                    s6_addr: local.octets(),
                },
                // A link-local source means nothing without its interface.
                ipi6_ifindex: peer.scope_id(),
            };
            let control = [ControlMessage::Ipv6PacketInfo(&info)];
            sendmsg(
                fd,
                &parts,
                &control,
                MsgFlags::empty(),
                Some(&SockaddrIn6::from(peer)),
            )?;
        }
        // The kernel does not mix families on a socket that refuses IPv4.
        _ => {
            return Err(io::Error::other(
                "source and destination of different families",
            ));
        }
    }
    Ok(())
}
