//! Servers that tell who asked, and clients that tell what they heard.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::Protocol;
use netlink::netns;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
    sockopt,
};

use crate::host::Host;

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Serves TCP and UDP of both families on a port of a namespace: whoever asks is told
/// `name` and its own address.
pub(crate) fn serve(namespace: &Path, port: u16, name: &str) {
    for ip in ["0.0.0.0", "::"] {
        let at = SocketAddr::new(ip.parse().unwrap(), port);
        let open = || {
            (
                socket_of(at, SockType::Stream),
                socket_of(at, SockType::Datagram),
            )
        };
        let (tcp, udp) = netns::run_in(namespace, open).unwrap();
        let (tcp, udp) = (TcpListener::from(tcp), UdpSocket::from(udp));
        let told = name.to_owned();
        std::thread::spawn(move || {
            for client in tcp.incoming().flatten() {
                let peer = client.peer_addr().map(|peer| peer.ip());
                let _ = peer.and_then(|peer| write!(&client, "{told} {peer}"));
            }
        });
        let told = name.to_owned();
        std::thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((_, peer)) = udp.recv_from(&mut buffer) {
                let _ = udp.send_to(format!("{told} {}", peer.ip()).as_bytes(), peer);
            }
        });
    }
}

/// A bound socket of one family alone, which listens if it is a stream's.
fn socket_of(at: SocketAddr, kind: SockType) -> OwnedFd {
    let family = if at.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
    if at.is_ipv6() {
        setsockopt(&socket, sockopt::Ipv6V6Only, &true).unwrap();
    }
    bind(socket.as_raw_fd(), &SockaddrStorage::from(at)).unwrap();
    if kind == SockType::Stream {
        listen(&socket, Backlog::new(64).unwrap()).unwrap();
    }
    socket
}

/// What the server says to a client in a namespace.
pub(crate) fn ask(namespace: &Path, to: SocketAddr, protocol: Protocol) -> io::Result<String> {
    netns::run_in(namespace, || match protocol {
        Protocol::Tcp => {
            let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        }
        Protocol::Udp => ask_by(&datagrams(to)?),
    })
    .unwrap()
}

/// A socket that sends to one server and waits for a while.
pub(crate) fn datagrams(to: SocketAddr) -> io::Result<UdpSocket> {
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(to)?;
    Ok(socket)
}

pub(crate) fn ask_by(socket: &UdpSocket) -> io::Result<String> {
    let mut buffer = [0; 64];
    socket.send(b"who")?;
    let length = socket.recv(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

/// Another host: a namespace with a link to the host of the test.
pub(crate) struct Remote {
    pub(crate) namespace: PathBuf,
}

impl Remote {
    pub(crate) const V4: &str = "10.77.0.2";
    pub(crate) const V6: &str = "fd77::2";
    /// The host's addresses on the link.
    pub(crate) const HOST_V4: &str = "10.77.0.1";
    pub(crate) const HOST_V6: &str = "fd77::1";

    pub(crate) fn new(host: &Host) -> Self {
        let namespace = host.path("remote");
        netns::create(&namespace).unwrap();
        host.sh(&format!(
            "ip link add uplink type veth peer name eth0 netns {}; \
             ip addr add {}/24 dev uplink; ip addr add {}/64 dev uplink nodad; \
             ip link set uplink up; sysctl -q -w net.ipv6.conf.all.forwarding=1",
            namespace.display(),
            Self::HOST_V4,
            Self::HOST_V6,
        ));
        crate::host::inside(
            &namespace,
            &format!(
                "ip addr add {}/24 dev eth0; ip addr add {}/64 dev eth0 nodad; \
                 ip link set eth0 up; ip route add default via {}; \
                 ip -6 route add default via {}",
                Self::V4,
                Self::V6,
                Self::HOST_V4,
                Self::HOST_V6
            ),
        );
        Self { namespace }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = netns::delete(&self.namespace);
    }
}
