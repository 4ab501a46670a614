use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, SOA, TLSA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

/// Ports are tried until one is free for UDP and TCP alike.
const MAX_PORT_TRIES: usize = 20;
const MAX_UDP_OCTETS: usize = 4096;
const MAX_ALIASES: usize = 8;
const TTL_SECONDS: u32 = 300;
/// Stands for every port in the names of TLSA records.
const ANY_PORT: &str = "_any";

/// How a name is answered when not by its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsFault {
    NxDomain,
    ServFail,
    Refused,
    /// No answer at all.
    Silence,
    /// An answer that is no DNS message.
    Garbage,
    /// Over UDP only the TC bit; the whole answer over TCP.
    Truncated,
}

/// A scripted DNS server. A name without records and without fault does not exist; one with records of another type
/// has no data.
#[derive(Default)]
pub struct DnsScript {
    records: HashMap<String, Vec<RData>>,
    faults: HashMap<String, DnsFault>,
    no_soa: bool,
    /// Names whose answers a validating resolver vouches for.
    signed: HashSet<String>,
}

impl DnsScript {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `MX preference host`; the null MX is `(0, ".")`.
    #[must_use]
    pub fn mx(self, name: &str, hosts: &[(u16, &str)]) -> Self {
        hosts.iter().fold(self, |s, (preference, host)| s.record(name, RData::MX(MX::new(*preference, fqdn(host)))))
    }

    #[must_use]
    pub fn address(self, name: &str, ip: IpAddr) -> Self {
        let data = match ip {
            IpAddr::V4(ip) => RData::A(A(ip)),
            IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
        };
        self.record(name, data)
    }

    #[must_use]
    pub fn cname(self, name: &str, target: &str) -> Self {
        self.record(name, RData::CNAME(CNAME(fqdn(target))))
    }

    /// One TXT record, cut into strings of 255 octets as RFC 1035 §3.3 wants them.
    #[must_use]
    pub fn text(self, name: &str, text: &str) -> Self {
        let strings = text.as_bytes().chunks(255).collect();
        self.record(name, RData::TXT(TXT::from_bytes(strings)))
    }

    /// A TLSA record by its numbers.
    #[must_use]
    pub fn tlsa(self, name: &str, [usage, selector, matching]: [u8; 3], data: &[u8]) -> Self {
        let record = TLSA::new(usage.into(), selector.into(), matching.into(), data.to_vec());
        self.record(name, RData::TLSA(record))
    }

    /// A signed TLSA record of a host, for a service on whatever port is asked for.
    #[must_use]
    pub fn tlsa_at_any_port(self, host: &str, numbers: [u8; 3], data: &[u8]) -> Self {
        let name = format!("{ANY_PORT}._tcp.{host}");
        self.tlsa(&name, numbers, data).signed(&name)
    }

    /// Answers for this name have the AD bit for who asks with the DO bit, as a validating resolver gives it to a signed zone.
    #[must_use]
    pub fn signed(mut self, name: &str) -> Self {
        self.signed.insert(key(&fqdn(name)));
        self
    }

    #[must_use]
    pub fn fault(mut self, name: &str, fault: DnsFault) -> Self {
        self.faults.insert(key(&fqdn(name)), fault);
        self
    }

    /// Negative answers come without the SOA record that RFC 2308 asks for, as some servers send them.
    #[must_use]
    pub fn without_soa(mut self) -> Self {
        self.no_soa = true;
        self
    }

    fn record(mut self, name: &str, data: RData) -> Self {
        self.records.entry(key(&fqdn(name))).or_default().push(data);
        self
    }

    /// Listens on one free port of 127.0.0.1, UDP and TCP, until the server is dropped.
    ///
    /// # Panics
    /// When loopback cannot be listened on.
    pub async fn start(self) -> DnsServer {
        let (udp, tcp) = bind().await.expect("a port that is free for UDP and TCP");
        let addr = udp.local_addr().expect("a bound socket has an address");
        let zone = Arc::new(Zone { script: self, queries: Mutex::default() });
        let tasks =
            vec![tokio::spawn(serve_udp(udp, Arc::clone(&zone))), tokio::spawn(serve_tcp(tcp, Arc::clone(&zone)))];
        DnsServer { addr, zone, tasks }
    }
}

/// A running [`DnsScript`].
pub struct DnsServer {
    pub addr: SocketAddr,
    zone: Arc<Zone>,
    tasks: Vec<JoinHandle<()>>,
}

