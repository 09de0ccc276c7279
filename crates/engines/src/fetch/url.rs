//! Addresses of what is fetched.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;

use super::FetchError;

/// An `http` or `https` address with nothing secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    secure: bool,
    /// Host and, if it was given, port.
    host: String,
    /// Path and query.
    target: String,
}

impl Url {
    /// Whether it is asked over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    /// Host and, if it was given, port: `registry.example:5000`.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The host alone, an IPv6 address without brackets.
    pub(crate) fn name(&self) -> &str {
        name_of(&self.host)
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        let default = if self.secure { 443 } else { 80 };
        port_of(&self.host).unwrap_or(default)
    }

    /// Path and query.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// Whether both lead to the same server.
    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        (self.secure, self.name(), self.port()) == (other.secure, other.name(), other.port())
    }

    /// The address that a redirection leads to.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn join(&self, location: &str) -> Result<Self, FetchError> {
        let scheme = if self.secure { "https" } else { "http" };
        if location.contains("://") {
            return location.parse();
        }
        if let Some(rest) = location.strip_prefix("//") {
            return format!("{scheme}://{rest}").parse();
        }
        if location.starts_with('/') {
            return format!("{scheme}://{}{location}", self.host).parse();
        }
        let path = self.target.split('?').next().unwrap_or_default();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{}{folder}/{location}", self.host).parse()
    }
}

impl FromStr for Url {
    type Err = FetchError;

    fn from_str(text: &str) -> Result<Self, FetchError> {
        let wrong = || FetchError::Address(shown(text));
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let host = uri
            .authority()
            .ok_or_else(wrong)?
            .as_str()
            .to_ascii_lowercase();
        // Passwords in addresses end up in logs.
        if host.contains('@') || name_of(&host).is_empty() {
            return Err(wrong());
        }
        let target = uri
            .path_and_query()
            .map_or("/", |it| it.as_str())
            .to_owned();
        Ok(Self {
            secure,
            host,
            target,
        })
    }
}

impl fmt::Display for Url {
    /// Without the query, in which storages put keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.host)
    }
}

/// What is no address, without what may be a password or a key in it.
fn shown(text: &str) -> String {
    let is_scheme = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric());
    let parts = text.split_once("://").filter(|(it, _)| is_scheme(it));
    let (scheme, rest) = parts.map_or((None, text), |(scheme, rest)| (Some(scheme), rest));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let scheme = scheme.map(|it| format!("{it}://")).unwrap_or_default();
    let text = scheme + rest;
    text.escape_debug().take(300).collect()
}

/// The host of `host:port`, an IPv6 address without brackets.
pub(crate) fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn port_of(host: &str) -> Option<u16> {
    host.rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn parts() {
        let all = url("https://[::1]:5000/v2/a?b=c");
        assert_eq!(
            (all.host(), all.name(), all.port()),
            ("[::1]:5000", "::1", 5000)
        );
        assert_eq!(all.target(), "/v2/a?b=c");
        assert_eq!(all.to_string(), "https://[::1]:5000/v2/a");
        let bare = url("http://Example.com");
        assert_eq!(
            (bare.name(), bare.port(), bare.target()),
            ("example.com", 80, "/")
        );
        assert_eq!(url("https://[::1]/").port(), 443);
        assert!(bare.is_same_place(&url("http://example.com:80/x")));
        assert!(!bare.is_same_place(&url("https://example.com/x")));
    }

    #[test]
    fn what_is_no_address() {
        for bad in [
            "",
            "a",
            "/a",
            "ftp://a/b",
            "http:///a",
            "http://u:p@a/",
            "http://a b/",
            "http://:80/",
        ] {
            assert!(bad.parse::<Url>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_address_is_shown_without_secrets() {
        for (text, said) in [
            ("http://u:pw@a/b?key=1", "'http://a/b'"),
            ("http://u:p w?@a/", "'http://a/'"),
            ("nowhere?token=pw", "'nowhere'"),
            ("u:pw@x://y", "'x://y'"),
        ] {
            let error = text.parse::<Url>().unwrap_err().to_string();
            assert!(error.starts_with(said) && !error.contains("pw"), "{error}");
        }
    }

    #[test]
    fn redirections() {
        let from = url("https://a:1/b/c?d=/e");
        for (location, to) in [
            ("http://x/y", "http://x/y"),
            ("//x/y", "https://x/y"),
            ("/y", "https://a:1/y"),
            ("y", "https://a:1/b/y"),
        ] {
            assert_eq!(from.join(location).unwrap(), url(to), "{location}");
        }
        assert!(from.join("file:///etc/passwd").is_err());
    }
}
