use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A self-signed certificate for a test's server. Who trusts [`Self::root`] trusts it.
#[derive(Debug, Clone)]
pub struct Certificate {
    der: CertificateDer<'static>,
    key: Vec<u8>,
    pem: String,
    key_pem: String,
}

impl Certificate {
    /// Valid, for this name.
    ///
    /// # Panics
    /// When `name` cannot stand in a certificate.
    #[must_use]
    pub fn valid(name: &str) -> Self {
        Self::make(name, |_| {})
    }

    /// Its time has passed.
    ///
    /// # Panics
    /// When `name` cannot stand in a certificate.
    #[must_use]
    pub fn expired(name: &str) -> Self {
        Self::make(name, |params| {
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
        })
    }

    #[must_use]
    pub fn root(&self) -> CertificateDer<'static> {
        self.der.clone()
    }

    /// For servers that read files.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    fn make(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().expect("the system has random numbers");
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name for a certificate");
        change(&mut params);
        let cert = params.self_signed(&key).expect("a certificate can sign itself");
        Self { der: cert.der().clone(), key: key.serialize_der(), pem: cert.pem(), key_pem: key.serialize_pem() }
    }

    pub(crate) fn server_config(&self) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring offers the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.der.clone()], key)
            .expect("the key belongs to the certificate");
        Arc::new(config)
    }
}
