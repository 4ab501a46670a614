use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::Certificate;

const READ_OCTETS: usize = 4 * 1024;

/// An HTTPS server on loopback that gives everyone the same answer, until it is told another.
pub struct HttpsServer {
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    tls: TlsAcceptor,
    answer: Mutex<Vec<u8>>,
    requests: Mutex<Vec<String>>,
}

impl HttpsServer {
    /// Answers with 200 and this text.
    ///
    /// # Panics
    /// When loopback cannot be listened on.
    pub async fn start(certificate: &Certificate, text: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let addr = listener.local_addr().expect("a bound listener has an address");
        let tls = TlsAcceptor::from(certificate.server_config());
        let shared = Arc::new(Shared { tls, answer: Mutex::default(), requests: Mutex::default() });
        let accepting = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&accepting);
                // How a connection ends is what a test looks at from its own side.
                tokio::spawn(async move { serve(stream, &shared).await });
            }
        });
        let server = Self { addr, shared, task };
        server.answer_text(text);
        server
    }

    /// From now on: 200 and this text.
    pub fn answer_text(&self, text: &str) {
        self.answer(&format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        ));
    }

    /// From now on: exactly these octets, and the end of the connection.
    pub fn answer(&self, octets: &str) {
        *self.shared.answer.lock().unwrap_or_else(PoisonError::into_inner) = octets.as_bytes().to_vec();
    }

    /// The first line and the Host of each request, as `GET /path HTTP/1.1 host.example:1234`.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for HttpsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut stream = shared.tls.accept(stream).await?;
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        request.reserve(READ_OCTETS);
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let request = String::from_utf8_lossy(&request);
    let host = request.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("host:").map(str::to_owned));
    let first = request.lines().next().unwrap_or_default();
    let line = format!("{first} {}", host.unwrap_or_default().trim());
    shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    let answer = shared.answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
    stream.write_all(&answer).await?;
    stream.shutdown().await
}
