//! One TCP connection.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long a client may take to accept an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time between two lines of a stream.
const BEAT: Duration = Duration::from_secs(1);
/// Longest line or header that is read.
const LONGEST: u64 = 16 * 1024;

/// A request, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    head_only: bool,
    path: String,
    keep_alive: bool,
}

/// Serves a connection until the client closes it; errors end it as well.
pub(crate) fn serve(stream: TcpStream, text: &str) {
    // The client sees a closed connection, and nobody else wants to know.
    let _ = converse(stream, text);
}

fn converse(mut stream: TcpStream, text: &str) -> io::Result<()> {
    let from = format!("{}\n", stream.peer_addr()?.ip().to_canonical());
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(line) = read_line(&mut reader)? {
        let Some(mut request) = parse_first_line(&line) else {
            stream.write_all(text.as_bytes())?;
            continue;
        };
        loop {
            match read_line(&mut reader)? {
                Some(header) if header.is_empty() => break,
                Some(header) => apply_header(&mut request, &header),
                None => return Ok(()),
            }
        }
        if request.path == "/stream" && !request.head_only {
            return beat(&mut stream, text);
        }
        let body = match request.path.as_str() {
            "/health" => "ok\n",
            "/from" => &from,
            _ => text,
        };
        stream.write_all(&response(&request, body))?;
        if !request.keep_alive {
            return Ok(());
        }
    }
    Ok(())
}

/// The next line without its end; `None` at the end of the stream.
fn read_line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    reader.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') && line.len() as u64 == LONGEST {
        return Err(ErrorKind::InvalidData.into());
    }
    Ok(Some(
        String::from_utf8_lossy(&line)
            .trim_end_matches(['\r', '\n'])
            .to_owned(),
    ))
}

/// The request that begins with `line`; `None` if this is not HTTP's GET or HEAD.
fn parse_first_line(line: &str) -> Option<Request> {
    let mut words = line.split(' ');
    let head_only = match words.next()? {
        "GET" => false,
        "HEAD" => true,
        _ => return None,
    };
    let path = words.next().unwrap_or("/").split('?').next()?.to_owned();
    Some(Request {
        head_only,
        path,
        keep_alive: words.next() == Some("HTTP/1.1"),
    })
}

fn apply_header(request: &mut Request, header: &str) {
    let Some((name, value)) = header.split_once(':') else {
        return;
    };
    if name.eq_ignore_ascii_case("connection") {
        let value = value.to_ascii_lowercase();
        let has = |word| value.split(',').any(|part| part.trim() == word);
        request.keep_alive = has("keep-alive") || (request.keep_alive && !has("close"));
    }
}

fn response(request: &Request, body: &str) -> Vec<u8> {
    let connection = if request.keep_alive {
        "keep-alive"
    } else {
        "close"
    };
    let mut response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
         Connection: {connection}\r\n\r\n",
        body.len()
    );
    if !request.head_only {
        response.push_str(body);
    }
    response.into_bytes()
}

/// Sends a numbered line every second until the client goes.
fn beat(stream: &mut TcpStream, text: &str) -> io::Result<()> {
    stream.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n",
    )?;
    stream.set_read_timeout(Some(BEAT))?;
    for number in 1_u64.. {
        let line = format!("{number} {text}");
        stream.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes())?;
        // Waiting for a byte that never comes shows at once that the client has gone.
        match stream.read(&mut [0; 512]) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keep_alive_by_version_and_header() {
        for (first, header, expected) in [
            ("GET / HTTP/1.1", "", true),
            ("GET / HTTP/1.0", "", false),
            ("HEAD /x?y HTTP/1.0", "connection: Keep-Alive", true),
            ("GET / HTTP/1.1", "Connection: close", false),
            ("GET", "", false),
        ] {
            let mut request = parse_first_line(first).unwrap();
            apply_header(&mut request, header);
            assert_eq!(request.keep_alive, expected, "{first} {header}");
        }
        assert_eq!(parse_first_line("HEAD /x?y HTTP/1.1").unwrap().path, "/x");
        assert_eq!(parse_first_line("hello"), None);
    }
}
