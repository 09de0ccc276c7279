//! Probes against servers on loopback.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use mesos::ContainerType;
use model::{AppId, Command, Goal, NodeId, Protocol, Resources, TaskId, TaskState, Timestamp};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::absent::Absent;

/// A task on the host's network that was given `port`.
fn subject(port: u16) -> Subject {
    let app = AppId::resolve("/web").unwrap();
    let id = TaskId::for_instance(&app, "1");
    let task = Task {
        id: id.clone(),
        app,
        framework: "marathon".into(),
        version: Timestamp::default(),
        node: NodeId("n1".into()),
        goal: Goal::Run,
        command: Command::default(),
        env: BTreeMap::new(),
        labels: BTreeMap::new(),
        resources: Resources::default(),
        container: mesos::ContainerInfo::native(),
        ports: vec![TaskPort {
            index: 0,
            name: None,
            protocol: Protocol::Tcp,
            container_port: None,
            host_port: Some(port),
            service_port: 10_000,
            network_names: Vec::new(),
            labels: BTreeMap::new(),
        }],
        health_checks: Vec::new(),
        kill_grace_ms: 0,
        created: Timestamp::default(),
    };
    let status = TaskStatus {
        task: id,
        node: NodeId("n1".into()),
        state: TaskState::Running,
        message: None,
        network_infos: Vec::new(),
        healthy: None,
        health: Vec::new(),
        container: None,
        staged: Timestamp::default(),
        started: None,
        ended: None,
        exit_code: None,
    };
    Subject {
        task: Arc::new(task),
        status,
        engine: Arc::new(Absent(ContainerType::Mesos)),
        pid: None,
        node: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    }
}

fn check(probe: HealthProbe) -> HealthCheck {
    HealthCheck {
        probe,
        target: HealthTarget::PortIndex(0),
        inside: false,
        ipv6: false,
        grace_ms: 0,
        interval_ms: 1_000,
        timeout_ms: 5_000,
        delay_ms: 0,
        max_failures: 3,
    }
}

fn http(path: &str, tls: bool) -> HealthCheck {
    check(HealthProbe::Http {
        path: path.into(),
        tls,
        ignore_1xx: false,
    })
}

/// Answers one request with `answer`, and yields what was asked.
async fn answer_once(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) -> String {
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await.unwrap();
        asked.push(byte);
    }
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    String::from_utf8(asked).unwrap()
}

/// Asks a server that answers with `answer`; also yields what it was asked.
async fn ask_for(answer: &str) -> (Result<(), String>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let subject = subject(port(&listener));
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        answer_once(stream, answer).await
    };
    let check = http("/health?deep=1", false);
    tokio::join!(ask(&subject, &check), server)
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn healthy_are_200_to_399() {
    for (status, healthy) in [
        ("200 OK", true),
        ("204 No Content", true),
        ("302 Found", true),
        ("399 Odd", true),
        ("400 Bad Request", false),
        ("404 Not Found", false),
        ("500 Internal Server Error", false),
        ("503 Service Unavailable", false),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        let (verdict, asked) = ask_for(&answer).await;
        assert_eq!(verdict.is_ok(), healthy, "{status}: {verdict:?}");
        assert!(asked.starts_with("GET /health?deep=1 HTTP/1.1\r\n"));
        assert!(asked.to_lowercase().contains("host: 127.0.0.1:"));
        if let Err(cause) = verdict {
            let number = &status[..3];
            assert!(cause.ends_with(&format!("answered {number}")), "{cause}");
        }
    }
}

#[tokio::test]
async fn an_informational_answer_is_not_the_last_word() {
    let (verdict, _) =
        ask_for("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await;
    assert_eq!(verdict, Ok(()));
}

#[tokio::test]
async fn what_is_no_answer_is_a_failure_with_its_cause() {
    for answer in ["", "HTTP/1.1 20", "SSH-2.0-OpenSSH_9.2\r\n\r\n"] {
        let (verdict, _) = ask_for(answer).await;
        let cause = verdict.unwrap_err();
        assert!(cause.contains("GET /health?deep=1 at 127.0.0.1"), "{cause}");
    }
}

#[tokio::test]
async fn a_long_answer_is_not_read_to_its_end() {
    let (verdict, _) = ask_for("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nabc").await;
    assert_eq!(verdict, Ok(()));
}

#[tokio::test]
async fn a_slow_server_is_a_failure_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let subject = subject(port(&listener));
    for tls in [false, true] {
        let check = HealthCheck {
            timeout_ms: 50,
            ..http("/", tls)
        };
        // Nobody accepts; the kernel completes the connection all the same.
        let cause = ask(&subject, &check).await.unwrap_err();
        assert!(cause.ends_with("within 50 ms"), "{cause}");
    }
}

