//! An answer, read part by part.

use std::future::Future;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::pace::Pace;
use super::{FetchError, SILENCE, Url, broken, silence};

/// What of an error's page is shown.
const SHOWN: u64 = 2048;

/// The far end of a request, which ends with this value.
#[derive(Debug)]
pub(super) struct Connection(JoinHandle<()>);

impl Connection {
    pub(super) fn new(run: impl Future<Output = hyper::Result<()>> + Send + 'static) -> Self {
        // A failure is also told to whoever reads the answer.
        Self(tokio::spawn(async move { drop(run.await) }))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A server's answer.
#[derive(Debug)]
pub(crate) struct Answer {
    url: Url,
    response: Response<Incoming>,
    pace: Pace,
    _connection: Connection,
}

impl Answer {
    pub(super) fn new(url: Url, response: Response<Incoming>, connection: Connection) -> Self {
        Self {
            url,
            response,
            pace: Pace::default(),
            _connection: connection,
        }
    }

    /// Who answered, which after redirections is another than was asked.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Its code.
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// A header, if it is there and is text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    }

    /// All headers of a name.
    pub(crate) fn headers(&self, name: &HeaderName) -> impl Iterator<Item = &str> {
        let values = self.response.headers().get_all(name).iter();
        values.filter_map(|value: &HeaderValue| value.to_str().ok())
    }

    /// The next part of the body; `None` at its end.
    ///
    /// # Errors
    /// When the connection breaks, falls silent or is far too slow.
    pub(crate) async fn part(&mut self) -> Result<Option<Bytes>, FetchError> {
        loop {
            let left = self.pace.left();
            let begun = Instant::now();
            let frame = self.response.body_mut().frame();
            match tokio::time::timeout(left.min(SILENCE), frame).await {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(frame))) => {
                    let part = frame.into_data().unwrap_or_default();
                    self.pace.came(part.len() as u64, begun.elapsed());
                    if !part.is_empty() {
                        return Ok(Some(part));
                    }
                }
                Ok(Some(Err(error))) => return Err(broken(&self.url, &error)),
                Err(_) => {
                    let silent = left >= SILENCE;
                    return Err(FetchError::Broken {
                        host: self.url.host().to_owned(),
                        detail: match silent {
                            true => silence(SILENCE),
                            false => Pace::too_slow(),
                        },
                    });
                }
            }
        }
    }

    /// All of the body.
    ///
    /// # Errors
    /// When it is longer than `limit`, or breaks off.
    pub(crate) async fn bytes(&mut self, limit: u64) -> Result<Vec<u8>, FetchError> {
        let mut bytes = Vec::new();
        while let Some(part) = self.part().await? {
            bytes.extend_from_slice(&part);
            if bytes.len() as u64 > limit {
                let url = self.url.to_string();
                return Err(FetchError::TooLong { url, limit });
            }
        }
        Ok(bytes)
    }

    /// The answer, if it is a success.
    ///
    /// # Errors
    /// The status with what the server says of it.
    pub(crate) async fn successful(mut self) -> Result<Self, FetchError> {
        let status = self.status();
        if status.is_success() {
            return Ok(self);
        }
        let text = self.bytes(SHOWN).await.unwrap_or_default();
        Err(FetchError::Status {
            url: self.url.to_string(),
            status,
            said: said(&text),
        })
    }
}

/// The message in an error of a registry (OCI distribution-spec, "Error Codes"); pages
/// for people are left out.
fn said(text: &[u8]) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(text).ok();
    let message = json.as_ref().and_then(|json| {
        let first = json.get("errors")?.get(0)?;
        first.get("message").or_else(|| first.get("code"))?.as_str()
    });
    let message: String = message.unwrap_or_default().chars().take(200).collect();
    match message.as_str() {
        "" => String::new(),
        message => format!(": {}", message.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_registries_say() {
        let json = br#"{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}"#;
        assert_eq!(said(json), ": manifest unknown");
        assert_eq!(said(br#"{"errors": [{"code": "DENIED"}]}"#), ": DENIED");
        for nothing in [b"<html>".as_slice(), b"{}", b"", b"\xff"] {
            assert_eq!(said(nothing), "");
        }
    }
}
