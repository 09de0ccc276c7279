//! Images that come over the network, from servers that may be anybody's.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use super::*;

/// Answers each connection, in turn, with the bytes of `answer` for the path asked for.
fn server(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let _ = stream.write_all(&answer(path));
        }
    });
    address
}

fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn site(address: SocketAddr, prefix: &str) -> Site {
    let mut site = Site::new();
    site.prefixes = vec![format!("http://{address}{prefix}")];
    site
}

#[tokio::test]
async fn simple_discovery() {
    let image = Archive::named("example.com/a")
        .file("rootfs/x", b"text")
        .gzip();
    let expected = format!("/acis/{}", wanted("example.com/a").path().unwrap());
    let address = server(move |path| match path {
        path if path == expected => ok(&image),
        path if path.starts_with("/moved/") => {
            let to = path.replace("/moved/", "/acis/");
            format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
                .into_bytes()
        }
        _ => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
    });
    for prefix in ["/acis", "/acis/", "/moved"] {
        let site = site(address, prefix);
        let root = site.rendered("example.com/a").await.unwrap();
        assert_eq!(
            fs::read_to_string(root.join("x")).unwrap(),
            "text",
            "{prefix}"
        );
    }
    let error = site(address, "")
        .rendered("example.com/a")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("it was not found; tried /") && error.contains("answers 404"),
        "{error}"
    );
}

#[tokio::test]
async fn only_what_is_missing_is_looked_for_elsewhere() {
    let image = Archive::named("a").file("rootfs/x", b"text").gzip();
    let good = server(move |_| ok(&image));
    for (answer, goes_on) in [
        ("404 Not Found", true),
        ("410 Gone", true),
        ("403 Forbidden", true),
        ("503 Service Unavailable", false),
        ("401 Unauthorized", false),
        ("", false),
    ] {
        let said = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
        let first = server(move |_| said.clone().into_bytes());
        let mut site = site(first, "");
        site.prefixes.push(format!("http://{good}"));
        let rendered = site.rendered("a").await;
        assert_eq!(rendered.is_ok(), goes_on, "{answer}: {rendered:?}");
    }
}

#[tokio::test]
async fn servers_that_do_harm() {
    let mut limited = site(
        server(|_| [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &vec![1; 1 << 20]].concat()),
        "",
    );
    limited.limits.fetched = 1000;
    let cases = [
        (limited, "answers with more than 1000 bytes"),
        (
            site(
                server(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nshort".to_vec()),
                "",
            ),
            "broke",
        ),
        (
            site(server(|_| b"SSH-2.0-OpenSSH\r\n".to_vec()), ""),
            "broke",
        ),
        (site(server(|_| Vec::new()), ""), "broke"),
        (
            site(
                server(|_| {
                    b"HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".to_vec()
                }),
                "",
            ),
            "redirects more than",
        ),
        (
            site(
                server(|_| {
                    b"HTTP/1.1 301 Moved\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n".to_vec()
                }),
                "",
            ),
            "is no http or https address",
        ),
        (
            site(server(|_| ok(b"<html>")), ""),
            "neither a tar file nor",
        ),
    ];
    for (site, said) in cases {
        let error = crate::error::chain(&site.rendered("a").await.unwrap_err());
        assert!(error.contains(said), "'{said}' is not in: {error}");
        assert_eq!(site.endings(), Vec::<String>::new(), "{error}");
    }
    let nobody = site("127.0.0.1:1".parse().unwrap(), "");
    let error = nobody.rendered("a").await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1 cannot be reached"), "{error}");
}
