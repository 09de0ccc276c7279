//! Serving datagrams.

use std::sync::Arc;
use std::time::Duration;

use crate::Transport;
use crate::datagrams::Datagrams;
use crate::server::{Desk, Step};

/// Queries are far shorter; a longer one is cut and thereby malformed.
const LONGEST_QUERY: usize = 4096;
/// Rest after a failed receive, so that a lasting failure does not burn a core.
const REST: Duration = Duration::from_millis(10);

/// Answers datagrams for ever.
///
/// Own names are answered on the spot; a task for each would cost more than the
/// answer. A query that is forwarded gets a task, so it delays nobody.
pub(crate) async fn serve(socket: Arc<Datagrams>, desk: Arc<Desk>) {
    let mut buffer = vec![0; LONGEST_QUERY];
    loop {
        let (length, peer) = match socket.receive(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                tracing::debug!(%error, "receiving a DNS query failed");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        match desk.take(&buffer[..length], Transport::Udp, peer.address.ip()) {
            Step::Done => {}
            Step::Send(reply) => note(socket.send(&reply, peer).await),
            Step::Ask(errand, failure) => {
                let (socket, desk) = (Arc::clone(&socket), Arc::clone(&desk));
                tokio::spawn(async move {
                    let reply = desk.fetch(errand, failure).await;
                    note(socket.send(&reply, peer).await);
                });
            }
        }
    }
}

/// A client that went away is not an error of ours.
fn note(sent: std::io::Result<()>) {
    if let Err(error) = sent {
        tracing::debug!(%error, "a DNS answer could not be sent");
    }
}
