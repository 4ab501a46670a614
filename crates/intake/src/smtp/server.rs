use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::door::Door;
use super::session::{Session, turn_away};
use super::{Refused, SmtpCounters, SmtpOptions};
use crate::Mailroom;

/// When the system has no more sockets to give, it does not help to ask at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Takes mails by SMTP and brings them to a [`Mailroom`].
pub struct SmtpServer<M> {
    pub(super) options: SmtpOptions,
    pub(super) mailroom: Arc<M>,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) counters: Arc<SmtpCounters>,
    door: Arc<Door>,
}

impl<M: Mailroom> SmtpServer<M> {
    /// With a certificate ([`server_tls`](crate::server_tls)), STARTTLS is offered.
    #[must_use]
    pub fn new(options: SmtpOptions, mailroom: Arc<M>, tls: Option<Arc<ServerConfig>>) -> Self {
        let (counters, door) = Default::default();
        Self { options, mailroom, tls: tls.map(TlsAcceptor::from), counters, door }
    }

    #[must_use]
    pub fn counters(&self) -> Arc<SmtpCounters> {
        Arc::clone(&self.counters)
    }

    /// Serves until `stop`, and then no longer than [`drain_wait`](super::SmtpLimits::drain_wait): clients are told to
    /// come again, mails in flight are finished. What is cut off after that was not answered, so it comes again too.
    pub async fn run(self: Arc<Self>, listeners: Vec<TcpListener>, stop: CancellationToken) {
        join_all(listeners.into_iter().map(|listener| Arc::clone(&self).listen(listener, stop.clone()))).await;
    }

    async fn listen(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = sessions.join_next() => log_panic(ended),
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.admit(stream, peer.ip(), &mut sessions, &stop),
                    Err(error) => {
                        tracing::warn!(%error, "no connection can be accepted");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        let all = async {
            while let Some(ended) = sessions.join_next().await {
                log_panic(ended);
            }
        };
        if timeout(self.options.limits.drain_wait, all).await.is_err() {
            tracing::warn!("SMTP sessions were cut off: they did not end in time");
        }
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, peer: IpAddr, sessions: &mut JoinSet<()>, stop: &CancellationToken) {
        let limits = &self.options.limits;
        let Some(place) = self.door.enter(peer, limits.connections, limits.connections_per_peer) else {
            self.counters.count_refused(Refused::TooManyConnections);
            return turn_away(&stream, Refused::TooManyConnections);
        };
        let (server, stop) = (Arc::clone(self), stop.clone());
        sessions.spawn(async move {
            // Replies are written whole; waiting for more of them would only hold up the client.
            let _: io::Result<()> = stream.set_nodelay(true);
            server.converse(stream, peer, &stop).await;
            drop(place);
        });
    }

    /// Serves one client on any stream. The limits on connections are not its matter.
    pub async fn converse<S>(&self, stream: S, peer: IpAddr, stop: &CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let _open = Open::new(&self.counters);
        let peer = peer.to_canonical();
        let Some((stream, tally)) = Session::begin(self, stop, peer, stream).run().await else { return };
        let Some(tls) = &self.tls else { return };
        match timeout(self.options.limits.tls_wait, tls.accept(stream)).await {
            Ok(Ok(stream)) => drop(Session::secured(self, stop, peer, stream, tally).run().await),
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "TLS failed");
                self.counters.count_refused(Refused::TlsFailed);
            }
            Err(_) => self.counters.count_refused(Refused::TlsFailed),
        }
    }
}

/// Counts a session as open for as long as it is, however it ends.
struct Open<'a>(&'a SmtpCounters);

impl<'a> Open<'a> {
    fn new(counters: &'a SmtpCounters) -> Self {
        counters.opened();
        Self(counters)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.closed();
    }
}

/// A session that panicked has lost its own client only; the others go on.
fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "an SMTP session failed; its client was not answered");
    }
}
