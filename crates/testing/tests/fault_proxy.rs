//! The fault proxy does what it is told, and nothing else.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tidings_testing::{FaultProxy, Then};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Far longer than anything here takes.
const TOO_LONG: Duration = Duration::from_secs(30);
const A_MOMENT: Duration = Duration::from_millis(50);

/// Answers each chunk with its greeting and the chunk.
async fn server(greeting: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut chunk = [0; 256];
                while let Ok(count @ 1..) = stream.read(&mut chunk).await {
                    let answer = [greeting.as_bytes(), &chunk[..count]].concat();
                    if stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

async fn client(proxy: &FaultProxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.expect("connects")
}

/// What comes back; empty: the connection is at its end.
async fn ask(stream: &mut TcpStream, words: &str) -> String {
    let mut answer = [0; 256];
    let read = async {
        // A connection that was cut may not even take the words.
        stream.write_all(words.as_bytes()).await.ok()?;
        stream.read(&mut answer).await.ok()
    };
    let count = timeout(TOO_LONG, read).await.expect("answered or cut").unwrap_or(0);
    String::from_utf8_lossy(&answer[..count]).into_owned()
}

#[tokio::test]
async fn it_carries_and_cuts_and_leads_elsewhere() {
    let (old, new) = (server("old ").await, server("new ").await);
    let proxy = FaultProxy::before(old).await.expect("a proxy");
    let mut stream = client(&proxy).await;
    assert_eq!(ask(&mut stream, "hello").await, "old hello");
    proxy.cut();
    assert_eq!(ask(&mut stream, "again").await, "", "cut");
    assert_eq!(ask(&mut client(&proxy).await, "again").await, "old again", "a new one is not");
    let mut stream = client(&proxy).await;
    assert_eq!(ask(&mut stream, "one").await, "old one");
    proxy.lead_to(new);
    assert_eq!(ask(&mut stream, "two").await, "");
    assert_eq!(ask(&mut client(&proxy).await, "two").await, "new two");
    proxy.refuse(true);
    assert_eq!(ask(&mut client(&proxy).await, "three").await, "");
    proxy.refuse(false);
    assert_eq!(ask(&mut client(&proxy).await, "three").await, "new three");
}

#[tokio::test]
async fn a_trap_springs_once_and_for_its_words_only() {
    let proxy = FaultProxy::before(server("").await).await.expect("a proxy");
    proxy.trap("COMMIT", Then::CutBeforeReply);
    let (mut one, mut other) = (client(&proxy).await, client(&proxy).await);
    assert_eq!(ask(&mut one, "BEGIN").await, "BEGIN");
    assert_eq!((ask(&mut other, "COMMIT").await, proxy.sprung()), (String::new(), 1));
    assert_eq!(ask(&mut one, "COMMIT").await, "COMMIT", "the other connection lives");
    proxy.trap("DATA", Then::CutBeforeRequest);
    assert_eq!((ask(&mut one, "DATA").await, proxy.sprung()), (String::new(), 2));
    proxy.trap("never", Then::CutBeforeReply);
    proxy.disarm();
    assert_eq!(ask(&mut client(&proxy).await, "never").await, "never");
}

#[tokio::test]
async fn a_swallowed_reply_leaves_the_connection_open() {
    let proxy = FaultProxy::before(server("").await).await.expect("a proxy");
    proxy.trap("claim", Then::SwallowReply);
    let mut stream = client(&proxy).await;
    stream.write_all(b"claim").await.expect("writes");
    timeout(TOO_LONG, proxy.until_sprung(1)).await.expect("it springs");
    assert_eq!(ask(&mut stream, "next").await, "next");
}

#[tokio::test]
async fn silence_and_delay_hold_back_and_lose_nothing() {
    let proxy = FaultProxy::before(server("").await).await.expect("a proxy");
    let mut stream = client(&proxy).await;
    assert_eq!(ask(&mut stream, "a").await, "a");
    proxy.silence(true);
    assert!(timeout(A_MOMENT, ask(&mut stream, "b")).await.is_err(), "nothing comes through");
    proxy.silence(false);
    let mut answer = [0; 1];
    timeout(TOO_LONG, stream.read_exact(&mut answer)).await.expect("it comes").expect("whole");
    assert_eq!(&answer, b"b");
    proxy.delay(A_MOMENT);
    let began = Instant::now();
    assert_eq!(ask(&mut stream, "c").await, "c");
    assert!(began.elapsed() >= 2 * A_MOMENT, "each way");
    proxy.delay(Duration::ZERO);
    proxy.silence(true);
    assert!(timeout(A_MOMENT, ask(&mut stream, "d")).await.is_err());
    proxy.cut();
    assert_eq!(ask(&mut stream, "e").await, "", "a silence can be cut");
}

#[tokio::test]
async fn a_half_closed_client_reads_the_end_and_is_still_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let proxy = FaultProxy::before(listener.local_addr().expect("an address")).await.expect("a proxy");
    let mut client = client(&proxy).await;
    let (mut server, _) = listener.accept().await.expect("a connection");
    proxy.half_close();
    assert_eq!(timeout(TOO_LONG, client.read(&mut [0; 8])).await.expect("soon").expect("reads"), 0);
    client.write_all(b"still here").await.expect("writes");
    let mut heard = [0; 10];
    timeout(TOO_LONG, server.read_exact(&mut heard)).await.expect("soon").expect("whole");
    assert_eq!(&heard, b"still here");
}
