//! Fetching over HTTP and HTTPS: what images of every kind come by.
//!
//! A connection a request: images are few and large. Whoever answers is a stranger, so
//! everything has a bound: time to connect, time without a byte, pace,
//! redirections, bytes.

mod answer;
mod pace;
mod tls;
mod url;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, HOST, HeaderName, LOCATION, USER_AGENT};
use hyper::rt::{Read, Write};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(crate) use answer::Answer;
pub(crate) use url::{Url, name_of};

/// Time to reach a server, and to agree with it on a secret.
const CONNECT: Duration = Duration::from_secs(20);
/// Time for an answer's head, and without a byte of its body.
const SILENCE: Duration = Duration::from_secs(30);
/// More than that is a loop.
const REDIRECTIONS: usize = 5;

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// What was given, or redirected to, is no address.
    #[error("'{0}' is no http or https address")]
    Address(String),
    /// A server asked for what would give secrets away.
    #[error("{0} redirects from https to http, which is not followed")]
    Downgrade(String),
    /// Redirections without an end.
    #[error("{0} redirects more than {REDIRECTIONS} times")]
    Redirections(String),
    /// Nobody is reached.
    #[error("{host} cannot be reached: {detail}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// Why.
        detail: String,
    },
    /// The server is not who it should be.
    #[error(
        "{host} is not trusted: {detail}; a certificate authority of your own goes to /etc/docker/certs.d/{host}/ca.crt"
    )]
    Untrusted {
        /// Host and port.
        host: String,
        /// Why.
        detail: String,
    },
    /// The connection ended early, or is not HTTP.
    #[error("the connection to {host} broke: {detail}")]
    Broken {
        /// Host and port.
        host: String,
        /// Why.
        detail: String,
    },
    /// The answer is longer than it may be.
    #[error("{url} answers with more than {limit} bytes")]
    TooLong {
        /// What was asked for.
        url: String,
        /// What is allowed.
        limit: u64,
    },
    /// An answer that is no success.
    #[error("{url} answers {status}{said}")]
    Status {
        /// What was asked for.
        url: String,
        /// The answer's code.
        status: StatusCode,
        /// What the server said, behind `: `.
        said: String,
    },
}

impl FetchError {
    /// Whether another attempt may end otherwise.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } => true,
            Self::Status { status, .. } => {
                status.is_server_error()
                    || matches!(
                        *status,
                        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
                    )
            }
            _ => false,
        }
    }
}

/// What requests are made with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fetcher {
    /// Directories that are named after a host, with certificates to trust there.
    pub(crate) certificates: Vec<PathBuf>,
}

/// Headers of a request.
pub(crate) type Headers = [(HeaderName, String)];

impl Fetcher {
    /// Asks for something and follows redirections. Whatever the status, it is answered.
    ///
    /// # Errors
    /// When there is no answer.
    pub(crate) async fn get(&self, url: &Url, headers: &Headers) -> Result<Answer, FetchError> {
        let mut at = url.clone();
        for _ in 0..=REDIRECTIONS {
            let trusted = at.is_same_place(url);
            let (response, connection) = self.ask(&at, headers, trusted).await?;
            let moved = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            let location = response.headers().get(LOCATION).filter(|_| moved);
            let Some(location) = location else {
                return Ok(Answer::new(at, response, connection));
            };
            let next = at.join(location.to_str().unwrap_or_default())?;
            if at.is_secure() && !next.is_secure() {
                return Err(FetchError::Downgrade(at.to_string()));
            }
            at = next;
        }
        Err(FetchError::Redirections(url.to_string()))
    }

    async fn ask(
        &self,
        url: &Url,
        headers: &Headers,
        trusted: bool,
    ) -> Result<(Response<Incoming>, answer::Connection), FetchError> {
        let mut request = Request::get(url.target())
            .header(HOST, url.host())
            .header(USER_AGENT, concat!("sealane/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            // Credentials are for whom they were meant, not for where one is sent.
            if trusted || name != AUTHORIZATION {
                request = request.header(name, value);
            }
        }
        let request = request
            .body(Empty::<Bytes>::new())
            .map_err(|_| FetchError::Address(url.to_string()))?;
        let stream = connect(url).await?;
        if !url.is_secure() {
            return send(url, TokioIo::new(stream), request).await;
        }
        let untrusted = |detail: String| FetchError::Untrusted {
            host: url.host().to_owned(),
            detail,
        };
        let name = ServerName::try_from(url.name().to_owned())
            .map_err(|error| untrusted(error.to_string()))?;
        let config = tls::config(&self.certificates, url.host()).map_err(untrusted)?;
        let shake = TlsConnector::from(config).connect(name, stream);
        match tokio::time::timeout(CONNECT, shake).await {
            Ok(Ok(stream)) => send(url, TokioIo::new(stream), request).await,
            // A wrong certificate stays wrong; a connection that breaks may not.
            Ok(Err(error))
                if error
                    .get_ref()
                    .is_some_and(|inner| inner.is::<rustls::Error>()) =>
            {
                Err(untrusted(error.to_string()))
            }
            Ok(Err(error)) => Err(broken(url, &error)),
            Err(_) => Err(unreachable(url, silence(CONNECT))),
        }
    }
}

async fn connect(url: &Url) -> Result<TcpStream, FetchError> {
    let connect = TcpStream::connect((url.name(), url.port()));
    match tokio::time::timeout(CONNECT, connect).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(unreachable(url, error.to_string())),
        Err(_) => Err(unreachable(url, silence(CONNECT))),
    }
}

async fn send<T>(
    url: &Url,
    io: T,
    request: Request<Empty<Bytes>>,
) -> Result<(Response<Incoming>, answer::Connection), FetchError>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(io)
        .await
        .map_err(|error| broken(url, &error))?;
    let connection = answer::Connection::new(connection);
    match tokio::time::timeout(SILENCE, sender.send_request(request)).await {
        Ok(Ok(response)) => Ok((response, connection)),
        Ok(Err(error)) => Err(broken(url, &error)),
        Err(_) => Err(FetchError::Broken {
            host: url.host().to_owned(),
            detail: silence(SILENCE),
        }),
    }
}

fn unreachable(url: &Url, detail: String) -> FetchError {
    FetchError::Unreachable {
        host: url.host().to_owned(),
        detail,
    }
}

fn broken(url: &Url, error: &(dyn std::error::Error + 'static)) -> FetchError {
    FetchError::Broken {
        host: url.host().to_owned(),
        detail: crate::error::chain(error),
    }
}

fn silence(time: Duration) -> String {
    format!("no answer within {} s", time.as_secs())
}

/// Whether a host is this very machine, so that nobody stands between.
pub(crate) fn is_loopback(name: &str) -> bool {
    name == "localhost"
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
pub(crate) mod tests;
