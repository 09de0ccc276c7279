//! The client process: this test binary again, in another cgroup.
//!
//! A process of its own, since cgroup v2 has no single threads as members and a
//! socket belongs to the cgroup that its maker was in.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrStorage, connect, getpeername, recvfrom,
    send, sendto, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use crate::orders::{Order, Reply, SOCKET, Tally};
use crate::servers::{serve_tcp, serve_udp};

#[test]
#[ignore = "other tests start it as their client process"]
fn process() {
    let Some(path) = std::env::var_os(SOCKET) else {
        return;
    };
    let orders = UnixStream::connect(path).unwrap();
    let mut replies = orders.try_clone().unwrap();
    let mut client = Client::default();
    for line in BufReader::new(orders).lines() {
        let order = serde_json::from_str(&line.unwrap()).unwrap();
        let begun = Instant::now();
        let reply = client.obey(order).unwrap_or_else(|errno| Reply::Failed {
            errno: errno as i32,
            micros: begun.elapsed().as_micros() as u64,
        });
        writeln!(replies, "{}", serde_json::to_string(&reply).unwrap()).unwrap();
    }
}

#[derive(Default)]
pub(crate) struct Client {
    pub(crate) sockets: HashMap<u32, OwnedFd>,
    opened: u32,
    /// A child that holds what this process holds, until this end is dropped.
    pub(crate) twin: Option<(u32, OwnedFd)>,
    hammer: Option<(Arc<AtomicBool>, JoinHandle<Tally>)>,
}

impl Client {
    fn obey(&mut self, order: Order) -> Result<Reply, Errno> {
        match order {
            Order::LeaveHost => {
                unshare(CloneFlags::CLONE_NEWNET)?;
                let up = Command::new("ip")
                    .args(["link", "set", "lo", "up"])
                    .status()
                    .unwrap();
                assert!(up.success(), "ip link set lo up: {up}");
                return Ok(Reply::Cookie(datapath::netns_cookie_of_self().unwrap()));
            }
            Order::Serve { at, name } => {
                let at = serve_tcp(at, &name);
                return Ok(Reply::Address(serve_udp(at, &name)));
            }
            Order::Open { tcp } => return self.open(tcp).map(Reply::Socket),
            Order::OpenSix { tcp, only } => return self.open_six(tcp, only).map(Reply::Socket),
            Order::Connect { socket, to } => {
                connect(
                    self.sockets[&socket].as_raw_fd(),
                    &SockaddrStorage::from(to),
                )?;
            }
            Order::Start { socket, to } => self.start(socket, to)?,
            Order::Disconnect { socket } => self.disconnect(socket)?,
            Order::Peer { socket } => {
                let peer = getpeername(self.sockets[&socket].as_raw_fd())?;
                return Ok(Reply::Address(plain(&peer).unwrap()));
            }
            Order::Send { socket, text } => {
                send(
                    self.sockets[&socket].as_raw_fd(),
                    text.as_bytes(),
                    MsgFlags::empty(),
                )?;
            }
            Order::SendTo { socket, to, text } => {
                let fd = self.sockets[&socket].as_raw_fd();
                let to = SockaddrStorage::from(to);
                sendto(fd, text.as_bytes(), &to, MsgFlags::empty())?;
            }
            Order::Receive { socket } => return self.receive(socket),
            Order::Close { socket } => drop(self.sockets.remove(&socket)),
            Order::Hammer { to } => {
                let stop = Arc::new(AtomicBool::new(false));
                let told = Arc::clone(&stop);
                self.hammer = Some((stop, thread::spawn(move || hammer(to, &told))));
            }
            Order::Rest => {
                let (stop, thread) = self.hammer.take().unwrap();
                stop.store(true, Ordering::Relaxed);
                return Ok(Reply::Tally(thread.join().unwrap()));
            }
            Order::Dial { to, count } => {
                let mut tally = Tally::default();
                (0..count).for_each(|_| note(&mut tally, to));
                return Ok(Reply::Tally(tally));
            }
            Order::Call(call) => return self.call(call),
        }
        Ok(Reply::Done)
    }

