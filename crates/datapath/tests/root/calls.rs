//! The rarer system calls of a client process.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, Shutdown, SockFlag, SockType, SockaddrStorage, bind, connect,
    getsockname, sendmsg, sendto, setsockopt, shutdown, socket, sockopt,
};
use serde::{Deserialize, Serialize};

use crate::client::{Client, plain};
pub(crate) use crate::messages::{give, take};
use crate::messages::{receive_bytes, receive_message, receive_messages, send_bytes};
use crate::orders::Reply;
use crate::rings::{self, Request};
use crate::servers::{serve_echo, serve_sink, serve_udp};

/// A system call. Sockets are known by the numbers that replies give.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Call {
    /// `socket()` of a kind that is neither TCP nor UDP.
    Socket(Kind),
    /// `bind()`, after SO_REUSEADDR.
    Bind { socket: u32, to: SocketAddr },
    /// SO_BINDTODEVICE.
    BindDevice { socket: u32, device: String },
    /// IP_FREEBIND.
    BindAnywhere { socket: u32 },
    /// `getsockname()`.
    Own { socket: u32 },
    /// TCP_FASTOPEN_CONNECT.
    DeferConnect { socket: u32 },
    /// `sendto()` with MSG_FASTOPEN.
    SendFast {
        socket: u32,
        to: SocketAddr,
        text: String,
    },
    /// Whether data went with the SYN and was taken; 1 or 0.
    WentWithSyn { socket: u32 },
    /// TCP_USER_TIMEOUT.
    Patience { socket: u32, millis: u32 },
    /// IP_PMTUDISC_DO and IPV6_PMTUDISC_DO: no fragments.
    Whole { socket: u32 },
    /// `poll()` until it can be written, then SO_ERROR.
    Await { socket: u32 },
    /// `send()` of so many bytes.
    SendBytes { socket: u32, length: usize },
    /// `recv()` until so many bytes have come or the end; how many have.
    ReceiveBytes { socket: u32, length: usize },
    /// `sendmsg()`.
    SendMessage {
        socket: u32,
        to: SocketAddr,
        text: String,
    },
    /// `recvmsg()`.
    ReceiveMessage { socket: u32 },
    /// `recvmmsg()` of two.
    ReceiveMessages { socket: u32 },
    /// io_uring.
    Ring {
        request: Ring,
        socket: u32,
        to: SocketAddr,
        text: String,
        threaded: bool,
    },
    /// SCM_RIGHTS: sends a socket to whoever listens at a path.
    Give { socket: u32, path: PathBuf },
    /// SCM_RIGHTS: waits at a path for a socket.
    Take { path: PathBuf },
    /// `fork()`: the child holds every socket until it is ended.
    Fork,
    /// Ends the child of `Fork`.
    Reap,
    /// `shutdown()` of this side.
    Finish { socket: u32 },
    /// `close()` by a reset.
    Reset { socket: u32 },
    /// New UDP sockets, one after the other: `connect()` or `sendto()`, and `close()`.
    Churn {
        to: SocketAddr,
        count: u32,
        connected: bool,
    },
    /// Serves echoing TCP and UDP at an address, each at a port of its own if it is 0.
    ServeEcho { at: SocketAddr, name: String },
    /// Serves TCP at an address: how many bytes came.
    ServeSink { at: SocketAddr },
    /// Writes a setting of this process' network namespace, below `/proc/sys/net`.
    SetNet { name: String, value: u32 },
    /// Of the thread that does all this, and whose namespaces these are.
    ThreadId,
    /// Runs a command in this process' namespaces; what it printed.
    Run { command: Vec<String> },
}

/// Kinds of socket.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Multipath TCP.
    Mptcp,
    /// `SOCK_RAW` for a protocol by its number.
    Raw(i32),
}

/// What io_uring is asked for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Ring {
    Connect,
    SendMessage,
    SendZeroCopy,
}

const IPPROTO_MPTCP: libc::c_int = 262;
const TCP_INFO_OPTIONS: usize = 5;
const TCPI_OPT_SYN_DATA: u8 = 32;

