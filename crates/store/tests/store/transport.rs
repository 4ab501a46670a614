//! What is kept of transport security: policies, demands, missing domains, sessions. On both backends.

use std::time::Duration;

use tidings_domain::{TlsPolicyType, TlsResult, UnixMs};
use tidings_store::{Store, StoreOptions, StsPolicyRow, TLS_SESSIONS_KEPT_DAYS, TlsSessions, day_of};
use tidings_testing::TestDatabase;

const NOW: UnixMs = UnixMs(1_800_000_000_000);

async fn open(database: &TestDatabase) -> Store {
    Store::open(database.url(), StoreOptions::default()).await.expect("opens")
}

fn hours(n: i64) -> UnixMs {
    UnixMs(NOW.0 + n * UnixMs::HOUR)
}

#[tokio::test]
async fn a_policy_is_kept_until_it_expires_or_is_replaced() {
    for database in TestDatabase::each() {
        let store = open(&database).await;
        let row = |id: &str, expires_at_ms| StsPolicyRow {
            domain: "acme.example".to_owned(),
            policy_id: id.to_owned(),
            policy: "version: STSv1\nmode: enforce\n".to_owned(),
            fetched_at_ms: NOW.0,
            expires_at_ms,
        };
        let found = || store.sts_policy("acme.example".to_owned(), NOW);
        assert_eq!(found().await.expect("reads"), None);
        store.save_sts_policy(row("1", hours(1).0)).await.expect("saves");
        store.save_sts_policy(row("2", hours(2).0)).await.expect("saves");
        assert_eq!(found().await.expect("reads"), Some(row("2", hours(2).0)));
        assert_eq!(store.sts_policy("acme.example".to_owned(), hours(2)).await.expect("reads"), None, "expired");
        assert_eq!(store.forget_expired_sts_policies(hours(1)).await.expect("forgets"), 0);
        assert_eq!(store.forget_expired_sts_policies(hours(2)).await.expect("forgets"), 1);
    }
}

#[tokio::test]
async fn demands_are_added_changed_and_taken_back() {
    for database in TestDatabase::each() {
        let store = open(&database).await;
        for (domain, is_verified) in [("b.example", false), ("a.example", false), ("a.example", true)] {
            assert!(store.require_tls(domain.to_owned(), is_verified, "ana", NOW).await.expect("adds"));
        }
        let all = store.tls_required_domains().await.expect("reads");
        let all: Vec<_> = all.iter().map(|row| (row.domain.as_str(), row.is_verified)).collect();
        assert_eq!(all, [("a.example", true), ("b.example", false)]);
        assert!(store.stop_requiring_tls("a.example".to_owned()).await.expect("removes"));
        assert!(!store.stop_requiring_tls("a.example".to_owned()).await.expect("removes"));
        assert_eq!(store.tls_required_domains().await.expect("reads").len(), 1);
    }
}

#[tokio::test]
async fn a_missing_domain_is_remembered_from_its_first_answer() {
    for database in TestDatabase::each() {
        let store = open(&database).await;
        let note = |at| store.note_missing_domain("gone.example", at);
        assert_eq!(note(NOW).await.expect("notes"), Duration::ZERO);
        assert_eq!(note(hours(1)).await.expect("notes"), Duration::from_secs(3600));
        assert_eq!(note(hours(12)).await.expect("notes"), Duration::from_secs(12 * 3600));
        // After a silence of more than half a day it begins anew: in between it may have been there.
        assert_eq!(note(hours(25)).await.expect("notes"), Duration::ZERO);
        store.forget_missing_domain("gone.example").await.expect("forgets");
        assert_eq!(note(hours(27)).await.expect("notes"), Duration::ZERO, "it was found in between");
        assert_eq!(store.forget_old_missing_domains(hours(39)).await.expect("forgets"), 0);
        assert_eq!(store.forget_old_missing_domains(hours(40)).await.expect("forgets"), 1);
    }
}

fn sessions(domain: &str, result: TlsResult, n: i64, day: i32) -> TlsSessions {
    TlsSessions {
        day,
        domain: domain.to_owned(),
        policy: TlsPolicyType::Sts,
        result,
        mx_host: "mx.acme.example".to_owned(),
        n,
        sending_ip: String::new(),
        receiving_ip: "192.0.2.1".to_owned(),
        policy_text: "version: STSv1".to_owned(),
        detail: "nul \0 in it".to_owned(),
        last_at_ms: NOW.0,
    }
}

#[tokio::test]
async fn sessions_add_up_and_old_ones_go() {
    for database in TestDatabase::each() {
        let store = open(&database).await;
        let today = day_of(NOW);
        let good = |n| sessions("good.example", TlsResult::Success, n, today);
        let bad = sessions("bad.example", TlsResult::CertificateExpired, 2, today);
        let old = sessions("old.example", TlsResult::Success, 1, today - TLS_SESSIONS_KEPT_DAYS - 1);
        store.add_tls_sessions(vec![good(3), bad.clone(), old]).await.expect("adds");
        store.add_tls_sessions(vec![good(4)]).await.expect("adds");
        let domains = store.tls_domains(today - 7, "", 10).await.expect("reads");
        let domains: Vec<_> = domains.iter().map(|d| (d.domain.as_str(), d.succeeded, d.failed)).collect();
        assert_eq!(domains, [("bad.example", 0, 2), ("good.example", 7, 0)], "failures first");
        assert_eq!(store.tls_domains(today - 7, "GOOD", 10).await.expect("reads").len(), 1);
        let found = store.tls_sessions_of("bad.example".to_owned(), today, 10).await.expect("reads");
        assert_eq!(found, [TlsSessions { detail: "nul \u{fffd} in it".to_owned(), ..bad }]);
        let on = |domain: Option<&str>| store.tls_sessions_on(today, domain.map(str::to_owned), 10);
        assert_eq!(on(None).await.expect("reads").len(), 2);
        assert_eq!(on(Some("good.example")).await.expect("reads")[0].n, 7);
        assert_eq!(store.forget_old_tls_sessions(NOW).await.expect("forgets"), 1);
    }
}
