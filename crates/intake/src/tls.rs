use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why TLS cannot be set up, in words for the operator.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the certificate file has no PEM certificate in it: {0}")]
    Certificate(String),
    #[error("the key file has no PEM private key in it: {0}")]
    Key(String),
    #[error("certificate and key cannot be used: {0}")]
    Pair(rustls::Error),
    #[error("a root certificate cannot be used: {0}")]
    Root(rustls::Error),
    #[error("TLS cannot be set up: {0}")]
    SetUp(rustls::Error),
}

/// For [`SmtpServer`](crate::smtp::SmtpServer): a certificate with its chain, and its key, both PEM.
///
/// # Errors
/// When one of them is not what it should be, or they do not belong together.
pub fn server_tls(certificate_pem: &[u8], key_pem: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(certificate_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Certificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(TlsError::Certificate("no certificate was found".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| TlsError::Key(error.to_string()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::SetUp)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Pair)?;
    Ok(Arc::new(config))
}

/// For mailboxes: Mozilla's roots, and `extra_roots` (DER) for an operator's own authority.
///
/// # Errors
/// When an extra root is no certificate.
pub fn client_tls(extra_roots: &[CertificateDer<'static>]) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for root in extra_roots {
        roots.add(root.clone()).map_err(TlsError::Root)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::SetUp)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
