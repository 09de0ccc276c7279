//! `[images]`: where native containers' images come from.

use std::path::PathBuf;

use engines::ImageOptions;
use serde::Deserialize;

/// `[images]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct ImagesSection {
    /// File with registries' credentials, as `docker login` writes it; none if empty.
    pub(crate) docker_config: PathBuf,
    /// Directories with certificates to trust for one host each.
    pub(crate) certificates: Vec<PathBuf>,
    /// Registries that are asked without TLS.
    pub(crate) insecure_registries: Vec<String>,
    /// Directories with AppC images.
    pub(crate) appc_directories: Vec<PathBuf>,
    /// What is put before the name of an AppC image to fetch it.
    pub(crate) appc_prefixes: Vec<String>,
}

impl ImagesSection {
    /// # Errors
    /// Which value cannot be used.
    pub(super) fn validate(&self) -> Result<(), String> {
        let directories = self.certificates.iter().chain(&self.appc_directories);
        let file = std::iter::once(&self.docker_config).filter(|it| !it.as_os_str().is_empty());
        for path in directories.chain(file) {
            if !path.is_absolute() {
                return Err(format!("images: {} must be absolute", path.display()));
            }
        }
        for prefix in &self.appc_prefixes {
            // What is said of it must not show a password.
            if prefix.contains('@') {
                return Err(
                    "images.appc-prefixes: one of them has an '@' in it; names and passwords in addresses are not supported"
                        .to_owned(),
                );
            }
            if !["http://", "https://"]
                .iter()
                .any(|scheme| prefix.starts_with(scheme))
            {
                return Err(format!(
                    "images.appc-prefixes: '{prefix}' must begin with https:// or http://; a directory belongs into images.appc-directories"
                ));
            }
        }
        for registry in &self.insecure_registries {
            if registry.is_empty() || registry.contains('/') {
                return Err(format!(
                    "images.insecure-registries: '{registry}' must be a host and a port, such as registry.lan:5000"
                ));
            }
        }
        Ok(())
    }

    /// What the native engine needs of it.
    pub(crate) fn options(&self) -> ImageOptions {
        let file = self.docker_config.clone();
        ImageOptions {
            credentials: (!file.as_os_str().is_empty()).then_some(file),
            certificates: self.certificates.clone(),
            insecure_registries: self.insecure_registries.clone(),
            appc_directories: self.appc_directories.clone(),
            appc_prefixes: self.appc_prefixes.clone(),
        }
    }
}

impl Default for ImagesSection {
    fn default() -> Self {
        let defaults = ImageOptions::default();
        Self {
            docker_config: defaults.credentials.unwrap_or_default(),
            certificates: defaults.certificates,
            insecure_registries: defaults.insecure_registries,
            appc_directories: defaults.appc_directories,
            appc_prefixes: defaults.appc_prefixes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_that_cannot_be_used_are_named() {
        assert_eq!(ImagesSection::default().validate(), Ok(()));
        assert_eq!(ImagesSection::default().options(), ImageOptions::default());
        let wrong = |text: &str| {
            let section: ImagesSection = toml::from_str(text).unwrap();
            section.validate().unwrap_err()
        };
        assert!(wrong("appc-directories = ['here']").contains("here must be absolute"));
        assert!(wrong("docker-config = 'config.json'").contains("must be absolute"));
        assert!(
            wrong("appc-prefixes = ['/srv/acis']").contains("belongs into images.appc-directories")
        );
        let secret = wrong("appc-prefixes = ['https://u:pw@x/']");
        assert!(secret.contains("passwords in addresses are not supported"));
        assert!(!secret.contains("pw"));
        assert!(wrong("insecure-registries = ['http://x']").contains("must be a host and a port"));
        let none: ImagesSection = toml::from_str("docker-config = ''").unwrap();
        assert_eq!(none.options().credentials, None);
    }
}
