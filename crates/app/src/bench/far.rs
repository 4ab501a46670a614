//! Distance: a proxy on loopback that delivers every octet late, both ways, as a long wire does. It takes as many as come.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

const READ_OCTETS: usize = 64 * 1024;
/// Reads on their way; a wire holds no more either.
const ON_THE_WIRE: usize = 256;

pub struct Far {
    pub address: SocketAddr,
    /// Dropping it cuts every wire.
    _tasks: JoinSet<()>,
}

impl Far {
    /// Puts half a round trip between us and `peer`, in each direction.
    ///
    /// # Errors
    /// No socket to listen on.
    pub async fn start(peer: SocketAddr, round_trip: Duration) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("a socket for the long wire")?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut wires = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                wires.spawn(wire(near, peer, round_trip / 2));
                while wires.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, _tasks: tasks })
    }
}

/// Whatever goes wrong cuts it; the two ends notice.
async fn wire(near: TcpStream, peer: SocketAddr, delay: Duration) {
    let Ok(far) = TcpStream::connect(peer).await else { return };
    if near.set_nodelay(true).and(far.set_nodelay(true)).is_err() {
        return;
    }
    let (from_near, to_near) = near.into_split();
    let (from_far, to_far) = far.into_split();
    tokio::join!(late(from_near, to_far, delay), late(from_far, to_near, delay));
}

async fn late(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, delay: Duration) {
    let (sent, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WIRE);
    let send = async move {
        loop {
            let mut octets = Vec::with_capacity(READ_OCTETS);
            let read = from.read_buf(&mut octets).await;
            if !matches!(read, Ok(n) if n > 0) || sent.send((Instant::now() + delay, octets)).await.is_err() {
                return;
            }
        }
    };
    let arrive = async move {
        while let Some((at, octets)) = arriving.recv().await {
            sleep_until(at).await;
            if to.write_all(&octets).await.is_err() {
                return;
            }
        }
        // The end of a stream travels like all else; a peer that is gone needs no word.
        let _ = to.shutdown().await;
    };
    tokio::join!(send, arrive);
}
