//! What a reference means to a registry.

use super::RegistryError;
use crate::fetch::{Url, is_loopback, name_of};

/// A full reference taken apart, such as `docker.io/library/busybox:1.36`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RegistryName {
    registry: String,
    repository: String,
    /// Tag or digest.
    reference: String,
    plain: bool,
}

impl RegistryName {
    /// Takes a reference apart that has registry and tag or digest; `insecure` are
    /// registries that are asked without TLS, as those on this machine always are.
    ///
    /// # Errors
    /// [`RegistryError::Reference`] for what is none.
    pub(crate) fn new(full: &str, insecure: &[String]) -> Result<Self, RegistryError> {
        let wrong = || RegistryError::Reference(full.escape_debug().take(200).collect());
        let (registry, rest) = full.split_once('/').ok_or_else(wrong)?;
        let (repository, reference) = match rest.split_once('@') {
            // A tag before a digest says nothing any more.
            Some((name, digest)) => (name.split(':').next().unwrap_or_default(), digest),
            None => rest.rsplit_once(':').ok_or_else(wrong)?,
        };
        if !is_host(registry) || !is_repository(repository) || !is_reference(reference) {
            return Err(wrong());
        }
        Ok(Self {
            plain: is_loopback(name_of(registry)) || insecure.iter().any(|it| it == registry),
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            reference: reference.to_owned(),
        })
    }

    /// Host of the registry as people write it.
    pub(crate) fn registry(&self) -> &str {
        &self.registry
    }

    /// Name within the registry.
    pub(crate) fn repository(&self) -> &str {
        &self.repository
    }

    /// Tag or digest.
    pub(crate) fn reference(&self) -> &str {
        &self.reference
    }

    /// Whether it is asked without TLS.
    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }

    /// Address of something in the repository.
    pub(super) fn url(&self, path: &str) -> Result<Url, RegistryError> {
        let scheme = if self.plain { "http" } else { "https" };
        // The one registry whose name is not its host.
        let host = match self.registry.as_str() {
            "docker.io" => "registry-1.docker.io",
            other => other,
        };
        Ok(format!("{scheme}://{host}/v2/{}/{path}", self.repository).parse()?)
    }
}

fn is_host(text: &str) -> bool {
    let fits =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']' | '_');
    !text.is_empty() && text.len() <= 255 && text.chars().all(fits)
}

/// Distribution-spec: words of a-z and 0-9 with `.`, `_`, `__` or `-` between them.
fn is_repository(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_part = |part: &str| {
        part.starts_with(is_letter)
            && part.ends_with(is_letter)
            && part
                .chars()
                .all(|c| is_letter(c) || matches!(c, '.' | '_' | '-'))
            && !part.contains("..")
    };
    text.len() <= 255 && text.split('/').all(is_part)
}

fn is_reference(text: &str) -> bool {
    if let Some(digits) = text.strip_prefix("sha256:") {
        return digits.len() == 64 && digits.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !text.is_empty() && text.len() <= 128 && !text.starts_with(['.', '-']) && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart() {
        let insecure = ["registry.lan:5000".to_owned()];
        let digest = format!("sha256:{}", "0".repeat(64));
        for (full, url) in [
            (
                "docker.io/library/a:1",
                "https://registry-1.docker.io/v2/library/a/x",
            ),
            (
                "registry.example/a/b_c:v1.0",
                "https://registry.example/v2/a/b_c/x",
            ),
            (
                "registry.lan:5000/a:latest",
                "http://registry.lan:5000/v2/a/x",
            ),
            ("localhost:5000/a:latest", "http://localhost:5000/v2/a/x"),
            ("127.0.0.1/a:latest", "http://127.0.0.1/v2/a/x"),
            ("[::1]:5000/a:latest", "http://[::1]:5000/v2/a/x"),
            (&format!("r.example/a@{digest}"), "https://r.example/v2/a/x"),
            (
                &format!("r.example/a:tag@{digest}"),
                "https://r.example/v2/a/x",
            ),
        ] {
            let name = RegistryName::new(full, &insecure).unwrap();
            let expected: Url = url.parse().unwrap();
            assert_eq!(name.url("x").unwrap(), expected, "{full}");
        }
    }

    #[test]
    fn what_is_no_reference() {
        for bad in [
            "a",
            "a:1",
            "docker.io/library/:latest",
            "docker.io/../a:1",
            "docker.io/a/../b:1",
            "docker.io/A:1",
            "docker.io/a:",
            "docker.io/a:-x",
            "docker.io/a:x/y",
            "docker.io/a b:1",
            "docker.io/a@sha256:00",
            "docker.io/a@sha512:00",
            "do cker/a:1",
            "docker.io/a?x=y:1",
            "docker.io/a:x?y",
            "docker.io/-a:1",
        ] {
            let error = RegistryName::new(bad, &[]).unwrap_err();
            assert!(
                matches!(error, RegistryError::Reference(_)),
                "{bad}: {error}"
            );
        }
    }
}
