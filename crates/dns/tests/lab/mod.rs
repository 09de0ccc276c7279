//! A server, a fake upstream and clients, all on loopback.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use dns::{Options, Server, Snapshot, Statistics, Upstreams};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::BinEncodable;
use ipnet::IpNet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// No answer in these tests takes longer, unless something hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A running server.
pub(crate) struct Lab {
    pub(crate) address: SocketAddr,
    pub(crate) names: Arc<ArcSwap<Snapshot>>,
    pub(crate) clients: Arc<ArcSwap<Vec<IpNet>>>,
    pub(crate) statistics: Arc<Statistics>,
    stop: Option<oneshot::Sender<()>>,
    done: tokio::task::JoinHandle<()>,
}

impl Lab {
    pub(crate) fn start(listen: &str, upstreams: Upstreams) -> Self {
        let names = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
        let nets = ["127.0.0.0/8", "::1/128"]
            .map(|net| net.parse().unwrap())
            .to_vec();
        let clients = Arc::new(ArcSwap::from_pointee(nets));
        let options = Options {
            listen: vec![listen.parse().unwrap()],
            upstreams,
            own: vec![],
            max_in_flight: 64,
        };
        let server = Server::bind(options, Arc::clone(&names), Arc::clone(&clients)).unwrap();
        let address = server.addresses()[0];
        let statistics = server.statistics();
        let (stop, stopped) = oneshot::channel();
        let done = tokio::spawn(async move {
            let stopped = async move {
                let _ = stopped.await;
            };
            server.run(stopped).await.unwrap();
        });
        Self {
            address,
            names,
            clients,
            statistics,
            stop: Some(stop),
            done,
        }
    }

    pub(crate) fn publish(&self, names: &[(&str, &[&str])], serial: u32) {
        let parse = |list: &[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect();
        let names: BTreeMap<String, BTreeSet<IpAddr>> = names
            .iter()
            .map(|(name, list)| ((*name).to_owned(), parse(list)))
            .collect();
        self.names.store(Arc::new(Snapshot::new(names, serial)));
    }

    pub(crate) async fn udp(&self, name: &str, kind: RecordType) -> Message {
        udp_to(self.address, name, kind).await
    }

    pub(crate) async fn tcp(&self, name: &str, kind: RecordType) -> Message {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        tcp_on(&mut stream, name, kind).await
    }

    pub(crate) async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        timeout(DEADLINE, self.done).await.unwrap().unwrap();
    }
}

pub(crate) fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(rand::random(), MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(
        Name::from_ascii(format!("{name}.")).unwrap(),
        kind,
    ));
    message
}

pub(crate) async fn udp_to(server: SocketAddr, name: &str, kind: RecordType) -> Message {
    let any = if server.is_ipv6() {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    };
    let socket = UdpSocket::bind(any).await.unwrap();
    // Connected, so that an answer from another address would not arrive.
    socket.connect(server).await.unwrap();
    let question = query(name, kind);
    socket.send(&question.to_bytes().unwrap()).await.unwrap();
    let mut buffer = vec![0; 65_535];
    let length = timeout(DEADLINE, socket.recv(&mut buffer))
        .await
        .expect("no answer")
        .unwrap();
    checked(&question, &buffer[..length])
}

pub(crate) async fn tcp_on(stream: &mut TcpStream, name: &str, kind: RecordType) -> Message {
    let question = query(name, kind);
    send_framed(stream, &question.to_bytes().unwrap()).await;
    let reply = timeout(DEADLINE, read_framed(stream))
        .await
        .expect("no answer");
    checked(&question, &reply)
}

pub(crate) async fn send_framed(stream: &mut TcpStream, message: &[u8]) {
    let length = u16::try_from(message.len()).unwrap();
    stream
        .write_all(&[&length.to_be_bytes()[..], message].concat())
        .await
        .unwrap();
}

pub(crate) async fn read_framed(stream: &mut TcpStream) -> Vec<u8> {
    let mut reply = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut reply).await.unwrap();
    reply
}

fn checked(question: &Message, reply: &[u8]) -> Message {
    let reply = Message::from_vec(reply).unwrap();
    assert_eq!(reply.metadata.id, question.metadata.id);
    assert_eq!(reply.metadata.message_type, MessageType::Response);
    assert_eq!(reply.queries, question.queries);
    reply
}

pub(crate) fn addresses(reply: &Message) -> BTreeSet<String> {
    reply
        .answers
        .iter()
        .map(|record| record.data.to_string())
        .collect()
}

pub(crate) fn code(reply: &Message) -> ResponseCode {
    reply.metadata.response_code
}

/// A resolver that answers every A question with 192.0.2.1 over UDP and with
/// 192.0.2.2 over TCP, so that a test sees which transport was used.
pub(crate) async fn upstream() -> SocketAddr {
    let (socket, listener) = loop {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(socket) = UdpSocket::bind(listener.local_addr().unwrap()).await {
            break (socket, listener);
        }
    };
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = vec![0; 4096];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let reply = resolved(&buffer[..length], [192, 0, 2, 1]);
            socket.send_to(&reply, peer).await.unwrap();
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let packet = read_framed(&mut stream).await;
            send_framed(&mut stream, &resolved(&packet, [192, 0, 2, 2])).await;
        }
    });
    address
}

fn resolved(packet: &[u8], address: [u8; 4]) -> Vec<u8> {
    let mut message = Message::from_vec(packet).unwrap();
    message.metadata.message_type = MessageType::Response;
    let name = message.queries[0].name().clone();
    message.add_answer(Record::from_rdata(name, 60, RData::A(A(address.into()))));
    message.to_bytes().unwrap()
}
