//! The server: sockets in, answers out.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
    sockopt,
};
use tokio::task::{Id, JoinSet};

use crate::datagrams::{self, Datagrams};
use crate::forward::{Errand, Forwarder};
use crate::shares::Shares;
use crate::statistics::{Statistics, count};
use crate::upstreams::{Directory, Upstreams};
use crate::{Context, DnsError, Snapshot, Transport, Verdict, consider, tcp, udp};

/// How often a free port is looked for that is free over both transports.
const PORT_ATTEMPTS: usize = 32;
/// Tasks that read one UDP socket, so that one query never waits for another core.
const MOST_READERS: usize = 4;

/// How to serve.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen, over UDP and TCP alike. Port 0 picks one that is free for
    /// both. An IPv6 wildcard takes IPv6 clients only.
    pub listen: Vec<SocketAddr>,
    /// Where foreign names are asked for.
    pub upstreams: Upstreams,
    /// Addresses that lead back to this server. They are never used as upstreams;
    /// [`crate::SERVICE_ADDRESS`] and the listening addresses never are.
    pub own: Vec<IpAddr>,
    /// How many forwarded queries may be under way; more are answered SERVFAIL.
    pub max_in_flight: usize,
}

/// A bound server that does not serve yet.
#[derive(Debug)]
pub struct Server {
    sockets: Vec<Pair>,
    desk: Arc<Desk>,
}

/// UDP and TCP on one address.
#[derive(Debug)]
struct Pair {
    address: SocketAddr,
    udp: std::net::UdpSocket,
    tcp: TcpListener,
}

/// What all sockets share: how a packet becomes an answer.
#[derive(Debug)]
pub(crate) struct Desk {
    names: Arc<ArcSwap<Snapshot>>,
    clients: Arc<ArcSwap<Vec<IpNet>>>,
    pub(crate) forwarder: Arc<Forwarder>,
    pub(crate) statistics: Arc<Statistics>,
    turn: AtomicUsize,
}

/// What is left to do for a packet.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing.
    Done,
    /// Send this.
    Send(Vec<u8>),
    /// Ask upstreams; if they do not answer, send the bytes.
    Ask(Errand, Vec<u8>),
}

impl Server {
    /// Binds every address over UDP and TCP.
    ///
    /// `names` is read anew for every query. Only sources within `clients` are
    /// served, loopback addresses included: list `127.0.0.0/8` and `::1/128` to
    /// serve the host itself.
    ///
    /// # Errors
    /// When there is nothing to listen on or an address cannot be bound.
    pub fn bind(
        options: Options,
        names: Arc<ArcSwap<Snapshot>>,
        clients: Arc<ArcSwap<Vec<IpNet>>>,
    ) -> Result<Self, DnsError> {
        if options.listen.is_empty() {
            return Err(DnsError::NoAddress);
        }
        let sockets: Vec<Pair> = options
            .listen
            .iter()
            .map(|address| open(*address))
            .collect::<Result<_, _>>()?;
        let listening = sockets.iter().map(|pair| pair.address).collect();
        let directory = Directory::new(options.upstreams, options.own, listening);
        let statistics = Arc::new(Statistics::default());
        let forwarder = Arc::new(Forwarder::new(
            directory,
            options.max_in_flight,
            Arc::clone(&statistics),
        ));
        let desk = Desk {
            names,
            clients,
            forwarder,
            statistics,
            turn: AtomicUsize::new(0),
        };
        Ok(Self {
            sockets,
            desk: Arc::new(desk),
        })
    }

    /// The addresses that it listens on, in the order of the options.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|pair| pair.address).collect()
    }

    /// The counters, which outlive the server.
    #[must_use]
    pub fn statistics(&self) -> Arc<Statistics> {
        Arc::clone(&self.desk.statistics)
    }

    /// Serves until `shutdown` is ready. Forwarded queries that are under way then
    /// are still answered; they end by themselves within seconds.
    ///
    /// # Errors
    /// When the runtime cannot take the sockets.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), DnsError> {
        let mut roles = Vec::new();
        let connections = tcp::connections();
        for pair in self.sockets {
            let failed = |source| DnsError::Serve {
                address: pair.address,
                source,
            };
            let udp = Arc::new(Datagrams::new(pair.udp).map_err(failed)?);
            let readers = std::thread::available_parallelism().map_or(1, usize::from);
            for _ in 0..readers.min(MOST_READERS) {
                roles.push(Role::Udp(Arc::clone(&udp)));
            }
            let tcp = tokio::net::TcpListener::from_std(pair.tcp).map_err(failed)?;
            roles.push(Role::Tcp(Arc::new(tcp), Arc::clone(&connections)));
        }
        tokio::select! {
            () = supervise(roles, self.desk) => {}
            () = shutdown => {}
        }
        Ok(())
    }
}