    fn open(&mut self, tcp: bool) -> Result<u32, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC;
        self.keep(socket(AddressFamily::Inet, kind(tcp), flags, None)?)
    }

    fn open_six(&mut self, tcp: bool, only: bool) -> Result<u32, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Inet6, kind(tcp), flags, None)?;
        setsockopt(&fd, sockopt::Ipv6V6Only, &only)?;
        self.keep(fd)
    }

    /// The number that a new socket is known by. Waiting for data ends some time.
    pub(crate) fn keep(&mut self, fd: OwnedFd) -> Result<u32, Errno> {
        setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::new(5, 0))?;
        self.opened += 1;
        self.sockets.insert(self.opened, fd);
        Ok(self.opened)
    }

    fn start(&self, socket: u32, to: SocketAddr) -> Result<(), Errno> {
        let fd = &self.sockets[&socket];
        fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        match connect(fd.as_raw_fd(), &SockaddrStorage::from(to)) {
            Ok(()) | Err(Errno::EINPROGRESS) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    fn disconnect(&self, socket: u32) -> Result<(), Errno> {
        let mut nobody = [0_u8; 16];
        nobody[..2].copy_from_slice(&(libc::AF_UNSPEC as u16).to_ne_bytes());
        // SAFETY: the address is 16 live bytes, of a family that needs no more.
        let status = unsafe {
            libc::connect(
                self.sockets[&socket].as_raw_fd(),
                nobody.as_ptr().cast(),
                16,
            )
        };
        Errno::result(status).map(drop)
    }

    fn receive(&self, socket: u32) -> Result<Reply, Errno> {
        let mut buffer = vec![0; 65_536];
        let (length, from) =
            recvfrom::<SockaddrStorage>(self.sockets[&socket].as_raw_fd(), &mut buffer)?;
        let text = String::from_utf8_lossy(&buffer[..length])
            .trim_end()
            .to_owned();
        Ok(Reply::Text {
            from: from.as_ref().and_then(plain),
            text,
        })
    }
}

fn kind(tcp: bool) -> SockType {
    if tcp {
        SockType::Stream
    } else {
        SockType::Datagram
    }
}

/// Nothing for what is no address, as TCP gives when it is asked who sent.
pub(crate) fn plain(address: &SockaddrStorage) -> Option<SocketAddr> {
    let four = address.as_sockaddr_in().copied();
    let six = address.as_sockaddr_in6().copied();
    four.map(|four| SocketAddr::V4(four.into()))
        .or_else(|| six.map(|six| SocketAddr::V6(six.into())))
}

fn hammer(to: SocketAddr, stop: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    while !stop.load(Ordering::Relaxed) {
        note(&mut tally, to);
    }
    tally
}

/// Asks once, and notes what comes of it.
fn note(tally: &mut Tally, to: SocketAddr) {
    match ask(to) {
        Ok(name) if !name.is_empty() => *tally.answers.entry(name).or_default() += 1,
        Ok(_) => *tally.failures.entry(0).or_default() += 1,
        Err(error) => {
            *tally
                .failures
                .entry(error.raw_os_error().unwrap_or(-1))
                .or_default() += 1;
        }
    }
}

/// The name of whoever answers at `to`.
fn ask(to: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(to)?;
    // Closing by a reset keeps ports from waiting, of which there are 28,000.
    setsockopt(
        &stream,
        sockopt::Linger,
        &libc::linger {
            l_onoff: 1,
            l_linger: 0,
        },
    )?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut name = String::new();
    let mut byte = [0];
    loop {
        match stream.read(&mut byte) {
            Ok(1) if byte[0] != b'\n' => name.push(char::from(byte[0])),
            Ok(_) => return Ok(name),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
