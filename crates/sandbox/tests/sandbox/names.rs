//! The name server, asked as a resolver asks.

use std::net::{Ipv4Addr, SocketAddr};

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tidings_sandbox::{World, WorldOptions, provider_of, providers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

fn question(name: &str, record_type: RecordType) -> Vec<u8> {
    let mut message = Message::new(4_711, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).expect("a name"), record_type));
    message.to_vec().expect("a message")
}

async fn ask(server: SocketAddr, name: &str, record_type: RecordType) -> (ResponseCode, Vec<String>) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
    socket.send_to(&question(name, record_type), server).await.expect("sends");
    let mut buffer = [0; 4_096];
    let length = socket.recv(&mut buffer).await.expect("an answer");
    let answer = Message::from_vec(&buffer[..length]).expect("a message");
    assert_eq!(answer.metadata.id, 4_711);
    let mut data: Vec<_> = answer.answers.iter().map(|record| text(&record.data)).collect();
    data.sort();
    (answer.metadata.response_code, data)
}

fn text(data: &RData) -> String {
    match data {
        RData::MX(mx) => format!("{} {}", mx.preference, mx.exchange),
        RData::A(a) => a.to_string(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn each_kind_of_answer_is_given() {
    use RecordType::{A, AAAA, MX, TXT};
    let world = World::start(WorldOptions::default()).await.expect("starts");
    for (name, record_type, code, data) in [
        (
            "acme-tools.example.",
            MX,
            ResponseCode::NoError,
            &["10 mx1.harbor-hosting.example.", "20 mx2.harbor-hosting.example."][..],
        ),
        ("PostBox.Example.", MX, ResponseCode::NoError, &["10 mx1.postbox.example.", "20 mx2.postbox.example."]),
        ("mx1.postbox.example.", A, ResponseCode::NoError, &["127.0.0.11"]),
        ("mx2.harbor-hosting.example.", A, ResponseCode::NoError, &["127.0.0.13"]),
        ("mx1.postbox.example.", AAAA, ResponseCode::NoError, &[]),
        ("postbox.example.", A, ResponseCode::NoError, &[]),
        ("postbox.example.", TXT, ResponseCode::NoError, &[]),
        ("oldschool.example.", MX, ResponseCode::NoError, &[]),
        ("oldschool.example.", A, ResponseCode::NoError, &["127.0.0.13"]),
        ("nomail.example.", MX, ResponseCode::NoError, &["0 ."]),
        ("gone.invalid.", MX, ResponseCode::NXDomain, &[]),
        ("mx3.postbox.example.", A, ResponseCode::NXDomain, &[]),
        ("gmail.com.", MX, ResponseCode::NXDomain, &[]),
        ("broken-dns.test.", MX, ResponseCode::ServFail, &[]),
    ] {
        let (got, records) = ask(world.dns(), name, record_type).await;
        assert_eq!((got, records.iter().map(String::as_str).collect::<Vec<_>>()), (code, data.to_vec()), "{name}");
    }
}

#[tokio::test]
async fn tcp_answers_too() {
    let world = World::start(WorldOptions::default()).await.expect("starts");
    let mut stream = TcpStream::connect(world.dns()).await.expect("connects");
    for name in ["postbox.example.", "bigmail.test."] {
        let query = question(name, RecordType::MX);
        stream.write_u16(u16::try_from(query.len()).expect("short")).await.expect("writes");
        stream.write_all(&query).await.expect("writes");
        let mut answer = vec![0; usize::from(stream.read_u16().await.expect("a length"))];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(Message::from_vec(&answer).expect("a message").answers.len(), 2);
    }
}

#[test]
fn no_name_can_leave_the_machine() {
    let reserved = |name: &str| [".example", ".test", ".invalid"].iter().any(|end| name.ends_with(end));
    for provider in providers() {
        assert!(reserved(provider.name) && provider.address().is_loopback());
        for domain in provider.domains {
            assert!(reserved(domain), "{domain}");
            assert_eq!(provider_of(domain), Some(provider), "{domain} belongs to one provider");
        }
    }
}