impl Client {
    pub(crate) fn call(&mut self, call: Call) -> Result<Reply, Errno> {
        match call {
            Call::Socket(kind) => return self.socket(kind).map(Reply::Socket),
            Call::Own { socket } => {
                let own = getsockname(self.fd(socket).as_raw_fd())?;
                return Ok(Reply::Address(plain(&own).unwrap()));
            }
            Call::WentWithSyn { socket } => return went_with_syn(self.fd(socket)),
            Call::Await { socket } => self.wait(socket)?,
            Call::Finish { socket } => shutdown(self.fd(socket).as_raw_fd(), Shutdown::Write)?,
            Call::Reset { socket } => self.reset(socket)?,
            Call::Churn {
                to,
                count,
                connected,
            } => churn(to, count, connected)?,
            Call::Fork
            | Call::Reap
            | Call::SetNet { .. }
            | Call::ThreadId
            | Call::ServeSink { .. }
            | Call::ServeEcho { .. }
            | Call::Run { .. } => return self.process(call),
            Call::Bind { socket, .. }
            | Call::BindDevice { socket, .. }
            | Call::BindAnywhere { socket }
            | Call::DeferConnect { socket }
            | Call::Patience { socket, .. }
            | Call::Whole { socket } => prepare(self.fd(socket), call)?,
            sending => return self.transfer(sending),
        }
        Ok(Reply::Done)
    }

    /// What is about the process and not about one socket.
    fn process(&mut self, call: Call) -> Result<Reply, Errno> {
        match call {
            Call::Fork => self.fork()?,
            Call::Reap => self.reap()?,
            Call::SetNet { name, value } => {
                let path = Path::new("/proc/sys/net").join(name);
                std::fs::write(path, value.to_string()).unwrap();
            }
            Call::ThreadId => {
                let id = nix::unistd::gettid().as_raw();
                return Ok(Reply::Number(id.unsigned_abs().into()));
            }
            Call::ServeSink { at } => return Ok(Reply::Address(serve_sink(at))),
            Call::ServeEcho { at, name } => {
                let at = serve_echo(at, &name);
                return Ok(Reply::Address(serve_udp(at, &name)));
            }
            Call::Run { command } => return Ok(run(&command)),
            other => unreachable!("{other:?} is about a socket"),
        }
        Ok(Reply::Done)
    }

    /// The calls that move data.
    fn transfer(&mut self, call: Call) -> Result<Reply, Errno> {
        match call {
            Call::SendFast { socket, to, text } => {
                let (fd, to) = (self.fd(socket).as_raw_fd(), SockaddrStorage::from(to));
                let fast = MsgFlags::from_bits_retain(libc::MSG_FASTOPEN);
                sendto(fd, text.as_bytes(), &to, fast)?;
            }
            Call::SendBytes { socket, length } => {
                send_bytes(self.fd(socket), length)?;
            }
            Call::ReceiveBytes { socket, length } => {
                let received = receive_bytes(self.fd(socket), length)?;
                return Ok(Reply::Number(received as u64));
            }
            Call::SendMessage { socket, to, text } => {
                let (fd, to) = (self.fd(socket).as_raw_fd(), SockaddrStorage::from(to));
                let parts = [IoSlice::new(text.as_bytes())];
                sendmsg(fd, &parts, &[], MsgFlags::empty(), Some(&to))?;
            }
            Call::ReceiveMessage { socket } => return receive_message(self.fd(socket)),
            Call::ReceiveMessages { socket } => return receive_messages(self.fd(socket)),
            Call::Ring {
                request,
                socket,
                to,
                text,
                threaded,
            } => {
                let request = match request {
                    Ring::Connect => Request::Connect,
                    Ring::SendMessage => Request::SendMessage,
                    Ring::SendZeroCopy => Request::SendZeroCopy,
                };
                rings::perform(request, self.fd(socket), to, &text, threaded)?;
            }
            Call::Give { socket, path } => give(self.fd(socket), &path)?,
            Call::Take { path } => return self.keep(take(&path)).map(Reply::Socket),
            other => unreachable!("{other:?} moves no data"),
        }
        Ok(Reply::Done)
    }

