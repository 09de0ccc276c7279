//! Whom to trust: the system's certificate authorities, and a host's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Where distributions keep all authorities in one file.
const BUNDLES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
];

/// Settings for a connection to `host`.
///
/// They are read each time, so that a new authority needs no restart; a fetch takes much
/// longer. As with Docker, every `*.crt` in `<directory>/<host>` is trusted for that host.
///
/// # Errors
/// When nobody would be trusted, or a host's own file cannot be read.
pub(super) fn config(directories: &[PathBuf], host: &str) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    for bundle in BUNDLES {
        if let Ok(found) = CertificateDer::pem_file_iter(bundle) {
            roots.add_parsable_certificates(found.flatten());
            break;
        }
    }
    for directory in directories {
        add_own(&mut roots, &directory.join(host))?;
    }
    if roots.is_empty() {
        return Err("this node has no certificate authorities; install ca-certificates".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn add_own(roots: &mut RootCertStore, directory: &Path) -> Result<(), String> {
    let Ok(entries) = directory.read_dir() else {
        return Ok(());
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_none_or(|extension| extension != "crt") {
            continue;
        }
        let wrong = |detail: String| format!("{} is no certificate: {detail}", path.display());
        let found =
            CertificateDer::pem_file_iter(&path).map_err(|error| wrong(error.to_string()))?;
        for certificate in found {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| wrong(error.to_string()))?;
        }
    }
    Ok(())
}