#[tokio::test]
async fn a_connect_is_all_that_tcp_asks_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let subject = subject(port(&listener));
    let check = check(HealthProbe::Tcp);
    assert_eq!(ask(&subject, &check).await, Ok(()));
    drop(listener);
    let cause = ask(&subject, &check).await.unwrap_err();
    assert!(cause.starts_with("no connection to 127.0.0.1:"), "{cause}");
}

#[tokio::test]
async fn a_certificate_that_nobody_signed_is_fine() {
    // Self-signed, and for another name.
    let certificate = CertificateDer::from(&include_bytes!("tests/certificate.der")[..]);
    let key = PrivatePkcs8KeyDer::from(&include_bytes!("tests/key.der")[..]);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key))
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let subject = subject(port(&listener));
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = acceptor.accept(stream).await.unwrap();
        answer_once(stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await
    };
    let check = http("/", true);
    let (verdict, asked) = tokio::join!(ask(&subject, &check), server);
    assert_eq!(verdict, Ok(()));
    assert!(asked.starts_with("GET / HTTP/1.1"));
}

#[tokio::test]
async fn a_server_without_tls_fails_a_question_over_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let subject = subject(port(&listener));
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad\r\n\r\n").await.unwrap();
    };
    let check = http("/", true);
    let (verdict, ()) = tokio::join!(ask(&subject, &check), server);
    let cause = verdict.unwrap_err();
    assert!(cause.starts_with("TLS with 127.0.0.1:"), "{cause}");
}

#[tokio::test]
async fn a_check_from_inside_never_asks_the_node_instead() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut subject = subject(port(&listener));
    let check = HealthCheck {
        inside: true,
        target: HealthTarget::Port(port(&listener)),
        ..check(HealthProbe::Tcp)
    };
    assert_eq!(ask(&subject, &check).await, Ok(()), "the host is inside");
    let mut task = Task::clone(&subject.task);
    task.container.network_infos = vec![mesos::NetworkInfo::named("net")];
    subject.task = Arc::new(task);
    let cause = ask(&subject, &check).await.unwrap_err();
    assert!(cause.contains("the task's process is not known"), "{cause}");
}

#[tokio::test]
async fn what_cannot_be_asked_is_said() {
    let mut subject = subject(1);
    let nowhere = HealthCheck {
        target: HealthTarget::PortIndex(4),
        ..check(HealthProbe::Tcp)
    };
    let cause = ask(&subject, &nowhere).await.unwrap_err();
    assert_eq!(cause, "the task has no port with index 4");
    subject.node = None;
    let cause = ask(&subject, &check(HealthProbe::Tcp)).await.unwrap_err();
    assert_eq!(cause, "the task has no address yet");
    let shell = "true".into();
    let cause = ask(&subject, &check(HealthProbe::Command { shell }))
        .await
        .unwrap_err();
    assert!(cause.contains("containerd does not answer"), "{cause}");
}

#[test]
fn addresses_follow_the_port_that_a_check_names() {
    let mut subject = subject(31_000);
    let of = |subject: &Subject, target| {
        let check = HealthCheck {
            target,
            ..check(HealthProbe::Tcp)
        };
        address(subject, &check)
    };
    let here = |port| SocketAddr::from(([127, 0, 0, 1], port));
    assert_eq!(of(&subject, HealthTarget::PortIndex(0)), Ok(here(31_000)));
    assert_eq!(of(&subject, HealthTarget::Port(99)), Ok(here(99)));
    // On a network of its own, a port without a host port is asked at its address.
    let mut task = Task::clone(&subject.task);
    task.container.network_infos = vec![mesos::NetworkInfo::named("net")];
    task.ports[0].host_port = None;
    task.ports[0].container_port = Some(80);
    subject.task = Arc::new(task);
    let assigned = ["172.30.0.2".parse().unwrap()];
    subject.status.network_infos = vec![mesos::NetworkInfo::named("net").assigned(&assigned)];
    let there = |port| SocketAddr::from(([172, 30, 0, 2], port));
    assert_eq!(of(&subject, HealthTarget::PortIndex(0)), Ok(there(80)));
    assert_eq!(of(&subject, HealthTarget::Port(99)), Ok(there(99)));
}
