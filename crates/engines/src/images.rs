//! Where images come from.

use std::path::PathBuf;

/// Sources of images for native containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageOptions {
    /// File with registries' credentials, as `docker login` writes it; it may be missing.
    pub credentials: Option<PathBuf>,
    /// Directories with certificates to trust, `<directory>/<host>/*.crt` for one host.
    pub certificates: Vec<PathBuf>,
    /// Registries that are asked without TLS, such as `registry.lan:5000`. Those on this
    /// machine always are.
    pub insecure_registries: Vec<String>,
    /// Directories with AppC images, `<directory>/<name>-<version>-<os>-<arch>.aci`.
    pub appc_directories: Vec<PathBuf>,
    /// What is put before `<name>-<version>-<os>-<arch>.aci` to fetch an AppC image that
    /// no directory has, such as `https://`.
    pub appc_prefixes: Vec<String>,
}

impl Default for ImageOptions {
    fn default() -> Self {
        Self {
            credentials: Some("/root/.docker/config.json".into()),
            certificates: vec!["/etc/docker/certs.d".into()],
            insecure_registries: Vec::new(),
            appc_directories: Vec::new(),
            appc_prefixes: vec!["https://".to_owned()],
        }
    }
}
