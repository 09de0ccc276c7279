//! The server over real sockets.

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod lab;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dns::Upstreams;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType::{A, AAAA};
use hickory_proto::serialize::binary::BinEncodable;
use lab::{Lab, addresses, code, read_framed, send_framed, tcp_on, udp_to, upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

const WEB: &str = "web.marathon.l4lb.thisdcos.directory";
const NOBODY: Upstreams = Upstreams::Fixed(Vec::new());

#[tokio::test]
async fn own_names_over_both_transports() {
    let lab = Lab::start("127.0.0.1:0", NOBODY);
    assert_eq!(code(&lab.udp(WEB, A).await), ResponseCode::NXDomain);
    lab.publish(&[(WEB, &["11.0.0.1", "fd01:c::1"])], 1);
    for reply in [lab.udp(WEB, A).await, lab.tcp(WEB, A).await] {
        assert_eq!(addresses(&reply), ["11.0.0.1".to_owned()].into());
    }
    assert_eq!(
        addresses(&lab.udp(WEB, AAAA).await),
        ["fd01:c::1".to_owned()].into()
    );
    let counts = lab.statistics.counts();
    assert_eq!((counts.udp_queries, counts.tcp_queries), (3, 1));
    assert_eq!((counts.answers[0], counts.answers[3]), (3, 1));
    lab.stop().await;
}

#[tokio::test]
async fn several_queries_on_one_connection() {
    let lab = Lab::start("127.0.0.1:0", NOBODY);
    lab.publish(&[(WEB, &["11.0.0.1"])], 1);
    let mut stream = TcpStream::connect(lab.address).await.unwrap();
    for _ in 0..3 {
        assert_eq!(tcp_on(&mut stream, WEB, A).await.answers.len(), 1);
    }
}

/// A query that waits for an upstream does not delay the ones behind it.
#[tokio::test]
async fn many_queries_at_once_on_one_connection() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let silent_tcp = tokio::net::TcpListener::bind(silent.local_addr().unwrap())
        .await
        .unwrap();
    let upstream = Upstreams::Fixed(vec![silent_tcp.local_addr().unwrap()]);
    let lab = Lab::start("127.0.0.1:0", upstream);
    lab.publish(&[(WEB, &["11.0.0.1"])], 1);
    let mut stream = TcpStream::connect(lab.address).await.unwrap();
    let foreign = lab::query("example.com", A);
    let own: Vec<_> = (0..40).map(|_| lab::query(WEB, A)).collect();
    for question in [&foreign].into_iter().chain(&own) {
        send_framed(&mut stream, &question.to_bytes().unwrap()).await;
    }
    let mut answered = Vec::new();
    for _ in 0..41 {
        let reply = timeout(lab::DEADLINE, read_framed(&mut stream)).await;
        let reply = hickory_proto::op::Message::from_vec(&reply.unwrap()).unwrap();
        answered.push((reply.metadata.id, code(&reply)));
    }
    let expected: Vec<_> = own
        .iter()
        .map(|question| (question.metadata.id, ResponseCode::NoError))
        .chain([(foreign.metadata.id, ResponseCode::ServFail)])
        .collect();
    assert_eq!(answered, expected);
}

#[tokio::test]
async fn foreign_names_over_the_clients_transport() {
    let lab = Lab::start("127.0.0.1:0", Upstreams::Fixed(vec![upstream().await]));
    let udp = lab.udp("example.com", A).await;
    assert_eq!(addresses(&udp), ["192.0.2.1".to_owned()].into());
    let tcp = lab.tcp("example.com", A).await;
    assert_eq!(addresses(&tcp), ["192.0.2.2".to_owned()].into());
    // Below our own apex nothing leaves the host.
    assert_eq!(
        code(&lab.udp("x.thisdcos.directory", A).await),
        ResponseCode::NXDomain
    );
    assert_eq!(lab.statistics.counts().forwarded, 2);
}

