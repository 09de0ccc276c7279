//! Redirections, between servers that say what they were asked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};

use super::*;

/// Answers every request with `answer` and passes it on.
pub(crate) fn server(answer: String) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, requests) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let _ = asked.send(String::from_utf8_lossy(&request[..length]).to_lowercase());
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, requests)
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirection_to_others() {
    let (storage, seen_there) = server("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nblob".into());
    let location = format!("http://{storage}/blob?key=1");
    let moved = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    );
    let (registry, seen_here) = server(moved);
    let url: Url = format!("http://{registry}/v2/a").parse().unwrap();
    let headers = [
        (AUTHORIZATION, "Bearer secret".to_owned()),
        (hyper::header::RANGE, "bytes=1-".to_owned()),
    ];
    let mut answer = Fetcher::default().get(&url, &headers).await.unwrap();
    assert_eq!(answer.bytes(10).await.unwrap(), b"blob");
    assert!(
        seen_here
            .recv()
            .unwrap()
            .contains("authorization: bearer secret")
    );
    let there = seen_there.recv().unwrap();
    assert!(
        there.starts_with("get /blob?key=1 ") && there.contains("range: bytes=1-"),
        "{there}"
    );
    assert!(!there.contains("secret"), "{there}");
}

#[tokio::test]
async fn what_is_too_long_is_not_read_on() {
    let body = "x".repeat(1000);
    let (address, _seen) = server(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{body}"
    ));
    let url: Url = format!("http://{address}/").parse().unwrap();
    let mut answer = Fetcher::default().get(&url, &[]).await.unwrap();
    let error = answer.bytes(999).await.unwrap_err();
    assert!(
        matches!(error, FetchError::TooLong { limit: 999, .. }),
        "{error}"
    );
    assert!(!error.is_passing());
}
