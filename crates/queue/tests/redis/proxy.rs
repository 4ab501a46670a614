use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Between a queue and its server: swallows a reply when told to, and breaks the connection.
pub struct Proxy {
    port: u16,
    trap: Arc<Trap>,
}

#[derive(Default)]
struct Trap {
    /// The next request that contains this is served, but its reply is lost.
    armed: std::sync::Mutex<Option<&'static str>>,
    waits: AtomicBool,
    sprung: AtomicUsize,
}

impl Proxy {
    pub async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = listener.local_addr().expect("an address").port();
        let trap = Arc::new(Trap::default());
        let shared = Arc::clone(&trap);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.expect("the server");
                tokio::spawn(carry(client, server, Arc::clone(&shared)));
            }
        });
        Self { port: own, trap }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn lose_reply_to(&self, function: &'static str) {
        *self.trap.armed.lock().expect("no panic") = Some(function);
    }

    pub fn lost(&self) -> usize {
        self.trap.sprung.load(SeqCst)
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, trap: Arc<Trap>) {
    let (mut request, mut reply) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut request) => {
                let Ok(count @ 1..) = read else { return };
                trap.look_at(&request[..count]);
                if server.write_all(&request[..count]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut reply) => {
                let Ok(count @ 1..) = read else { return };
                if trap.waits.swap(false, SeqCst) {
                    trap.sprung.fetch_add(1, SeqCst);
                    return;
                }
                if client.write_all(&reply[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

impl Trap {
    fn look_at(&self, request: &[u8]) {
        let mut armed = self.armed.lock().expect("no panic");
        if armed.is_some_and(|word| String::from_utf8_lossy(request).contains(word)) {
            *armed = None;
            self.waits.store(true, SeqCst);
        }
    }
}