impl DnsServer {
    /// What was asked, as `MX example.test`, in order.
    #[must_use]
    pub fn queries(&self) -> Vec<String> {
        self.zone.queries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

struct Zone {
    script: DnsScript,
    queries: Mutex<Vec<String>>,
}

async fn bind() -> io::Result<(UdpSocket, TcpListener)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..MAX_PORT_TRIES {
        let udp = UdpSocket::bind("127.0.0.1:0").await?;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn serve_udp(socket: UdpSocket, zone: Arc<Zone>) {
    let mut buffer = [0; MAX_UDP_OCTETS];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        if let Some(answer) = zone.answer(&buffer[..length], true) {
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, zone: Arc<Zone>) {
    while let Ok((stream, _)) = listener.accept().await {
        let zone = Arc::clone(&zone);
        tokio::spawn(async move { serve_stream(stream, &zone).await });
    }
}

/// Messages with two octets of length before each (RFC 1035 §4.2.2).
async fn serve_stream(mut stream: TcpStream, zone: &Zone) -> io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut query = vec![0; length.into()];
        stream.read_exact(&mut query).await?;
        if let Some(answer) = zone.answer(&query, false) {
            stream.write_u16(u16::try_from(answer.len()).unwrap_or(u16::MAX)).await?;
            stream.write_all(&answer).await?;
        }
    }
}

impl Zone {
    fn answer(&self, query: &[u8], udp: bool) -> Option<Vec<u8>> {
        let query = Message::from_vec(query).ok()?;
        let question = query.queries.first()?.clone();
        let name = self.known_as(question.name());
        let asked = format!("{} {}", question.query_type(), key(&name));
        self.queries.lock().unwrap_or_else(PoisonError::into_inner).push(asked);

        let mut answer = Message::new(query.metadata.id, MessageType::Response, query.metadata.op_code);
        answer.metadata.recursion_desired = true;
        answer.metadata.recursion_available = true;
        answer.add_query(question.clone());
        let wants_signatures = query.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok);
        answer.metadata.authentic_data = wants_signatures && self.script.signed.contains(&key(&name));
        match self.script.faults.get(&key(&name)) {
            Some(DnsFault::Silence) => return None,
            Some(DnsFault::Garbage) => return Some(b"no DNS".to_vec()),
            Some(DnsFault::ServFail) => answer.metadata.response_code = ResponseCode::ServFail,
            Some(DnsFault::Refused) => answer.metadata.response_code = ResponseCode::Refused,
            Some(DnsFault::NxDomain) => self.negative(&mut answer, ResponseCode::NXDomain),
            Some(DnsFault::Truncated) if udp => answer.metadata.truncation = true,
            Some(DnsFault::Truncated) | None => {
                self.fill(&mut answer, &name, question.query_type());
                rename(&mut answer, &name, question.name());
            }
        }
        answer.to_vec().ok()
    }

    /// The name under which the script knows what is asked for.
    fn known_as(&self, name: &Name) -> Name {
        let any = key(name).split_once("._tcp.").map(|(_, host)| format!("{ANY_PORT}._tcp.{host}"));
        match any.filter(|any| self.script.records.contains_key(any)) {
            Some(any) => fqdn(&any),
            None => name.clone(),
        }
    }

    /// The records of a name, along its aliases.
    fn fill(&self, answer: &mut Message, name: &Name, kind: RecordType) {
        let Some(all) = self.script.records.get(&key(name)) else {
            return self.negative(answer, ResponseCode::NXDomain);
        };
        if let Some(alias) =
            all.iter().find_map(|data| if let RData::CNAME(alias) = data { Some(&alias.0) } else { None })
        {
            answer.add_answer(Record::from_rdata(name.clone(), TTL_SECONDS, RData::CNAME(CNAME(alias.clone()))));
            // An alias that leads to itself ends here.
            if answer.answers.len() < MAX_ALIASES {
                self.fill(answer, alias, kind);
            }
            return;
        }
        let wanted: Vec<&RData> = all.iter().filter(|data| data.record_type() == kind).collect();
        if wanted.is_empty() {
            return self.negative(answer, ResponseCode::NoError);
        }
        for data in wanted {
            answer.add_answer(Record::from_rdata(name.clone(), TTL_SECONDS, data.clone()));
        }
    }

    fn negative(&self, answer: &mut Message, code: ResponseCode) {
        answer.metadata.response_code = code;
        if !self.script.no_soa {
            let soa = SOA::new(fqdn("ns.test"), fqdn("hostmaster.test"), 1, 3600, 600, 86400, 60);
            answer.add_authority(Record::from_rdata(fqdn("test"), 60, RData::SOA(soa)));
        }
    }
}

/// Answers stand under the name that was asked for.
fn rename(answer: &mut Message, known: &Name, asked: &Name) {
    for record in answer.answers.iter_mut().filter(|record| record.name == *known) {
        record.name = asked.clone();
    }
}

fn fqdn(name: &str) -> Name {
    let mut name = Name::from_ascii(name).expect("a test's names are names");
    name.set_fqdn(true);
    name
}

fn key(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}
