//! Asking upstreams, byte for byte.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::Transport;
use crate::reply::HEADER;
use crate::shares::Shares;
use crate::statistics::{Statistics, count};
use crate::upstreams::Directory;

/// How long one query may take: a client's own patience is 5 s by default
/// (resolv.conf(5)), and an answer after that reaches nobody.
const PATIENCE: Duration = Duration::from_secs(4);
/// When the next upstream is asked as well; earlier ones may still answer.
const NEXT_AFTER: Duration = Duration::from_secs(1);
/// What part of all queries in flight one client may have: a container that floods
/// names which nobody answers must not take the others' resolver away.
const PART_EACH: usize = 4;

/// Forwards queries to the host's resolvers.
#[derive(Debug)]
pub(crate) struct Forwarder {
    directory: Directory,
    slots: Arc<Shares>,
    statistics: Arc<Statistics>,
    patience: Duration,
    next_after: Duration,
}

/// One query on its way.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) packet: Vec<u8>,
    /// Where the question ends.
    pub(crate) question_end: usize,
    pub(crate) transport: Transport,
    /// Who asks.
    pub(crate) client: IpAddr,
}

impl Forwarder {
    pub(crate) fn new(directory: Directory, most: usize, statistics: Arc<Statistics>) -> Self {
        Self {
            directory,
            slots: Shares::new(most, most.div_ceil(PART_EACH)),
            statistics,
            patience: PATIENCE,
            next_after: NEXT_AFTER,
        }
    }

    /// The upstreams' answer, with the client's id; `None` when there is none.
    ///
    /// Beyond the bounds on queries in flight, of all and of one client, the answer is `None` at once: an
    /// honest failure now is worth more than a time-out later.
    pub(crate) async fn ask(&self, errand: Errand) -> Option<Vec<u8>> {
        let Some(_slot) = self.slots.take(Some(errand.client)) else {
            count(&self.statistics.overloaded);
            return None;
        };
        let mut servers = self.directory.order(std::time::Instant::now());
        if let [only] = servers[..] {
            // A lost datagram deserves a second one.
            servers.push(only);
        }
        if servers.is_empty() {
            return None;
        }
        count(&self.statistics.forwarded);
        let id = errand.packet.get(..2).map(<[u8]>::to_vec);
        let mut reply = self.ask_in_turn(&servers, Arc::new(errand)).await?;
        reply.get_mut(..2)?.copy_from_slice(&id?);
        Some(reply)
    }

    /// Asks the next server whenever the last one failed or takes its time.
    async fn ask_in_turn(&self, servers: &[SocketAddr], errand: Arc<Errand>) -> Option<Vec<u8>> {
        let deadline = Instant::now() + self.patience;
        let mut waiting = servers.iter().copied();
        let mut asked: JoinSet<(SocketAddr, io::Result<Vec<u8>>)> = JoinSet::new();
        let mut slow: Option<SocketAddr> = None;
        let mut fallback = None;
        loop {
            let next_at = Instant::now() + self.next_after;
            match waiting.next() {
                Some(server) => {
                    let errand = Arc::clone(&errand);
                    asked.spawn(async move { (server, exchange(&errand, server).await) });
                    slow = Some(server);
                }
                None if asked.is_empty() => return fallback,
                None => {}
            }
            let until = if waiting.len() == 0 {
                deadline
            } else {
                next_at.min(deadline)
            };
            tokio::select! {
                Some(Ok((server, result))) = asked.join_next() => match result {
                    Ok(reply) if is_conclusive(&reply) => {
                        self.directory.answered(server);
                        return Some(reply);
                    }
                    other => {
                        self.failed(server);
                        slow = slow.filter(|slow| *slow != server);
                        fallback = fallback.or(other.ok());
                    }
                },
                () = sleep_until(until) => {
                    if let Some(server) = slow.take() {
                        self.failed(server);
                    }
                    if until == deadline {
                        return fallback;
                    }
                }
            }
        }
    }

    fn failed(&self, server: SocketAddr) {
        count(&self.statistics.upstream_failures);
        self.directory.failed(server, std::time::Instant::now());
    }
}

/// Whether a reply settles the question; the other codes say that this server
/// would not or could not, and another one might.
fn is_conclusive(reply: &[u8]) -> bool {
    let code = ResponseCode::from_low(reply.get(3).copied().unwrap_or(0) & 0x0f);
    !matches!(
        code,
        ResponseCode::ServFail | ResponseCode::Refused | ResponseCode::NotImp
    )
}

/// Asks one server over the client's transport, under an id that nobody can guess.
async fn exchange(errand: &Errand, server: SocketAddr) -> io::Result<Vec<u8>> {
    let id = rand::random::<[u8; 2]>();
    let mut packet = errand.packet.clone();
    let place = packet.get_mut(..2).ok_or(io::ErrorKind::InvalidInput)?;
    place.copy_from_slice(&id);
    let question = packet.get(HEADER..errand.question_end).unwrap_or_default();
    match errand.transport {
        Transport::Udp => over_udp(&packet, question, server).await,
        Transport::Tcp => over_tcp(&packet, question, server).await,
    }
}

async fn over_udp(packet: &[u8], question: &[u8], server: SocketAddr) -> io::Result<Vec<u8>> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    // A socket of its own for each query: the port is as hard to guess as the id,
    // and a connected socket hears of a closed port at once.
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(packet).await?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let reply = &buffer[..length];
        if answers(reply, &packet[..2], question) {
            return Ok(reply.to_vec());
        }
    }
}

async fn over_tcp(packet: &[u8], question: &[u8], server: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(packet.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let framed = [&length.to_be_bytes()[..], packet].concat();
    stream.write_all(&framed).await?;
    let mut reply = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut reply).await?;
    if answers(&reply, &packet[..2], question) {
        return Ok(reply);
    }
    Err(io::Error::other("the reply belongs to another question"))
}

/// Whether `reply` is one to this question under this id.
fn answers(reply: &[u8], id: &[u8], question: &[u8]) -> bool {
    if reply.len() < HEADER || !reply.starts_with(id) || reply[2] & 0x80 == 0 {
        return false;
    }
    // A server that could not even read the question does not repeat it.
    let failed_without_question = reply[4..6] == [0, 0] && reply[3] & 0x0f != 0;
    let repeated = reply.get(HEADER..HEADER + question.len());
    failed_without_question
        || repeated.is_some_and(|repeated| repeated.eq_ignore_ascii_case(question))
}

#[cfg(test)]
mod tests;
