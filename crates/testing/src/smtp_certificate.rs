use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PublicKeyData, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate for a test's server, self-signed but for [`Self::issued`]. Who trusts [`Self::root`] trusts it.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Its own, then the authority's if it has one.
    chain: Vec<CertificateDer<'static>>,
    public_key: Vec<u8>,
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

    /// For this name, by an authority of its own, which the server shows as well.
    ///
    /// # Panics
    /// When `name` cannot stand in a certificate.
    #[must_use]
    pub fn issued(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no name is a good name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Test authority");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("random numbers"))
            .expect("a certificate can sign itself");
        let key = KeyPair::generate().expect("the system has random numbers");
        let params = CertificateParams::new([name.to_owned()]).expect("a name for a certificate");
        let cert = params.signed_by(&key, &authority).expect("an authority can sign");
        let chain = vec![cert.der().clone(), authority.der().clone()];
        Self::of(chain, cert.pem(), &key)
    }

    /// The last certificate of the chain.
    ///
    /// # Panics
    /// Never: there is one.
    #[must_use]
    pub fn root(&self) -> CertificateDer<'static> {
        self.chain.last().expect("a chain has certificates").clone()
    }

    /// The server's own certificate.
    ///
    /// # Panics
    /// Never: there is one.
    #[must_use]
    pub fn own(&self) -> CertificateDer<'static> {
        self.chain.first().expect("a chain has certificates").clone()
    }

    /// SubjectPublicKeyInfo of the server's own certificate, DER.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
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
        Self::of(vec![cert.der().clone()], cert.pem(), &key)
    }

    fn of(chain: Vec<CertificateDer<'static>>, pem: String, key: &KeyPair) -> Self {
        let public_key = key.subject_public_key_info();
        Self { chain, public_key, key: key.serialize_der(), pem, key_pem: key.serialize_pem() }
    }

    pub(crate) fn server_config(&self) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring offers the default versions")
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), key)
            .expect("the key belongs to the certificate");
        Arc::new(config)
    }
}
