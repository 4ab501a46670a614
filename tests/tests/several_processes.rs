//! The roles in processes of their own, on PostgreSQL and Redis: what fits together and what does not. Who is killed: see crash_harness.rs.

use tidings_testing::{TestDatabase, TestRedis};
use tidings_tests::binary::{Server, run};

#[tokio::test]
async fn what_does_not_fit_together_is_refused_at_the_start() {
    let (database, redis) = (TestDatabase::postgres(), TestRedis::start());
    let (postgres, redis_url) = (("DATABASE_URL", database.url()), redis.url());
    let redis_url = ("REDIS_URL", redis_url.as_str());
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_string_lossy().into_owned();
    let data = ("TIDINGS_DATA_DIR", data.as_str());
    let nobody = ("REDIS_URL", "redis://127.0.0.1:1/");
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let cases: &[Case<'_>] = &[
        ("worker", &[postgres, data], "set REDIS_URL"),
        ("serve", &[redis_url, data], "DATABASE_URL=postgres://"),
        ("worker", &[postgres, nobody, data], "redis://127.0.0.1:1/"),
        ("worker", &[postgres, redis_url, data, ("TIDINGS_SECRET_KEY", "short")], "32 octets in base64"),
    ];
    for (role, environment, words) in cases {
        let (success, text) = run(&[role], environment).await;
        assert!(!success && text.contains(words), "{role} {environment:?}: {text}");
    }
}

#[tokio::test]
async fn a_process_with_another_key_may_not_join() {
    let (database, redis) = (TestDatabase::postgres(), TestRedis::start());
    let redis_url = redis.url();
    let servers = [("DATABASE_URL", database.url()), ("REDIS_URL", redis_url.as_str())];
    let (ours, theirs) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let web = Server::start_role("web", ours.path(), &servers).await;
    assert!(web.setup_link.is_some(), "the pages are set up as with serve");
    let elsewhere = theirs.path().to_string_lossy().into_owned();
    let environment = [servers[0], servers[1], ("TIDINGS_DATA_DIR", elsewhere.as_str())];
    let (success, text) = run(&["worker"], &environment).await;
    assert!(!success && text.contains("another instance key"), "{text}");
    assert_eq!(web.stop().await, Some(0));
}