    fn fd(&self, socket: u32) -> BorrowedFd<'_> {
        self.sockets[&socket].as_fd()
    }

    fn socket(&mut self, kind: Kind) -> Result<u32, Errno> {
        let (kind, protocol) = match kind {
            Kind::Mptcp => (libc::SOCK_STREAM, IPPROTO_MPTCP),
            Kind::Raw(protocol) => (libc::SOCK_RAW, protocol),
        };
        // SAFETY: it takes no memory of ours.
        let fd = unsafe { libc::socket(libc::AF_INET, kind | libc::SOCK_CLOEXEC, protocol) };
        // SAFETY: a new descriptor that nobody else knows.
        let fd = unsafe { OwnedFd::from_raw_fd(Errno::result(fd)?) };
        self.keep(fd)
    }

    fn wait(&self, socket: u32) -> Result<(), Errno> {
        let mut one = libc::pollfd {
            fd: self.fd(socket).as_raw_fd(),
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: it is one element, which lives.
        let ready = Errno::result(unsafe { libc::poll(&raw mut one, 1, 5_000) })?;
        if ready == 0 {
            return Err(Errno::ETIME);
        }
        match nix::sys::socket::getsockopt(&self.fd(socket), sockopt::SocketError)? {
            0 => Ok(()),
            error => Err(Errno::from_raw(error)),
        }
    }

    fn reset(&mut self, socket: u32) -> Result<(), Errno> {
        let linger = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        setsockopt(&self.fd(socket), sockopt::Linger, &linger)?;
        self.sockets.remove(&socket);
        Ok(())
    }

    fn fork(&mut self) -> Result<(), Errno> {
        let (wait, end) = nix::unistd::pipe()?;
        // SAFETY: the child only reads, which is async-signal-safe, and exits.
        let child = Errno::result(unsafe { libc::fork() })?;
        if child == 0 {
            // SAFETY: as above; its own copy of the end that it waits for is closed.
            unsafe {
                libc::close(end.as_raw_fd());
                libc::read(wait.as_raw_fd(), [0_u8].as_mut_ptr().cast(), 1);
                libc::_exit(0);
            }
        }
        self.twin = Some((child as u32, end));
        Ok(())
    }

    fn reap(&mut self) -> Result<(), Errno> {
        let (child, end) = self.twin.take().unwrap();
        drop(end);
        // SAFETY: the status is not asked for.
        Errno::result(unsafe { libc::waitpid(child as i32, std::ptr::null_mut(), 0) }).map(drop)
    }
}

/// What is done to a socket before it is connected.
fn prepare(fd: BorrowedFd<'_>, call: Call) -> Result<(), Errno> {
    match call {
        Call::Bind { to, .. } => {
            setsockopt(&fd, sockopt::ReuseAddr, &true)?;
            bind(fd.as_raw_fd(), &SockaddrStorage::from(to))
        }
        Call::BindDevice { device, .. } => setsockopt(&fd, sockopt::BindToDevice, &device.into()),
        Call::BindAnywhere { .. } => set(fd, libc::SOL_IP, libc::IP_FREEBIND, 1),
        Call::DeferConnect { .. } => setsockopt(&fd, sockopt::TcpFastOpenConnect, &true),
        Call::Patience { millis, .. } => setsockopt(&fd, sockopt::TcpUserTimeout, &millis),
        Call::Whole { .. } => {
            let (option, value) = (libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO);
            set(fd, libc::SOL_IP, option, value)?;
            // IPv4 sockets do not know this one.
            let (option, value) = (libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DO);
            let _ = set(fd, libc::SOL_IPV6, option, value);
            Ok(())
        }
        other => unreachable!("{other:?} is for later"),
    }
}

fn set(fd: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> Result<(), Errno> {
    // SAFETY: the value is live and as long as said.
    let status = unsafe {
        let value = (&raw const value).cast();
        libc::setsockopt(fd.as_raw_fd(), level, name, value, size_of::<i32>() as u32)
    };
    Errno::result(status).map(drop)
}

fn went_with_syn(fd: BorrowedFd<'_>) -> Result<Reply, Errno> {
    let mut info = [0_u8; 104];
    let mut length = info.len() as libc::socklen_t;
    // SAFETY: the buffer is live and as long as said.
    let status = unsafe {
        let (info, length) = (info.as_mut_ptr().cast(), &raw mut length);
        libc::getsockopt(fd.as_raw_fd(), libc::SOL_TCP, libc::TCP_INFO, info, length)
    };
    Errno::result(status)?;
    let went = info[TCP_INFO_OPTIONS] & TCPI_OPT_SYN_DATA != 0;
    Ok(Reply::Number(went.into()))
}

fn churn(to: SocketAddr, count: u32, connected: bool) -> Result<(), Errno> {
    let family = match to {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let to = SockaddrStorage::from(to);
    for _ in 0..count {
        let fd = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        if connected {
            connect(fd.as_raw_fd(), &to)?;
        } else {
            sendto(fd.as_raw_fd(), b"q", &to, MsgFlags::empty())?;
        }
    }
    Ok(())
}

fn run(command: &[String]) -> Reply {
    let output = Command::new(&command[0])
        .args(&command[1..])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}{errors}");
    Reply::Text { from: None, text }
}
