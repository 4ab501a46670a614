//! The ways by which mail comes in: the SMTP listener of the bounce domain, and mailboxes.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use tidings_intake::server_tls;
use tidings_intake::smtp::{SmtpOptions, SmtpServer};
use tidings_worker::StoredMail;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// The SMTP listener, bound and ready to run.
pub struct Listener {
    socket: tokio::net::TcpListener,
    pub server: Arc<SmtpServer<StoredMail>>,
}

/// As the configuration names it.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    pub listen: SocketAddr,
    /// Certificate chain and key, PEM files. `None`: STARTTLS is not offered.
    pub tls: Option<(PathBuf, PathBuf)>,
}

impl Listener {
    /// # Errors
    /// The port is taken or forbidden, the bounce domain is missing, or the certificate cannot be used: with what to do.
    pub fn open(config: &Config, listener: &ListenerConfig, mailroom: StoredMail) -> anyhow::Result<Self> {
        ensure!(
            config.bounce_domain.is_some(),
            "intake_listen is set, but mail for which domain is to be taken? Set TIDINGS_BOUNCE_DOMAIN, and let its MX record lead here"
        );
        let tls = match &listener.tls {
            Some((certificate, key)) => {
                let pair = server_tls(&read(certificate, "intake_cert")?, &read(key, "intake_key")?);
                Some(pair.context("preparing TLS for the SMTP listener")?)
            }
            None => None,
        };
        let address = listener.listen;
        let socket = TcpListener::bind(address).with_context(|| {
            format!(
                "cannot listen on {address} for mail: another mail server may be running here, or ports below 1024 need the right CAP_NET_BIND_SERVICE. Choose another address with TIDINGS_INTAKE_LISTEN"
            )
        })?;
        socket.set_nonblocking(true).context("preparing the SMTP listener's socket")?;
        let socket = tokio::net::TcpListener::from_std(socket).context("preparing the SMTP listener's socket")?;
        let server = Arc::new(SmtpServer::new(SmtpOptions::new(&config.ehlo_name), Arc::new(mailroom), tls));
        Ok(Self { socket, server })
    }

    /// Where it listens: with port 0 the system chose.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        self.socket.local_addr().context("the SMTP listener's address")
    }

    pub async fn run(self, stop: CancellationToken) {
        self.server.run(vec![self.socket], stop).await;
    }
}

fn read(path: &Path, option: &str) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {option}, {}", path.display()))
}
