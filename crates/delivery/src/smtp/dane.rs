//! Certificates that DNS names (RFC 7672, RFC 7671).

use std::fmt;
use std::sync::Arc;

use ring::digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::dns::{TlsaMatching, TlsaRecord, TlsaSelector, TlsaUsage};

/// What a mail host's certificate must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dane {
    /// One has to match.
    pub records: Arc<[TlsaRecord]>,
    /// The recipient's domain: with a trust anchor the certificate may also carry this name (RFC 7672 §3.2.3).
    pub domain: Arc<str>,
}

/// No TLSA record matches the certificate that the server showed.
#[derive(Debug)]
struct NoMatch;

impl fmt::Display for NoMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server's certificate is none of those that its TLSA records name")
    }
}

impl std::error::Error for NoMatch {}

/// Checks a server's certificate by TLSA records. Public authorities have no say.
#[derive(Debug)]
pub(super) struct DaneVerifier {
    dane: Dane,
    provider: Arc<CryptoProvider>,
}

impl DaneVerifier {
    pub fn new(dane: Dane, provider: Arc<CryptoProvider>) -> Self {
        Self { dane, provider }
    }

    fn records(&self, usage: TlsaUsage) -> impl Iterator<Item = &TlsaRecord> {
        self.dane.records.iter().filter(move |record| record.usage == usage)
    }

    /// Certificates of the chain that are named as trust anchors, and one that a record carries whole.
    fn anchors(&self, chain: &[CertificateDer<'_>]) -> RootCertStore {
        let mut anchors = RootCertStore::empty();
        let named = |cert: &&CertificateDer<'_>| self.records(TlsaUsage::TrustAnchor).any(|r| r.names(cert));
        for cert in chain.iter().filter(named) {
            // What cannot be an anchor makes none.
            let _ = anchors.add(cert.clone());
        }
        for record in self.records(TlsaUsage::TrustAnchor) {
            if (record.selector, record.matching) == (TlsaSelector::Certificate, TlsaMatching::Exact) {
                let _ = anchors.add(CertificateDer::from(record.data.as_slice()));
            }
        }
        anchors
    }

    fn verify_by_anchor(
        &self,
        end_entity: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let anchors = self.anchors(chain);
        if anchors.is_empty() {
            return Err(no_match());
        }
        let provider = Arc::clone(&self.provider);
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(anchors), provider)
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let by_host = verifier.verify_server_cert(end_entity, chain, host, &[], now);
        let Ok(domain) = ServerName::try_from(&*self.dane.domain) else { return by_host };
        by_host.or_else(|error| verifier.verify_server_cert(end_entity, chain, &domain, &[], now).map_err(|_| error))
    }
}

fn no_match() -> rustls::Error {
    rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(NoMatch))))
}

impl ServerCertVerifier for DaneVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // Its name and its dates do not count: DNS says that it is this one (RFC 7671 §5.1).
        if self.records(TlsaUsage::EndEntity).any(|record| record.names(end_entity)) {
            return Ok(ServerCertVerified::assertion());
        }
        self.verify_by_anchor(end_entity, intermediates, server_name, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl TlsaRecord {
    fn names(&self, cert: &CertificateDer<'_>) -> bool {
        match self.selector {
            TlsaSelector::Certificate => self.matches(cert),
            TlsaSelector::PublicKey => {
                x509_parser::parse_x509_certificate(cert).is_ok_and(|(_, parsed)| self.matches(parsed.public_key().raw))
            }
        }
    }

    fn matches(&self, octets: &[u8]) -> bool {
        match self.matching {
            TlsaMatching::Exact => self.data == octets,
            TlsaMatching::Sha256 => digest::digest(&digest::SHA256, octets).as_ref() == self.data,
            TlsaMatching::Sha512 => digest::digest(&digest::SHA512, octets).as_ref() == self.data,
        }
    }
}
