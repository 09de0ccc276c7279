//! Serving streams, against clients that are slow, greedy or hostile.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Transport;
use crate::server::{Desk, Step};
use crate::statistics::count;

/// Open connections of all clients together.
const MOST: usize = 256;
/// Open connections of one client.
const MOST_EACH: usize = 32;
/// How long a client may take from one answer to the end of its next query, and to
/// take an answer: a byte now and then does not keep a connection.
const IDLE: Duration = Duration::from_secs(10);
/// Rest after a failed accept, which lasts while file descriptors are short.
const REST: Duration = Duration::from_millis(10);

/// How many connections are open, for each client.
///
/// Sources that may not ask share one entry: strangers together get no more than
/// one client does, so they cannot lock clients out.
#[derive(Debug, Default)]
pub(crate) struct Connections(Mutex<HashMap<Option<IpAddr>, usize>>);

/// One admitted connection; dropping it makes room.
#[derive(Debug)]
struct Admission {
    connections: Arc<Connections>,
    client: Option<IpAddr>,
}

impl Connections {
    fn admit(self: &Arc<Self>, client: Option<IpAddr>) -> Option<Admission> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = open.get(&client).copied().unwrap_or(0);
        if mine >= MOST_EACH || open.values().sum::<usize>() >= MOST {
            return None;
        }
        open.insert(client, mine + 1);
        Some(Admission {
            connections: Arc::clone(self),
            client,
        })
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut open = self
            .connections
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = open.get_mut(&self.client) {
            *mine -= 1;
            if *mine == 0 {
                open.remove(&self.client);
            }
        }
    }
}

/// Accepts connections for ever.
pub(crate) async fn serve(
    listener: Arc<TcpListener>,
    connections: Arc<Connections>,
    desk: Arc<Desk>,
) {
    // Conversations end with their listener.
    let mut conversations = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_ended) = conversations.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "accepting a DNS connection failed");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let source = peer.ip().to_canonical();
        let client = desk.serves(source).then_some(source);
        let Some(admission) = connections.admit(client) else {
            count(&desk.statistics.connections_refused);
            continue;
        };
        let desk = Arc::clone(&desk);
        conversations.spawn(async move {
            let _admission = admission;
            if let Err(error) = converse(stream, source, &desk).await {
                tracing::debug!(%error, client = %source, "a DNS connection ended");
            }
        });
    }
}

/// Answers one query after the other until the client goes or gets slow.
async fn converse(mut stream: TcpStream, source: IpAddr, desk: &Desk) -> io::Result<()> {
    stream.set_nodelay(true)?;
    while let Some(packet) = timeout(IDLE, read_query(&mut stream)).await?? {
        let reply = match desk.take(&packet, Transport::Tcp, source) {
            // What is no query ends the conversation.
            Step::Done => return Ok(()),
            Step::Send(reply) => reply,
            Step::Ask(errand, failure) => desk.fetch(errand, failure).await,
        };
        let length = u16::try_from(reply.len()).map_err(io::Error::other)?;
        let framed = [&length.to_be_bytes()[..], &reply].concat();
        timeout(IDLE, stream.write_all(&framed)).await??;
    }
    Ok(())
}

/// The next query, `None` if the client closed between two.
async fn read_query(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 2];
    if stream.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[1..]).await?;
    let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut packet).await?;
    Ok(Some(packet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_does_not_take_all() {
        let connections = Arc::new(Connections::default());
        let greedy = Some("10.0.0.1".parse().unwrap());
        let held: Vec<_> = (0..MOST_EACH)
            .map(|_| connections.admit(greedy).unwrap())
            .collect();
        assert!(connections.admit(greedy).is_none());
        assert!(
            connections
                .admit(Some("10.0.0.2".parse().unwrap()))
                .is_some()
        );
        drop(held);
        assert!(connections.admit(greedy).is_some());
        assert!(connections.0.lock().unwrap().is_empty());
    }
}