/// The work of one task, kept to start it again.
#[derive(Debug, Clone)]
enum Role {
    Udp(Arc<Datagrams>),
    Tcp(Arc<tokio::net::TcpListener>, Arc<Shares>),
}

/// Runs every role for ever: one that panics is reported and started again.
async fn supervise(roles: Vec<Role>, desk: Arc<Desk>) {
    let mut tasks = JoinSet::new();
    let mut running: HashMap<Id, Role> = HashMap::new();
    let start = |tasks: &mut JoinSet<()>, role: &Role| match role.clone() {
        Role::Udp(socket) => tasks.spawn(udp::serve(socket, Arc::clone(&desk))),
        Role::Tcp(listener, connections) => {
            tasks.spawn(tcp::serve(listener, connections, Arc::clone(&desk)))
        }
    };
    for role in roles {
        running.insert(start(&mut tasks, &role).id(), role);
    }
    while let Some(ended) = tasks.join_next_with_id().await {
        let id = ended
            .as_ref()
            .map_or_else(|error| error.id(), |(id, ())| *id);
        if let Some(role) = running.remove(&id) {
            tracing::error!(?role, ?ended, "a DNS listener ended and is started again");
            running.insert(start(&mut tasks, &role).id(), role);
        }
    }
}

impl Desk {
    /// Whether queries from `source` are served.
    pub(crate) fn serves(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.clients.load().iter().any(|net| net.contains(&source))
    }

    /// Decides over a packet and counts it.
    pub(crate) fn take(&self, packet: &[u8], transport: Transport, source: IpAddr) -> Step {
        self.statistics.asked(transport);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let context = Context {
            transport,
            allowed: self.serves(source),
            turn,
        };
        match consider(packet, context, &self.names.load()) {
            Verdict::Drop => {
                count(&self.statistics.dropped);
                Step::Done
            }
            Verdict::Answer(reply) => Step::Send(self.counted(reply)),
            Verdict::Forward {
                failure,
                question_end,
            } => Step::Ask(
                Errand {
                    packet: packet.to_vec(),
                    question_end,
                    transport,
                    client: source.to_canonical(),
                },
                failure,
            ),
        }
    }

    /// Asks upstreams for an answer; there always is one.
    pub(crate) async fn fetch(&self, errand: Errand, failure: Vec<u8>) -> Vec<u8> {
        self.counted(self.forwarder.ask(errand).await.unwrap_or(failure))
    }

    fn counted(&self, reply: Vec<u8>) -> Vec<u8> {
        self.statistics.answered(&reply);
        reply
    }
}

/// Binds both transports to one port.
fn open(address: SocketAddr) -> Result<Pair, DnsError> {
    let failed = |transport| {
        move |source| DnsError::Bind {
            address,
            transport,
            source,
        }
    };
    let mut attempts = if address.port() == 0 {
        PORT_ATTEMPTS
    } else {
        1
    };
    loop {
        attempts -= 1;
        let tcp = open_tcp(address).map_err(failed("TCP"))?;
        let address = tcp.local_addr().map_err(failed("TCP"))?;
        match datagrams::open(address) {
            Ok(udp) => return Ok(Pair { address, udp, tcp }),
            // The port was picked for TCP alone and may be taken for UDP.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {}
            Err(error) => return Err(failed("UDP")(error)),
        }
    }
}

/// A listening socket; an IPv6 one takes no IPv4 clients.
fn open_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv6() {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family, SockType::Stream, flags, None)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    if address.is_ipv6() {
        setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    listen(&fd, Backlog::new(128)?)?;
    Ok(fd.into())
}
