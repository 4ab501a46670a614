//! Traces for an OpenTelemetry collector: what was asked of a process is told, with who tells it.

use std::sync::{Arc, Mutex};

use tidings_tests::binary::Server;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Takes posts as a collector does, and keeps their bodies.
async fn collector() -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let kept = Arc::<Mutex<Vec<u8>>>::default();
    let keep = Arc::clone(&kept);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take_posts(stream, Arc::clone(&keep)));
        }
    });
    (url, kept)
}

async fn take_posts(stream: TcpStream, keep: Arc<Mutex<Vec<u8>>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        while stream.read_line(&mut line).await.is_ok_and(|octets| octets > 0) && line != "\r\n" {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            line.clear();
        }
        let mut body = vec![0; length];
        if length == 0 || stream.read_exact(&mut body).await.is_err() {
            return;
        }
        keep.lock().expect("the bodies").extend(body);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    }
}

#[tokio::test]
async fn requests_are_told_to_the_collector() {
    let (url, kept) = collector().await;
    let folder = tempfile::tempdir().expect("a folder");
    let environment = [("TIDINGS_TRACES_COLLECTOR", url.as_str()), ("TIDINGS_TRACES_SHARE", "1")];
    let server = Server::start(folder.path(), &environment).await;
    let answer = reqwest::get(format!("{}/health/live", server.url)).await.expect("an answer");
    assert!(answer.status().is_success());
    assert_eq!(server.stop().await, Some(0));
    // Protocol buffers hold text as it is.
    let bodies = String::from_utf8_lossy(&kept.lock().expect("the bodies")).into_owned();
    for word in ["service.name", "tidings", "tidings.role", "serve", "request", "/health/live"] {
        assert!(bodies.contains(word), "{word:?} is not told");
    }
}

#[tokio::test]
async fn a_collector_that_is_away_stops_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let environment = [("TIDINGS_TRACES_COLLECTOR", "http://127.0.0.1:1"), ("TIDINGS_TRACES_SHARE", "1")];
    let server = Server::start(folder.path(), &environment).await;
    let answer = reqwest::get(format!("{}/health/live", server.url)).await.expect("an answer");
    assert!(answer.status().is_success());
    assert_eq!(server.stop().await, Some(0));
}
