//! Where the daemon is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The socket that a daemon with default settings listens on.
pub(super) const DEFAULT_SOCKET: &str = "/run/sealane/api.sock";
/// The port that a daemon with default settings listens on.
const DEFAULT_PORT: u16 = 8080;

/// A place where the API is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// A unix socket.
    Unix(PathBuf),
    /// HTTP over TCP; an IPv6 address stands in brackets.
    Tcp { host: String, port: u16 },
}

impl Endpoint {
    /// The TCP endpoint of a daemon with default settings.
    pub(super) fn local() -> Self {
        Self::Tcp {
            host: "127.0.0.1".to_owned(),
            port: DEFAULT_PORT,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } => write!(f, "http://{host}:{port}"),
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("'{text}' is neither unix:///path/to/api.sock nor http://host:port");
        if let Some(path) = text.strip_prefix("unix://") {
            let path = PathBuf::from(path);
            return if path.is_absolute() {
                Ok(Self::Unix(path))
            } else {
                Err(wrong())
            };
        }
        let uri: http::Uri = text.parse().map_err(|_| wrong())?;
        if uri.scheme_str() != Some("http")
            || !matches!(uri.path(), "" | "/")
            || uri.query().is_some()
        {
            return Err(wrong());
        }
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(wrong)?;
        Ok(Self::Tcp {
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(DEFAULT_PORT),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_they_are_written() {
        for text in [
            "unix:///run/x.sock",
            "http://127.0.0.1:8080",
            "http://[::1]:80",
            "http://node:1",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        assert_eq!(
            "http://node/".parse::<Endpoint>().unwrap().to_string(),
            "http://node:8080"
        );
        for bad in [
            "",
            "node:8080",
            "unix://relative",
            "https://node",
            "http://node/v2",
            "http://",
        ] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }
}
