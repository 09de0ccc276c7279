//! A daemon made of canned answers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::Session;
use super::arguments::Arguments;
use super::client::Client;
use super::endpoint::Endpoint;
use super::failure::Failure;
use super::progress::Progress;

/// One answer: method and path without the query, status, body.
pub(super) type Canned = (&'static str, u16, &'static str);

/// A server on loopback that gives each answer once, and the last one of a path for
/// ever.
pub(super) struct Fake {
    address: SocketAddr,
    /// What was asked: method, path with query, body.
    pub(super) requests: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub(super) async fn start(answers: &[Canned]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let mut answers = answers.to_vec();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                answer(stream, &mut answers, &seen).await;
            }
        });
        Self { address, requests }
    }

    /// Runs a command line against it and gives what it printed.
    pub(super) async fn run(&self, line: &str) -> (Result<(), Failure>, String) {
        use clap::Parser;
        let words = std::iter::once("sealane").chain(line.split(' '));
        let arguments = Arguments::try_parse_from(words).unwrap();
        let mut out = Vec::new();
        let mut session = Session {
            client: self.client().await,
            format: arguments.global.output,
            out: &mut out,
            progress: Progress::Silent,
        };
        let outcome = session.run(arguments.command).await;
        (outcome, String::from_utf8(out).unwrap())
    }

    /// What a command that succeeds printed.
    pub(super) async fn prints(&self, line: &str) -> String {
        let (outcome, text) = self.run(line).await;
        outcome.unwrap();
        text
    }

    pub(super) async fn client(&self) -> Client {
        let (host, port) = (self.address.ip().to_string(), self.address.port());
        Client::open(Some(Endpoint::Tcp { host, port })).await
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn answer(stream: TcpStream, answers: &mut Vec<Canned>, seen: &Mutex<Vec<String>>) {
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    let mut length = 0;
    stream.read_line(&mut first).await.unwrap();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await.unwrap();
        if header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let request = first.trim().trim_end_matches(" HTTP/1.1").to_owned();
    let key = request.split('?').next().unwrap().to_owned();
    let body = String::from_utf8(body).unwrap();
    seen.lock()
        .unwrap()
        .push(format!("{request} {body}").trim().to_owned());
    let matching: Vec<usize> = (0..answers.len())
        .filter(|index| answers[*index].0 == key)
        .collect();
    let (status, body) = match matching.as_slice() {
        [] => (500, "{\"message\": \"no canned answer\"}"),
        [index] => (answers[*index].1, answers[*index].2),
        [index, ..] => {
            let (_, status, body) = answers.remove(*index);
            (status, body)
        }
    };
    let answer = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
}
