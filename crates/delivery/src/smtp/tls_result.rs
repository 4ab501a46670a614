use std::error::Error;
use std::io;

use rustls::CertificateError;
use tidings_domain::TlsResult;

/// What RFC 8460 §4.3 calls a failure of TLS, somewhere down in an error. `None`: TLS is not in it.
pub(crate) fn tls_result(error: &(dyn Error + 'static)) -> Option<TlsResult> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(of_tls(tls));
        }
        // An I/O error shows the source of what it wraps, not what it wraps, which may be another one.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

pub(crate) fn of_tls(error: &rustls::Error) -> TlsResult {
    let rustls::Error::InvalidCertificate(why) = error else { return TlsResult::ValidationFailure };
    match why {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => TlsResult::CertificateExpired,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsResult::CertificateHostMismatch
        }
        // Our own: no TLSA record names the certificate.
        CertificateError::Other(_) => TlsResult::TlsaInvalid,
        _ => TlsResult::CertificateNotTrusted,
    }
}
