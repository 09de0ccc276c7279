//! A node with isolated tasks, whose processes are threads with sockets in their
//! namespaces.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use isolation::{Isolated, Isolation, Options, Wanted};
use model::Protocol::{self, Tcp, Udp};
use netlink::netns;
use testlab::{Host, Lan};

/// Long beside any answer here.
const PROMPT: Duration = Duration::from_millis(700);
/// Short beside a test, long beside what must not come.
const SILENCE: Duration = Duration::from_millis(250);

pub(crate) const LOCALHOST: Ipv4Addr = Ipv4Addr::LOCALHOST;

pub(crate) struct Node {
    pub(crate) host: Host,
    files: tempfile::TempDir,
}

impl Node {
    pub(crate) fn new(name: &str) -> Self {
        Self::of(Host::new(name).unwrap())
    }

    pub(crate) fn on(lan: &Lan, name: &str) -> Self {
        Self::of(Host::on(lan, name).unwrap())
    }

    fn of(host: Host) -> Self {
        let files = tempfile::tempdir().unwrap();
        Self { host, files }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            address: self.host.address(),
            records: self.path("records"),
            namespaces: self.path("namespaces"),
            pool: 16384..=30719,
            each: 256,
        }
    }

    /// What a daemon on this node has after it started.
    pub(crate) fn isolation(&self) -> Isolation {
        self.isolation_with(self.options()).unwrap()
    }

    pub(crate) fn isolation_with(
        &self,
        options: Options,
    ) -> Result<Isolation, isolation::IsolationError> {
        self.host.inside(|| Isolation::new(options)).unwrap()
    }

    /// Runs a future as the node's daemon would.
    pub(crate) fn run<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        let inside = self.host.inside(|| {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            let runtime = builder.worker_threads(1).enable_all().build();
            runtime.unwrap().block_on(future)
        });
        inside.unwrap()
    }

    /// A task with these ports, over both protocols.
    pub(crate) fn task(&self, isolation: &Isolation, id: &str, ports: &[u16]) -> Task {
        self.task_with(isolation, id, &wanted(ports))
    }

    pub(crate) fn task_with(&self, isolation: &Isolation, id: &str, wanted: &Wanted) -> Task {
        let isolated = self.run(isolation.attach(id, wanted)).unwrap();
        Task {
            place: Place(isolated.netns.clone()),
            isolated,
        }
    }

    /// The host itself.
    pub(crate) fn place(&self) -> Place {
        Place(self.host.netns_path())
    }

    pub(crate) fn address(&self) -> Ipv4Addr {
        self.host.address()
    }

    pub(crate) fn sh(&self, script: &str) -> String {
        self.place().sh(script)
    }

    /// Who drops how many of a task's packets.
    pub(crate) fn refused(&self, isolation: &Isolation, id: &str, why: &str) -> u64 {
        let statistics = self.run(isolation.statistics(id)).unwrap().unwrap();
        statistics.refused[why]
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Mounts would outlive the directory.
        for entry in std::fs::read_dir(self.path("namespaces"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let _ = netns::delete(&entry.path());
        }
    }
}

pub(crate) struct Task {
    pub(crate) place: Place,
    pub(crate) isolated: Isolated,
}

pub(crate) fn wanted(ports: &[u16]) -> Wanted {
    let both = |port: &u16| [(Tcp, *port), (Udp, *port)];
    Wanted {
        ports: ports.iter().flat_map(both).collect(),
        egress: None,
    }
}

