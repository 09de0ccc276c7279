//! How a registry asks who one is (RFC 7235; Docker's token authentication).

use hyper::header::AUTHORIZATION;
use serde::Deserialize;

use super::RegistryError;
use super::credentials::Login;
use crate::fetch::{FetchError, Fetcher, Url};

/// Tokens are kilobytes at most.
const TOKEN_LIMIT: u64 = 64 * 1024;

/// One way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// With name and password.
    Basic,
    /// With a token that another server gives.
    Bearer {
        /// Its address.
        realm: String,
        /// For whom the token is.
        service: Option<String>,
    },
}

impl Challenge {
    /// Reads a header `WWW-Authenticate`; `None` for ways that are not known.
    pub(crate) fn read(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let parameters = parameters(rest);
        let of = |name: &str| {
            let found = parameters
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        Some(Self::Bearer {
            realm: of("realm")?,
            service: of("service"),
        })
    }

    /// Where a token to read `repository` is asked for. The scope is what we need, not
    /// what the header says.
    pub(super) fn token_url(&self, repository: &str) -> Result<Option<Url>, RegistryError> {
        let Self::Bearer { realm, service } = self else {
            return Ok(None);
        };
        let mut text = realm.clone();
        let mut separator = if realm.contains('?') { '&' } else { '?' };
        let scope = format!("repository:{repository}:pull");
        for (name, value) in [("service", service.as_deref()), ("scope", Some(&scope))] {
            if let Some(value) = value {
                text.push_str(&format!("{separator}{name}={}", escaped(value)));
                separator = '&';
            }
        }
        Ok(Some(text.parse()?))
    }
}

/// Asks for a token; as anybody when there is no login.
pub(super) async fn token(
    fetcher: &Fetcher,
    url: &Url,
    login: Option<&Login>,
) -> Result<String, FetchError> {
    #[derive(Deserialize)]
    struct Tokens {
        token: Option<String>,
        access_token: Option<String>,
    }
    let headers: Vec<_> = login
        .map(|login| (AUTHORIZATION, login.basic()))
        .into_iter()
        .collect();
    let answer = fetcher.get(url, &headers).await?;
    let bytes = answer.successful().await?.bytes(TOKEN_LIMIT).await?;
    let broken = || FetchError::Broken {
        host: url.host().to_owned(),
        detail: "it gave no token".to_owned(),
    };
    let tokens: Tokens = serde_json::from_slice(&bytes).map_err(|_| broken())?;
    let token = tokens.token.or(tokens.access_token).ok_or_else(broken)?;
    let fits = !token.is_empty() && token.chars().all(|c| c.is_ascii_graphic());
    fits.then_some(token).ok_or_else(broken)
}

/// `name="value"` or `name=value`, with commas between them.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.push((name.trim().to_owned(), value.trim().to_owned()));
        rest = after.trim_start_matches([',', ' ', '\t']);
    }
    found
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte);
    text.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn challenges() {
        let header = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a:pull,push""#;
        let challenge = Challenge::read(header).unwrap();
        let url = challenge.token_url("library/a").unwrap().unwrap();
        assert_eq!(
            url.target(),
            "/token?service=registry.docker.io&scope=repository:library/a:pull"
        );
        assert_eq!(Challenge::read("Basic realm=\"x\""), Some(Challenge::Basic));
        assert_eq!(Challenge::read("basic"), Some(Challenge::Basic));
        assert_eq!(Challenge::read("Negotiate"), None);
        assert_eq!(Challenge::read("Bearer service=\"x\""), None);
        let odd = Challenge::read("bearer Service=a b, realm=http://x/t?y=z").unwrap();
        let url = odd.token_url("a").unwrap().unwrap();
        assert_eq!(url.target(), "/t?y=z&service=a%20b&scope=repository:a:pull");
        let nowhere = Challenge::read("Bearer realm=\"file:///etc/passwd\"").unwrap();
        assert!(nowhere.token_url("a").is_err());
    }

    proptest! {
        #[test]
        fn headers_may_be_anything(text in ".*", rest in "(realm|service|=|\"|,| |a){0,12}") {
            let _ = Challenge::read(&text);
            if let Some(challenge) = Challenge::read(&format!("Bearer {rest}")) {
                let _ = challenge.token_url("a/b");
            }
        }
    }
}
