use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, MX, PTR};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::provider::{BROKEN_DNS, NULL_MX, WITHOUT_MX};
use crate::{Provider, provider_of, providers};

const TTL_SECONDS: u32 = 300;
const MAX_QUERY_OCTETS: usize = 4_096;
const TCP_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_PORT_TRIES: usize = 20;

/// Name servers for the world's domains, over UDP and TCP on one port.
pub async fn serve(tasks: &mut JoinSet<()>) -> io::Result<SocketAddr> {
    let (udp, tcp) = bind().await?;
    let address = udp.local_addr()?;
    tasks.spawn(serve_udp(udp));
    tasks.spawn(serve_tcp(tcp));
    Ok(address)
}

/// A port that is free for both.
async fn bind() -> io::Result<(UdpSocket, TcpListener)> {
    let mut last = io::Error::other("no port tried");
    for _ in 0..MAX_PORT_TRIES {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn serve_udp(socket: UdpSocket) {
    let mut query = [0; MAX_QUERY_OCTETS];
    loop {
        let Ok((length, peer)) = socket.recv_from(&mut query).await else { continue };
        if let Some(reply) = answer(&query[..length])
            && let Err(error) = socket.send_to(&reply, peer).await
        {
            tracing::debug!(%error, "a DNS answer was not sent");
        }
    }
}

async fn serve_tcp(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve_stream(stream));
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Each message has its length before it (RFC 1035 §4.2.2). Whatever goes wrong ends the connection.
async fn serve_stream(mut stream: TcpStream) {
    while let Ok(Ok(length)) = timeout(TCP_TIMEOUT, stream.read_u16()).await {
        let mut query = vec![0; usize::from(length)];
        let read = timeout(TCP_TIMEOUT, stream.read_exact(&mut query)).await;
        let (Ok(Ok(_)), Some(reply)) = (read, answer(&query)) else { return };
        let Ok(length) = u16::try_from(reply.len()) else { return };
        if stream.write_u16(length).await.is_err() || stream.write_all(&reply).await.is_err() {
            return;
        }
    }
}

/// The reply to a query's octets; `None` for what is no query.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let query = Message::from_vec(query).ok().filter(|m| m.metadata.message_type == MessageType::Query)?;
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    let question = query.queries.first()?;
    let (code, records) = look_up(question);
    reply.metadata.response_code = code;
    reply.metadata.authoritative = true;
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.add_query(question.clone());
    reply.add_answers(records);
    reply.to_vec().ok()
}

fn look_up(question: &Query) -> (ResponseCode, Vec<Record>) {
    let name = question.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
    if name == BROKEN_DNS || name.ends_with(&format!(".{BROKEN_DNS}")) {
        return (ResponseCode::ServFail, Vec::new());
    }
    let Some(data) = records(&name, question.query_type()) else { return (ResponseCode::NXDomain, Vec::new()) };
    let record = |data| Record::from_rdata(question.name().clone(), TTL_SECONDS, data);
    (ResponseCode::NoError, data.into_iter().map(record).collect())
}

/// `None` if the name does not exist; an empty list if it has nothing of this type.
fn records(name: &str, record_type: RecordType) -> Option<Vec<RData>> {
    if let Some(provider) = provider_of_host(name) {
        return Some(address_records(provider, record_type));
    }
    if let Some(provider) = provider_at(name) {
        return Some(reverse_records(provider, record_type));
    }
    if name == NULL_MX {
        let null = RData::MX(MX::new(0, Name::root()));
        return Some(if record_type == RecordType::MX { vec![null] } else { Vec::new() });
    }
    let provider = provider_of(name)?;
    Some(match record_type {
        _ if name == WITHOUT_MX => address_records(provider, record_type),
        RecordType::MX => mx_records(provider),
        _ => Vec::new(),
    })
}

fn provider_of_host(name: &str) -> Option<&'static Provider> {
    let (host, domain) = name.split_once('.')?;
    providers().iter().find(|p| matches!(host, "mx1" | "mx2") && p.name == domain)
}

/// Whose address a name of the reverse tree (RFC 1035 §3.5) stands for.
fn provider_at(name: &str) -> Option<&'static Provider> {
    let of = |provider: &Provider| {
        let [a, b, c, d] = provider.address().octets();
        format!("{d}.{c}.{b}.{a}.in-addr.arpa")
    };
    providers().iter().find(|provider| of(provider) == name)
}

fn reverse_records(provider: &Provider, record_type: RecordType) -> Vec<RData> {
    let [first, _] = provider.hosts();
    let name = Name::from_ascii(first).ok().filter(|_| record_type == RecordType::PTR);
    name.map(|name| RData::PTR(PTR(name))).into_iter().collect()
}

fn address_records(provider: &Provider, record_type: RecordType) -> Vec<RData> {
    if record_type == RecordType::A { vec![RData::A(A(provider.address()))] } else { Vec::new() }
}

fn mx_records(provider: &Provider) -> Vec<RData> {
    let hosts = provider.hosts().into_iter().zip([10, 20]);
    hosts.filter_map(|(host, preference)| Some(RData::MX(MX::new(preference, Name::from_ascii(host).ok()?)))).collect()
}
