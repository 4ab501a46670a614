use tidings_queue::{OpenError, Queue, RedisOptions};
use tidings_testing::{Certificate, TestRedis};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::{ask, bulk, drain, jobs, options};

async fn refused(options: RedisOptions) -> OpenError {
    match Queue::redis(options).await {
        Err(error) => {
            println!("{error}");
            error
        }
        Ok(_) => panic!("it was opened"),
    }
}

#[tokio::test]
async fn an_address_where_nobody_is() {
    let mut server = TestRedis::start();
    server.kill();
    let error = refused(options(server.url())).await;
    assert!(matches!(&error, OpenError::Unreachable { at, .. } if *at == format!("127.0.0.1:{}", server.port())));
}

#[tokio::test]
async fn what_is_no_address() {
    for url in ["", "localhost", "http://localhost", "redis://localhost:port"] {
        assert!(matches!(refused(options(url)).await, OpenError::BadUrl(_)), "{url}");
    }
    let prefix = |prefix: &str| RedisOptions { prefix: prefix.into(), ..options("redis://localhost") };
    for bad in ["", "a{b", "a*", "a b", &"x".repeat(65)] {
        assert!(matches!(refused(prefix(bad)).await, OpenError::BadPrefix(_)), "{bad}");
    }
}

#[tokio::test]
async fn a_wrong_password() {
    let server = TestRedis::start_with(&["--requirepass", "secret"]);
    let with = |user: &str| options(format!("redis://{user}127.0.0.1:{}", server.port()));
    assert!(matches!(refused(with("")).await, OpenError::WrongPassword { .. }));
    assert!(matches!(refused(with(":wrong@")).await, OpenError::WrongPassword { .. }));
    assert!(matches!(refused(with("nobody:secret@")).await, OpenError::WrongPassword { .. }));
    assert!(Queue::redis(with(":secret@")).await.is_ok());
}

#[tokio::test]
async fn a_server_that_throws_keys_away_even_if_config_is_forbidden() {
    let server = TestRedis::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    ask(&server, "ACL SETUSER app on >secret ~* &* +@all -config").await;
    let error = refused(options(format!("redis://app:secret@127.0.0.1:{}", server.port()))).await;
    assert!(matches!(&error, OpenError::Evicts { policy, .. } if policy == "allkeys-lru"));
    assert!(error.to_string().contains("CONFIG SET maxmemory-policy noeviction"));
}

#[tokio::test]
async fn a_server_whose_certificate_nobody_vouches_for() {
    let certificate = Certificate::valid("localhost");
    let (_server, url) = TestRedis::with_tls(&certificate);
    let error = refused(options(url.as_str())).await;
    assert!(matches!(&error, OpenError::Unreachable { why, .. } if why.contains("certificate")), "{error}");
    let vouched = RedisOptions { root_certificate: Some(certificate.pem().into()), ..options(url.as_str()) };
    let queue = Queue::redis(vouched).await.expect("a queue");
    queue.push(&bulk("p"), 1, &jobs(1, 0..3)).await;
    assert_eq!(drain(&queue).await, [0, 1, 2]);
    let stranger = Certificate::valid("localhost");
    let wrong = RedisOptions { root_certificate: Some(stranger.pem().into()), ..options(url) };
    assert!(matches!(refused(wrong).await, OpenError::Unreachable { .. }));
}

/// The rights that the refusal asks for are enough.
#[tokio::test]
async fn a_user_without_rights_and_one_with_just_enough() {
    let server = TestRedis::start();
    ask(&server, "ACL SETUSER poor on >secret ~other:* &* +@all -@dangerous +info").await;
    let error = refused(options(format!("redis://poor:secret@127.0.0.1:{}", server.port()))).await;
    let text = error.to_string();
    assert!(matches!(error, OpenError::NotPermitted { .. }), "{text}");
    let rights = text.split_once("Grant it ").expect("says what").1;
    ask(&server, &format!("ACL SETUSER app on >secret {rights}")).await;
    let queue =
        Queue::redis(options(format!("redis://app:secret@127.0.0.1:{}", server.port()))).await.expect("a queue");
    queue.push(&bulk("p"), 1, &jobs(1, 0..3)).await;
    queue.pause_campaign(1).await;
    queue.resume_campaign(1).await;
    assert_eq!(drain(&queue).await, [0, 1, 2]);
    assert!(queue.expired().await.is_empty() && queue.snapshot().await.shards.is_empty());
}

#[tokio::test]
async fn a_prefix_of_somebody_else() {
    let server = TestRedis::start();
    ask(&server, "SET tidings:sessions 5").await;
    let error = refused(options(server.url())).await;
    assert!(matches!(&error, OpenError::ForeignPrefix { key, .. } if key == "tidings:sessions"));
    ask(&server, "SET {other:q0}:m 5").await;
    let other = RedisOptions { prefix: "other".into(), ..options(server.url()) };
    assert!(matches!(refused(other).await, OpenError::ForeignPrefix { .. }));
    let own = RedisOptions { prefix: "own".into(), ..options(server.url()) };
    assert!(Queue::redis(own.clone()).await.is_ok() && Queue::redis(own).await.is_ok());
}

#[tokio::test]
async fn keys_of_another_release() {
    let server = TestRedis::start();
    assert!(Queue::redis(options(server.url())).await.is_ok());
    ask(&server, "HSET {tidings:q0}:m schema 99").await;
    let error = refused(options(server.url())).await;
    assert!(matches!(&error, OpenError::OtherSchema { found, .. } if found == "99"));
}

#[tokio::test]
async fn a_server_that_is_too_old() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            while let Ok(count @ 1..) = client.read(&mut request).await {
                let text = String::from_utf8_lossy(&request[..count]).into_owned();
                for command in text.split('*').skip(1) {
                    let info = "redis_version:6.2.14\r\nmaxmemory_policy:noeviction\r\n";
                    let answer = match command.contains("\r\nINFO\r\n") {
                        true => format!("${}\r\n{info}\r\n", info.len()),
                        false => "+OK\r\n".into(),
                    };
                    client.write_all(answer.as_bytes()).await.expect("written");
                }
            }
        }
    });
    let error = refused(options(format!("redis://127.0.0.1:{port}"))).await;
    assert!(matches!(&error, OpenError::TooOld { version, .. } if version == "6.2.14"));
}
