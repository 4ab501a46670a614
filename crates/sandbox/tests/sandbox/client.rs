//! A client that says exactly what a test tells it to.

use std::net::Ipv4Addr;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub struct Client {
    stream: BufReader<Box<dyn Stream>>,
    pub banner: String,
    pub greeting: String,
}

impl Client {
    /// Connects and reads the banner.
    pub async fn open(to: (Ipv4Addr, u16)) -> Self {
        let stream = TcpStream::connect(to).await.expect("connects");
        stream.set_nodelay(true).expect("sets");
        let stream: Box<dyn Stream> = Box::new(stream);
        let mut client = Self { stream: BufReader::new(stream), banner: String::new(), greeting: String::new() };
        client.banner = client.reply().await;
        client
    }

    /// … and says EHLO. Where the server hung up without a word, tries again.
    pub async fn connect(to: (Ipv4Addr, u16)) -> Self {
        for _ in 0..3 {
            let mut client = Self::open(to).await;
            if !client.banner.is_empty() {
                client.greeting = client.command("EHLO client.example").await;
                return client;
            }
        }
        panic!("no banner in three connections")
    }

    pub async fn start_tls(mut self, host: &str, certificate: &CertificateDer<'static>) -> Self {
        assert!(self.command("STARTTLS").await.starts_with("220"));
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).expect("a certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        let stream = TlsConnector::from(Arc::new(config)).connect(name, self.stream.into_inner()).await;
        let stream: Box<dyn Stream> = Box::new(stream.expect("a handshake"));
        let mut client = Self { stream: BufReader::new(stream), banner: String::new(), greeting: String::new() };
        client.greeting = client.command("EHLO client.example").await;
        client
    }

    /// Errors show as an empty reply to come.
    pub async fn write(&mut self, text: &str) {
        drop(self.stream.write_all(text.as_bytes()).await);
        drop(self.stream.flush().await);
    }

    /// All lines of a reply; empty when the connection has ended.
    pub async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return String::new();
            }
            reply.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return reply;
            }
        }
    }

    pub async fn command(&mut self, line: &str) -> String {
        self.write(&format!("{line}\r\n")).await;
        self.reply().await
    }

    /// One transaction. The code of the reply that ended it; `drop` if the connection ended before the final dot,
    /// `dot` if after it.
    pub async fn send_one(&mut self, recipient: &str, stuffed: &str) -> String {
        for (line, good) in [
            ("MAIL FROM:<b@sender.example>".to_owned(), "250"),
            (format!("RCPT TO:<{recipient}>"), "250"),
            ("DATA".to_owned(), "354"),
        ] {
            let reply = self.command(&line).await;
            if !reply.starts_with(good) {
                return reply.get(..3).unwrap_or("drop").to_owned();
            }
        }
        self.write(stuffed).await;
        let reply = self.command(".").await;
        reply.get(..3).unwrap_or("dot").to_owned()
    }
}

pub async fn reply_codes(client: &mut Client, count: usize) -> Vec<String> {
    let mut codes = Vec::new();
    for _ in 0..count {
        codes.push(client.reply().await.get(..3).unwrap_or("").to_owned());
    }
    codes
}