#[tokio::test]
async fn good_upstreams_beside_a_dead_one() {
    let dead = UdpSocket::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let lab = Lab::start(
        "127.0.0.1:0",
        Upstreams::Fixed(vec![dead, upstream().await]),
    );
    for _ in 0..8 {
        assert_eq!(
            code(&lab.udp("example.com", A).await),
            ResponseCode::NoError
        );
        assert_eq!(lab.tcp("example.com", A).await.answers.len(), 1);
    }
}

#[tokio::test]
async fn no_upstream_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Upstreams::ResolvConf(folder.path().join("resolv.conf"));
    for upstreams in [NOBODY, missing] {
        let lab = Lab::start("127.0.0.1:0", upstreams);
        let before = Instant::now();
        assert_eq!(
            code(&lab.udp("example.com", A).await),
            ResponseCode::ServFail
        );
        assert_eq!(
            code(&lab.tcp("example.com", A).await),
            ResponseCode::ServFail
        );
        assert!(before.elapsed() < Duration::from_secs(1));
        assert_eq!(code(&lab.udp("localhost", A).await), ResponseCode::NoError);
    }
}

#[tokio::test]
async fn strangers_are_refused_until_they_are_known() {
    let lab = Lab::start("127.0.0.1:0", NOBODY);
    lab.publish(&[(WEB, &["11.0.0.1"])], 1);
    let known = lab
        .clients
        .swap(Arc::new(vec!["10.0.0.0/8".parse().unwrap()]));
    assert_eq!(code(&lab.udp(WEB, A).await), ResponseCode::Refused);
    assert_eq!(code(&lab.tcp(WEB, A).await), ResponseCode::Refused);
    lab.clients.store(known);
    assert_eq!(code(&lab.udp(WEB, A).await), ResponseCode::NoError);
}

