//! Requests to the daemon, one connection each.

use std::io;
use std::path::Path;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::endpoint::{DEFAULT_SOCKET, Endpoint};
use super::failure::Failure;

/// How long a daemon may take to accept a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long a daemon may take to begin its answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// A client of one daemon.
#[derive(Debug)]
pub(super) struct Client {
    endpoint: Endpoint,
}

/// The daemon's error body. `details` is a text for broken JSON and a list of
/// problems for JSON that says the wrong thing (Marathon's two shapes).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Complaint {
    message: String,
    details: Value,
}

/// One entry of `details`.
#[derive(Debug, Deserialize)]
struct Detail {
    #[serde(default)]
    path: String,
    #[serde(default)]
    errors: Vec<String>,
}

impl Client {
    /// A client of the daemon at `chosen`; without it, of the one on the default
    /// socket if something answers there, else of the one on the default port.
    pub(super) async fn open(chosen: Option<Endpoint>) -> Self {
        let endpoint = match chosen {
            Some(endpoint) => endpoint,
            None if UnixStream::connect(DEFAULT_SOCKET).await.is_ok() => {
                Endpoint::Unix(DEFAULT_SOCKET.into())
            }
            None => Endpoint::local(),
        };
        Self { endpoint }
    }

    /// GET, as JSON.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        let body = self.request(Method::GET, path, None).await?;
        parse(path, &body)
    }

    /// A change; the answer as JSON.
    pub(super) async fn change(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), Failure> {
        let response = self.send(method, path, body).await?;
        let status = response.status();
        Ok((status, parse(path, &self.collect(response).await?)?))
    }

    /// GET, as the bytes that come.
    pub(super) async fn get_bytes(&self, path: &str) -> Result<Bytes, Failure> {
        self.request(Method::GET, path, None).await
    }

    /// GET of something that goes on: the answer's body as it comes.
    pub(super) async fn follow(&self, path: &str) -> Result<Incoming, Failure> {
        let response = self.send(Method::GET, path, None).await?;
        Ok(response.into_body())
    }

    /// The daemon ended an answer that goes on.
    pub(super) fn ended(&self) -> Failure {
        self.broken("it ended, and may be back soon")
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Bytes, Failure> {
        let response = self.send(method, path, body).await?;
        self.collect(response).await
    }

    /// Sends a request and turns an error status into a failure.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<Incoming>, Failure> {
        let request = self.build(method, path, body)?;
        let answer = match &self.endpoint {
            Endpoint::Unix(socket) => self.exchange(connect_unix(socket).await, request).await,
            Endpoint::Tcp { host, port } => {
                // A bracketed IPv6 address is a URL's form, not the resolver's.
                let host = host.trim_start_matches('[').trim_end_matches(']');
                self.exchange(connect_tcp(host, *port).await, request).await
            }
        }?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let body = self.collect(answer).await?;
        Err(refusal(status, &body))
    }

    fn build(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let host = match &self.endpoint {
            Endpoint::Unix(_) => "localhost".to_owned(),
            Endpoint::Tcp { host, port } => format!("{host}:{port}"),
        };
        let body = body
            .map(|body| Bytes::from(body.to_string()))
            .unwrap_or_default();
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/plain")
            .body(Full::new(body))
            .map_err(|source| self.broken(source))
    }

    async fn exchange<S>(
        &self,
        stream: io::Result<S>,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = stream.map_err(|source| Failure::Unreachable {
            endpoint: self.endpoint.clone(),
            source,
        })?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|source| self.broken(source))?;
        // Its errors also show at the request.
        tokio::spawn(connection);
        let answer = timeout(ANSWER_WITHIN, sender.send_request(request)).await;
        answer
            .map_err(|late| self.broken(late))?
            .map_err(|source| self.broken(source))
    }

    async fn collect(&self, response: Response<Incoming>) -> Result<Bytes, Failure> {
        let body = response.into_body().collect().await;
        body.map(|body| body.to_bytes())
            .map_err(|source| self.broken(source))
    }

    /// The conversation broke.
    pub(super) fn broken(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Failure {
        Failure::Broken {
            endpoint: self.endpoint.clone(),
            source: source.into(),
        }
    }
}

/// `value`, which came from `path`, in the shape that is expected.
pub(super) fn shaped<T: DeserializeOwned>(path: &str, value: &Value) -> Result<T, Failure> {
    T::deserialize(value).map_err(|source| Failure::Strange {
        path: path.to_owned(),
        source,
    })
}

/// Text as a part of a path or a query.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        // What RFC 3986 leaves alone everywhere, and a colon, which paths may have.
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            encoded.push(byte.into());
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    timeout(CONNECT_WITHIN, UnixStream::connect(path)).await?
}

async fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    timeout(CONNECT_WITHIN, TcpStream::connect((host, port))).await?
}

fn parse(path: &str, body: &[u8]) -> Result<Value, Failure> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body).map_err(|source| Failure::Strange {
        path: path.to_owned(),
        source,
    })
}

fn refusal(status: StatusCode, body: &[u8]) -> Failure {
    let complaint: Complaint = serde_json::from_slice(body).unwrap_or_default();
    let mut message = complaint.message;
    if message.is_empty() {
        message = format!("the daemon answered {status}");
    }
    if let Value::String(details) = &complaint.details {
        message = format!("{message}: {details}");
    }
    let details = Vec::<Detail>::deserialize(&complaint.details).unwrap_or_default();
    let problems = details
        .into_iter()
        .flat_map(|detail| {
            detail
                .errors
                .into_iter()
                .map(move |error| (detail.path.clone(), error))
        })
        .collect();
    Failure::Refused {
        status,
        message,
        problems,
    }
}

#[cfg(test)]
mod tests;
