use super::*;
use crate::Upstreams;

/// `example.com A IN`, as a question.
const QUESTION: &[u8] = b"\x07example\x03com\0\0\x01\0\x01";

fn forwarder(servers: Vec<SocketAddr>, most: usize) -> Forwarder {
    let directory = Directory::new(Upstreams::Fixed(servers), vec![], vec![]);
    Forwarder {
        patience: Duration::from_secs(2),
        next_after: Duration::from_millis(50),
        ..Forwarder::new(directory, most, Arc::default())
    }
}

fn errand() -> Errand {
    let mut packet = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    packet.extend(QUESTION);
    Errand {
        question_end: packet.len(),
        packet,
        transport: Transport::Udp,
        client: IpAddr::from([127, 0, 0, 1]),
    }
}

/// A server that answers every query with all of what `reply` makes of it.
async fn server(reply: impl Fn(Vec<u8>) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 600];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            for answer in reply(buffer[..length].to_vec()) {
                socket.send_to(&answer, peer).await.unwrap();
            }
        }
    });
    address
}

/// The query turned into its answer with this code.
fn answered(mut query: Vec<u8>, code: u8) -> Vec<u8> {
    query[2] |= 0x80;
    query[3] = code;
    query
}

#[tokio::test]
async fn silent_and_failing_servers_are_passed_over() {
    let silent = server(|_| vec![]).await;
    let failing = server(|query| vec![answered(query, 2)]).await;
    let good = server(|query| vec![answered(query, 3)]).await;
    let forwarder = forwarder(vec![silent, failing, good], 8);
    let reply = forwarder.ask(errand()).await.unwrap();
    assert_eq!(reply[..2], [0xab, 0xcd], "the client's id is restored");
    assert_eq!(reply[3] & 15, 3);
    let counts = forwarder.statistics.counts();
    assert_eq!((counts.forwarded, counts.upstream_failures), (1, 2));
    // Those that failed come last from now on.
    assert_eq!(
        forwarder.directory.order(std::time::Instant::now())[0],
        good
    );
}

#[tokio::test]
async fn a_slow_answer_still_counts() {
    let slow = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = slow.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 600];
        let (length, first) = slow.recv_from(&mut buffer).await.unwrap();
        let answer = answered(buffer[..length].to_vec(), 0);
        // By the time of the second attempt the first one is overdue.
        slow.recv_from(&mut buffer).await.unwrap();
        slow.send_to(&answer, first).await.unwrap();
    });
    let reply = forwarder(vec![address], 8).ask(errand()).await.unwrap();
    assert_eq!(reply[3] & 15, 0);
}

#[tokio::test]
async fn the_failure_itself_when_nobody_knows_better() {
    let refusing = server(|query| vec![answered(query, 5)]).await;
    let reply = forwarder(vec![refusing], 8).ask(errand()).await.unwrap();
    assert_eq!(reply[3] & 15, 5);
}

#[tokio::test]
async fn nobody_to_ask_and_closed_ports() {
    assert_eq!(forwarder(vec![], 8).ask(errand()).await, None);
    let closed = UdpSocket::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let before = Instant::now();
    assert_eq!(forwarder(vec![closed], 8).ask(errand()).await, None);
    assert!(
        before.elapsed() < Duration::from_secs(1),
        "a closed port is known at once"
    );
}

#[tokio::test]
async fn replies_that_are_not_ours_are_ignored() {
    let forged = server(|query| {
        let mut wrong_id = answered(query.clone(), 0);
        wrong_id[0] ^= 0xff;
        let mut wrong_name = answered(query.clone(), 0);
        wrong_name[14] ^= 0x01;
        let mut right = answered(query.clone(), 3);
        right[13] = right[13].to_ascii_uppercase();
        vec![vec![1], query, wrong_id, wrong_name, right]
    });
    let reply = forwarder(vec![forged.await], 8)
        .ask(errand())
        .await
        .unwrap();
    assert_eq!(reply[3] & 15, 3);
}

#[tokio::test]
async fn a_bound_on_queries_in_flight() {
    let good = server(|query| vec![answered(query, 0)]).await;
    let forwarder = forwarder(vec![good], 0);
    assert_eq!(forwarder.ask(errand()).await, None);
    assert_eq!(forwarder.statistics.counts().overloaded, 1);
}

#[tokio::test]
async fn one_client_does_not_take_all_queries_in_flight() {
    let silent = server(|_| vec![]).await;
    let forwarder = Arc::new(forwarder(vec![silent], 8));
    let from = |last: u8| Errand {
        client: IpAddr::from([10, 0, 0, last]),
        ..errand()
    };
    let mut flood = JoinSet::new();
    for _ in 0..20 {
        let (forwarder, errand) = (Arc::clone(&forwarder), from(1));
        flood.spawn(async move { forwarder.ask(errand).await });
    }
    let mut refused = 0;
    while refused < 18 {
        flood.join_next().await.unwrap().unwrap();
        refused += 1;
    }
    assert_eq!(forwarder.statistics.counts().overloaded, 18);
    assert_eq!(forwarder.statistics.counts().forwarded, 2);
    // Another one is asked for, and nobody answers.
    assert_eq!(forwarder.ask(from(2)).await, None);
    assert_eq!(forwarder.statistics.counts().forwarded, 3);
}