#[tokio::test]
async fn answers_come_from_the_address_that_was_asked() {
    let lab = Lab::start("0.0.0.0:0", NOBODY);
    for ip in ["127.0.0.1", "127.1.2.3"] {
        let reply = udp_to(
            (ip.parse::<std::net::IpAddr>().unwrap(), lab.address.port()).into(),
            "localhost",
            A,
        )
        .await;
        assert_eq!(reply.answers.len(), 1);
    }
    let lab = Lab::start("[::]:0", NOBODY);
    let reply = udp_to(
        format!("[::1]:{}", lab.address.port()).parse().unwrap(),
        "localhost",
        AAAA,
    )
    .await;
    assert_eq!(reply.answers.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_snapshot_costs_no_query() {
    let lab = Arc::new(Lab::start("127.0.0.1:0", NOBODY));
    lab.publish(&[(WEB, &["11.0.0.1"])], 0);
    let done = Arc::new(AtomicBool::new(false));
    let publisher = {
        let (lab, done) = (Arc::clone(&lab), Arc::clone(&done));
        tokio::task::spawn_blocking(move || {
            let mut serial = 0;
            while !done.load(Ordering::Relaxed) {
                serial += 1;
                let other = format!("other{serial}.marathon.l4lb.thisdcos.directory");
                lab.publish(&[(WEB, &["11.0.0.1"]), (&other, &["11.0.0.2"])], serial);
            }
            serial
        })
    };
    for _ in 0..500 {
        assert_eq!(addresses(&lab.udp(WEB, A).await).len(), 1);
    }
    done.store(true, Ordering::Relaxed);
    assert!(publisher.await.unwrap() > 10);
}

#[tokio::test]
async fn slow_and_malformed_clients_block_nobody() {
    let lab = Lab::start("127.0.0.1:0", NOBODY);
    lab.publish(&[(WEB, &["11.0.0.1"])], 1);
    // As many as one client may have, each in the middle of a message.
    let mut slow = Vec::new();
    for _ in 0..32 {
        let mut stream = TcpStream::connect(lab.address).await.unwrap();
        stream.write_all(&[0, 200, 1]).await.unwrap();
        slow.push(stream);
    }
    let mut extra = TcpStream::connect(lab.address).await.unwrap();
    assert_eq!(
        timeout(lab::DEADLINE, extra.read(&mut [0; 1]))
            .await
            .unwrap()
            .unwrap_or(0),
        0
    );
    assert_eq!(lab.udp(WEB, A).await.answers.len(), 1);
    // A response where a query should be ends the connection, which makes room.
    let mut last = slow.pop().unwrap();
    let mut rest = vec![0x80; 199];
    rest.push(0);
    last.write_all(&rest).await.unwrap();
    assert_eq!(
        timeout(lab::DEADLINE, last.read(&mut [0; 1]))
            .await
            .unwrap()
            .unwrap_or(0),
        0
    );
    let mut stream = TcpStream::connect(lab.address).await.unwrap();
    send_framed(&mut stream, &[7; 12]).await;
    let reply = read_framed(&mut stream).await;
    assert_eq!(reply[..2], [7, 7]);
    assert_eq!(lab.statistics.counts().connections_refused, 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_dawdles_is_cut_off() {
    let lab = Lab::start("127.0.0.1:0", NOBODY);
    let mut stream = TcpStream::connect(lab.address).await.unwrap();
    let begin = tokio::time::Instant::now();
    // A byte now and then does not count as progress.
    let mut sent = 0;
    while stream.write_all(&[1]).await.is_ok() && sent < 60 {
        sent += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut byte = [0];
        if matches!(stream.try_read(&mut byte), Ok(0)) {
            break;
        }
    }
    assert!(
        begin.elapsed() >= Duration::from_secs(9),
        "{:?}",
        begin.elapsed()
    );
    assert!(
        begin.elapsed() < Duration::from_secs(30),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn both_transports_share_the_port() {
    let lab = Lab::start("127.0.0.1:0", NOBODY);
    assert_ne!(lab.address.port(), 0);
    let taken = dns::Server::bind(
        dns::Options {
            listen: vec![lab.address],
            upstreams: NOBODY,
            own: vec![],
            max_in_flight: 1,
        },
        Arc::clone(&lab.names),
        Arc::clone(&lab.clients),
    );
    let message = taken.unwrap_err().to_string();
    assert!(message.contains(&lab.address.to_string()), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_dig_sees_it() {
    let lab = Lab::start("127.0.0.1:0", Upstreams::Fixed(vec![upstream().await]));
    let many: Vec<String> = (0..128).map(|last| format!("11.0.1.{last}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    lab.publish(
        &[
            (WEB, &["11.0.0.1"]),
            ("many.marathon.l4lb.thisdcos.directory", &many),
        ],
        7,
    );
    let port = lab.address.port().to_string();
    let dig = async |arguments: &[&str]| {
        let mut command = Command::new("dig");
        command
            .args(["@127.0.0.1", "-p", &port, "+tries=1", "+time=10"])
            .args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && !text.contains("WARNING"),
            "{text}"
        );
        text
    };
    let text = dig(&["WeB.Marathon.dclb.thisdcos.global", "A"]).await;
    assert!(
        text.contains("status: NOERROR") && text.contains("flags: qr aa rd ra"),
        "{text}"
    );
    assert!(
        text.contains("WeB.Marathon.dclb.thisdcos.global. 5 IN"),
        "{text}"
    );
    let text = dig(&["no.marathon.l4lb.thisdcos.directory", "AAAA"]).await;
    assert!(
        text.contains("status: NXDOMAIN") && text.contains("SOA\tns."),
        "{text}"
    );
    // 128 records do not fit into 512 bytes: dig asks again over TCP by itself.
    let text = dig(&["many.marathon.l4lb.thisdcos.directory", "+short", "+noedns"]).await;
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("11.0.1."))
            .count(),
        128
    );
    let text = dig(&["example.com", "+short"]).await;
    assert_eq!(text.trim(), "192.0.2.1");
    let text = dig(&["l4lb.thisdcos.directory", "SOA", "+short"]).await;
    assert!(
        text.starts_with("ns.l4lb.thisdcos.directory. hostmaster.l4lb.thisdcos.directory. 7 "),
        "{text}"
    );
}