pub(crate) fn live(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// A network namespace to be somewhere in.
#[derive(Clone)]
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    /// Serves both protocols under a port: says its name, and who asked.
    pub(crate) fn serve(&self, name: &str, at: impl Into<Ipv4Addr>, port: u16) {
        let at = SocketAddrV4::new(at.into(), port);
        self.serve_tcp(name, at);
        self.serve_udp(name, at);
    }

    pub(crate) fn serve_tcp(&self, name: &str, at: SocketAddrV4) -> SocketAddr {
        let listener = self.inside(|| TcpListener::bind(at)).unwrap();
        let address = listener.local_addr().unwrap();
        let name = name.to_owned();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let name = name.clone();
                std::thread::spawn(move || answer(&client, &name));
            }
        });
        address
    }

    pub(crate) fn serve_udp(&self, name: &str, at: SocketAddrV4) {
        let socket = self.inside(|| UdpSocket::bind(at)).unwrap();
        let name = name.to_owned();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(format!("{name} {from} {length}").as_bytes(), from);
            }
        });
    }

    /// Who answers, and whom they believe to answer.
    pub(crate) fn ask(&self, protocol: Protocol, to: Ipv4Addr, port: u16) -> io::Result<Answer> {
        let to = SocketAddrV4::new(to, port);
        match protocol {
            Tcp => self.connect(to)?.ask(),
            Udp => self.ask_udp(to, 10, true),
        }
    }

    pub(crate) fn connect(&self, to: SocketAddrV4) -> io::Result<Connection> {
        self.inside(|| TcpStream::connect_timeout(&to.into(), PROMPT))
            .map(Connection)
    }

    /// One datagram of a length and its answer, by a socket with a peer or without.
    pub(crate) fn ask_udp(
        &self,
        to: SocketAddrV4,
        length: usize,
        connected: bool,
    ) -> io::Result<Answer> {
        let socket = self.inside(|| UdpSocket::bind("0.0.0.0:0"))?;
        socket.set_read_timeout(Some(PROMPT))?;
        let data = vec![b'x'; length];
        if connected {
            socket.connect(to)?;
            socket.send(&data)?;
        } else {
            socket.send_to(&data, to)?;
        }
        let mut buffer = [0; 200];
        let (length, from) = socket.recv_from(&mut buffer)?;
        assert_eq!(from, to.into(), "somebody else answered");
        Answer::read(&String::from_utf8_lossy(&buffer[..length]))
    }

    /// Sends eight megabytes there and back, to a server here that a client reaches at an
    /// address.
    pub(crate) fn takes_whole(&self, client: &Self, to: SocketAddrV4) {
        let listener = self
            .inside(|| TcpListener::bind(("0.0.0.0", to.port())))
            .unwrap();
        let data: Vec<u8> = (0..8_000_000_u32).map(|at| (at % 251) as u8).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut got = vec![0; data.len()];
                stream.read_exact(&mut got).unwrap();
                stream.write_all(&got).unwrap();
            });
            let mut stream = client.connect(to).unwrap().0;
            stream.set_read_timeout(Some(5 * PROMPT)).unwrap();
            stream.set_write_timeout(Some(5 * PROMPT)).unwrap();
            stream.write_all(&data).unwrap();
            let mut got = vec![0; data.len()];
            stream.read_exact(&mut got).unwrap();
            assert!(got == data, "the bytes are others");
        });
    }

    /// Runs work here, on a thread of its own.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        netns::run_in(&self.0, work).unwrap()
    }

    pub(crate) fn sh(&self, script: &str) -> String {
        let output = self.output(script);
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn succeeds(&self, script: &str) -> bool {
        self.output(script).status.success()
    }

    fn output(&self, script: &str) -> std::process::Output {
        self.inside(|| Command::new("sh").args(["-c", script]).output())
            .unwrap()
    }
}

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) name: String,
    /// The client, as the server sees it.
    pub(crate) client: SocketAddrV4,
    /// How much of a question arrived.
    pub(crate) length: usize,
}

impl Answer {
    fn read(text: &str) -> io::Result<Self> {
        let read = || {
            let mut words = text.split(' ');
            Some(Self {
                name: words.next()?.to_owned(),
                client: words.next()?.parse().ok()?,
                length: words.next()?.trim().parse().ok()?,
            })
        };
        read().ok_or_else(|| io::Error::other(format!("no answer: '{text}'")))
    }
}

/// An open connection to a server of [`Place::serve_tcp`].
pub(crate) struct Connection(pub(crate) TcpStream);

impl Connection {
    /// Asks again over the same connection.
    pub(crate) fn ask(&mut self) -> io::Result<Answer> {
        self.0.set_read_timeout(Some(PROMPT))?;
        self.0.write_all(b"who?\n")?;
        let mut text = Vec::new();
        let mut byte = [0];
        while self.0.read(&mut byte)? == 1 && byte[0] != b'\n' {
            text.push(byte[0]);
        }
        Answer::read(&String::from_utf8_lossy(&text))
    }
}

fn answer(mut client: &TcpStream, name: &str) {
    let peer = client.peer_addr().unwrap();
    let mut byte = [0];
    let mut length = 0;
    while client.read(&mut byte).is_ok_and(|count| count == 1) {
        length += 1;
        if byte[0] == b'\n' {
            let _ = client.write_all(format!("{name} {peer} {length}\n").as_bytes());
            length = 0;
        }
    }
}

/// Whether nothing arrives at a socket for a while.
pub(crate) fn is_silent(socket: &UdpSocket) -> bool {
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    socket.recv_from(&mut [0; 100]).is_err()
}

pub(crate) fn at(ip: Ipv4Addr, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(ip, port)
}
