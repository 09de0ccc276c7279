//! Serving streams, against clients that are slow, greedy or hostile.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Transport;
use crate::server::{Desk, Step};
use crate::shares::Shares;
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

/// Queries of one connection that are answered at the same time; whoever sends more
/// waits for answers.
///
/// An answer may have 64 KiB, and stays in memory until the client takes it: with the
/// queued one and the one in hand, about half a mebibyte a connection.
const PIPELINED: usize = 4;
/// Answers that wait for those before them to be taken.
const QUEUED: usize = 1;

/// Room for connections.
pub(crate) fn connections() -> Arc<Shares> {
    Shares::new(MOST, MOST_EACH)
}

/// Accepts connections for ever.
pub(crate) async fn serve(listener: Arc<TcpListener>, connections: Arc<Shares>, desk: Arc<Desk>) {
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
        let Some(share) = connections.take(client) else {
            count(&desk.statistics.connections_refused);
            continue;
        };
        let desk = Arc::clone(&desk);
        conversations.spawn(async move {
            let _share = share;
            if let Err(error) = converse(stream, source, &desk).await {
                tracing::debug!(%error, client = %source, "a DNS connection ended");
            }
        });
    }
}

/// Answers queries until the client goes or gets slow.
///
/// A query that waits for an upstream does not delay those behind it, so answers may
/// come in another order (RFC 7766, 7).
async fn converse(stream: TcpStream, source: IpAddr, desk: &Arc<Desk>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    let (answers, outgoing) = mpsc::channel(QUEUED);
    tokio::try_join!(
        listen(reader, source, desk, answers),
        speak(writer, outgoing)
    )?;
    Ok(())
}

/// Reads queries and has them answered.
async fn listen(
    mut stream: OwnedReadHalf,
    source: IpAddr,
    desk: &Arc<Desk>,
    answers: mpsc::Sender<Vec<u8>>,
) -> io::Result<()> {
    // Ends with this conversation, whatever upstreams still do.
    let mut asking = JoinSet::new();
    while let Some(packet) = timeout(IDLE, read_query(&mut stream)).await?? {
        match desk.take(&packet, Transport::Tcp, source) {
            // Whoever sends no queries has nothing to say to us.
            Step::Done => break,
            Step::Send(reply) => {
                if answers.send(reply).await.is_err() {
                    break;
                }
            }
            Step::Ask(errand, failure) => {
                if asking.len() >= PIPELINED {
                    asking.join_next().await;
                }
                let (desk, answers) = (Arc::clone(desk), answers.clone());
                asking.spawn(async move {
                    let reply = desk.fetch(errand, failure).await;
                    // A client that is gone wants no answer.
                    drop(answers.send(reply).await);
                });
            }
        }
        while asking.try_join_next().is_some() {}
    }
    while asking.join_next().await.is_some() {}
    Ok(())
}

/// Sends answers as they come.
async fn speak(
    mut stream: OwnedWriteHalf,
    mut outgoing: mpsc::Receiver<Vec<u8>>,
) -> io::Result<()> {
    while let Some(reply) = outgoing.recv().await {
        let length = u16::try_from(reply.len()).map_err(io::Error::other)?;
        let framed = [&length.to_be_bytes()[..], &reply].concat();
        timeout(IDLE, stream.write_all(&framed)).await??;
    }
    Ok(())
}

/// The next query, `None` if the client closed between two.
async fn read_query(stream: &mut OwnedReadHalf) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 2];
    if stream.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[1..]).await?;
    let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut packet).await?;
    Ok(Some(packet))
}
