//! An HTTP or HTTPS question over a connection that is already there.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Healthy are the status codes from 200 to 399, as Marathon has it.
pub(super) async fn get(
    stream: TcpStream,
    address: SocketAddr,
    path: &str,
    tls: bool,
) -> Result<(), String> {
    let status = if tls {
        let name = ServerName::IpAddress(address.ip().into());
        let secured = TlsConnector::from(Arc::new(trusting_config()?))
            .connect(name, stream)
            .await
            .map_err(|error| format!("TLS with {address} failed: {error}"))?;
        ask(TokioIo::new(secured), address, path).await?
    } else {
        ask(TokioIo::new(stream), address, path).await?
    };
    if (200..400).contains(&status) {
        return Ok(());
    }
    Err(format!("GET {path} at {address} answered {status}"))
}

async fn ask<T>(io: T, address: SocketAddr, path: &str) -> Result<u16, String>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let failed = |error: hyper::Error| format!("GET {path} at {address} failed: {error}");
    let (mut sender, connection) = http1::handshake(io).await.map_err(failed)?;
    let request = Request::get(path)
        .header("Host", address.to_string())
        .header("User-Agent", "sealane-health")
        .header("Connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("'{path}' is not a path that can be asked for: {error}"))?;
    let answer = sender.send_request(request);
    tokio::pin!(connection, answer);
    // Both ends belong to this future: giving up drops the connection with it. A
    // connection that ended may have brought the answer in its last breath.
    let answer = tokio::select! {
        answer = &mut answer => answer,
        _ = &mut connection => answer.await,
    };
    answer
        .map(|answer| answer.status().as_u16())
        .map_err(failed)
}

/// Takes any certificate: Mesos' checks do not verify either, since an instance is
/// asked by its address, which no certificate names.
fn trusting_config() -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting(provider)))
        .with_no_client_auth();
    Ok(config)
}

#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
