use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tidings_domain::TlsResult;

use super::Dane;
use super::dane::DaneVerifier;
use super::tls_result::of_tls;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("a root certificate cannot be used: {0}")]
    BadRoot(rustls::Error),
    #[error("TLS cannot be set up: {0}")]
    SetUp(rustls::Error),
}

/// The ways of checking a peer, made once and shared: they hold the roots and the session tickets.
#[derive(Clone)]
pub struct TlsClients {
    pub(crate) verified: Arc<ClientConfig>,
    pub(crate) unverified: Arc<ClientConfig>,
    roots: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl TlsClients {
    /// Mozilla's roots, and `extra_roots` (DER) for an operator's own authority.
    ///
    /// # Errors
    /// When an extra root is no certificate.
    pub fn new(extra_roots: &[CertificateDer<'static>]) -> Result<Self, TlsError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for root in extra_roots {
            roots.add(root.clone()).map_err(TlsError::BadRoot)?;
        }
        let provider = Arc::new(ring::default_provider());
        let builder = |provider: &Arc<CryptoProvider>| {
            ClientConfig::builder_with_provider(Arc::clone(provider))
                .with_safe_default_protocol_versions()
                .map_err(TlsError::SetUp)
        };
        let roots = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| TlsError::SetUp(rustls::Error::General(error.to_string())))?;
        let verified = builder(&provider)?.with_webpki_verifier(Arc::clone(&roots)).with_no_client_auth();
        let anyone = Arc::new(AnyCertificate(Arc::clone(&provider)));
        let unverified = builder(&provider)?.dangerous().with_custom_certificate_verifier(anyone).with_no_client_auth();
        Ok(Self { verified: Arc::new(verified), unverified: Arc::new(unverified), roots, provider })
    }

    /// For one connection: sessions are not resumed, because the records may have changed since the certificate was checked.
    pub(crate) fn by_dane(&self, dane: &Dane) -> Result<Arc<ClientConfig>, rustls::Error> {
        let verifier = DaneVerifier::new(dane.clone(), Arc::clone(&self.provider));
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }

    /// What a verified connection would have said to a certificate that was taken unseen.
    pub(crate) fn verify(&self, chain: &[CertificateDer<'_>], host: &ServerName<'_>) -> TlsResult {
        let Some((own, others)) = chain.split_first() else { return TlsResult::ValidationFailure };
        match self.roots.verify_server_cert(own, others, host, &[], UnixTime::now()) {
            Ok(_) => TlsResult::Success,
            Err(error) => of_tls(&error),
        }
    }
}

impl fmt::Debug for TlsClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClients")
    }
}

/// Takes any certificate, as opportunistic TLS between mail servers must (RFC 7435 §3): most carry one that nobody
/// could check, and the alternative is plaintext. The handshake's signatures are still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
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
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
