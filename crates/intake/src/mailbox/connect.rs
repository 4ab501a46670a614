use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::wire::Wire;
use super::{Account, MailboxError, MailboxReader, Security};

/// A stream of octets of any kind.
pub(super) trait Octets: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Octets for T {}

impl MailboxReader {
    /// Connects, and with implicit TLS shakes hands.
    pub(super) async fn connect(&self, account: &Account) -> Result<Wire, MailboxError> {
        let Account { host, port, .. } = account;
        let unreachable = |detail: String| MailboxError::Unreachable { host: host.clone(), port: *port, detail };
        let stream = timeout(self.limits.connect_wait, TcpStream::connect((host.as_str(), *port)))
            .await
            .map_err(|_| unreachable("no answer".to_owned()))?
            .map_err(|error| unreachable(error.to_string()))?;
        let wire = Wire::new(Box::new(stream), self.limits.reply_wait);
        match account.security {
            Security::Tls => self.secure(wire, account).await,
            Security::StartTls | Security::Plaintext => Ok(wire),
        }
    }

    /// Goes on over TLS.
    ///
    /// # Errors
    /// Also when the server has already said more than it was asked: somebody else may have said it (NO STARTTLS, 2021).
    pub(super) async fn secure(&self, wire: Wire, account: &Account) -> Result<Wire, MailboxError> {
        let failed = |detail: String| MailboxError::Tls { host: account.host.clone(), detail };
        let stream = wire.into_stream().ok_or_else(|| failed("octets in the clear behind STARTTLS".to_owned()))?;
        let name = ServerName::try_from(account.host.clone()).map_err(|error| failed(error.to_string()))?;
        let connector = TlsConnector::from(Arc::<ClientConfig>::clone(&self.tls));
        let stream = timeout(self.limits.connect_wait, connector.connect(name, stream))
            .await
            .map_err(|_| failed("no answer".to_owned()))?
            .map_err(|error| failed(error.to_string()))?;
        Ok(Wire::new(Box::new(stream), self.limits.reply_wait))
    }
}
