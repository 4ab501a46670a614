//! People, sessions, one-time links, the organisation and its route, on both backends.

use std::time::Duration;

use tidings_domain::{Role, RouteKind, RouteTls, Theme, UnixMs};
use tidings_store::{
    FirstAdmin, NewAdmin, NewRoute, Organisation, Purpose, SessionWrite, Store, StoreError, StoreOptions, TokenHash,
    UserId,
};
use tidings_testing::TestDatabase;

const NOW: UnixMs = UnixMs(1_000_000);
const LATER: UnixMs = UnixMs(2_000_000);

async fn stores() -> Vec<(TestDatabase, Store)> {
    let mut stores = Vec::new();
    for database in TestDatabase::each() {
        let store = Store::open(database.url(), StoreOptions::default()).await.expect("opens");
        stores.push((database, store));
    }
    stores
}

fn admin(email: &str) -> NewAdmin {
    NewAdmin {
        email: email.into(),
        name: "Ana".into(),
        password_hash: "$argon2id$first".into(),
        workspace_name: "Bakery".into(),
    }
}

fn hash(text: &str) -> TokenHash {
    TokenHash(text.to_owned())
}

fn session(user: UserId) -> SessionWrite {
    let text = |text: &str| text.to_owned();
    SessionWrite { user: Some(user), state: text("{}"), ip: text("192.0.2.1"), user_agent: text("x"), expires: LATER }
}

#[tokio::test]
async fn a_set_up_happens_once() {
    for (_database, store) in stores().await {
        for token in ["one", "two", "old"] {
            let expires = if token == "old" { NOW } else { LATER };
            store.add_token(hash(token), Purpose::Setup, None, expires, UnixMs(1)).await.expect("adds");
        }
        let set_up = |token: &str, email: &str| store.set_up(hash(token), admin(email), NOW);
        assert_eq!(set_up("wrong", "a@example.org").await.expect("runs"), FirstAdmin::BadToken);
        assert_eq!(set_up("old", "a@example.org").await.expect("runs"), FirstAdmin::BadToken);
        assert!(!store.has_users().await.expect("reads"));
        let (first, second) = tokio::join!(set_up("one", "a@example.org"), set_up("two", "b@example.org"));
        let made = [first.expect("runs"), second.expect("runs")];
        let created: Vec<_> = made.iter().filter(|made| matches!(made, FirstAdmin::Created(..))).collect();
        assert_eq!((created.len(), made.contains(&FirstAdmin::Closed)), (1, true), "two at once make one admin");
        let FirstAdmin::Created(user, workspace) = *created[0] else { unreachable!() };
        let member = store.member(user).await.expect("reads").expect("is there");
        assert_eq!((member.role, member.workspace.id, member.user.theme), (Role::Admin, workspace, Theme::Auto));
        assert_eq!(store.first_workspace().await.expect("reads").expect("is there").name, "Bakery");
    }
}

#[tokio::test]
async fn a_sign_in_token_serves_its_purpose_once() {
    for (_database, store) in stores().await {
        let (ana, _) = store.add_admin(admin("ana@example.org"), NOW).await.expect("adds");
        store.add_token(hash("t"), Purpose::SignIn, Some(ana), LATER, NOW).await.expect("adds");
        assert!(!store.token_is_good(hash("t"), Purpose::Setup, NOW).await.expect("reads"));
        assert!(store.token_is_good(hash("t"), Purpose::SignIn, NOW).await.expect("reads"));
        assert!(!store.token_is_good(hash("t"), Purpose::SignIn, LATER).await.expect("reads"), "expired");
        assert_eq!(store.use_sign_in_token(hash("t"), NOW).await.expect("runs"), Some(ana));
        assert_eq!(store.use_sign_in_token(hash("t"), NOW).await.expect("runs"), None);
    }
}

#[tokio::test]
async fn sessions_live_until_they_expire_or_are_ended() {
    for (_database, store) in stores().await {
        let (ana, _) = store.add_admin(admin("ana@example.org"), NOW).await.expect("adds");
        for key in ["desk", "phone", "tablet"] {
            store.add_session(key.into(), session(ana), NOW).await.expect("adds");
        }
        let found = |key: &str, at: UnixMs| store.session(key.to_owned(), at);
        assert_eq!(found("desk", NOW).await.expect("reads").expect("lives").user_id, Some(ana));
        assert!(found("desk", LATER).await.expect("reads").is_none(), "expired");
        store
            .touch_session("desk".into(), LATER.plus(Duration::from_secs(1)), UnixMs(1_500_000))
            .await
            .expect("writes");
        assert!(found("desk", LATER).await.expect("reads").is_some(), "was used");
        let seen = store.sessions_of(ana, NOW).await.expect("reads");
        assert_eq!((seen.len(), seen[0].key_hash.as_str()), (3, "desk"), "the latest used first");
        store.end_session("tablet".into()).await.expect("ends");
        assert!(!store.update_session("tablet".into(), session(ana), NOW).await.expect("runs"), "stays gone");
        assert!(store.update_session("phone".into(), session(ana), NOW).await.expect("runs"));
        let ended = store.change_password(ana, "$argon2id$second".into(), Some("desk".into())).await.expect("changes");
        assert_eq!(ended, 1);
        assert!(found("phone", NOW).await.expect("reads").is_none());
        let user = store.user_by_email("ana@example.org".into()).await.expect("reads").expect("is there");
        assert_eq!(user.password_hash, "$argon2id$second");
        assert_eq!(store.end_other_sessions(ana, None).await.expect("ends"), 1, "the last one too");
    }
}

#[tokio::test]
async fn a_profile_and_a_sign_in_are_kept() {
    for (_database, store) in stores().await {
        let (ana, _) = store.add_admin(admin("ana@example.org"), NOW).await.expect("adds");
        store.mark_signed_in(ana, Some("$argon2id$stronger".into()), LATER).await.expect("writes");
        store.save_profile(ana, "Ana Silva".into(), Theme::Dark).await.expect("writes");
        let user = store.member(ana).await.expect("reads").expect("is there").user;
        assert_eq!((user.name.as_str(), user.theme, user.signed_in_at_ms), ("Ana Silva", Theme::Dark, Some(LATER.0)));
        assert_eq!(user.password_hash, "$argon2id$stronger");
        let taken = store.add_admin(admin("ana@example.org"), NOW).await;
        assert!(matches!(taken, Err(StoreError::Exists(_))));
    }
}

#[tokio::test]
async fn an_organisation_has_one_route_and_keeps_its_password() {
    for (_database, store) in stores().await {
        let (_, workspace) = store.add_admin(admin("ana@example.org"), NOW).await.expect("adds");
        let data = store.workspace(workspace);
        let text = |text: &str| text.to_owned();
        let organisation =
            Organisation { name: text("Bakery"), postal_address: text("Canal 4"), time_zone: text("Europe/Lisbon") };
        data.save_organisation(organisation).await.expect("writes");
        data.save_sender(text("News"), text("news@example.org")).await.expect("writes");
        let details = data.details().await.expect("reads");
        assert_eq!((details.time_zone.as_str(), details.from_email.as_str()), ("Europe/Lisbon", "news@example.org"));
        let route = |host: &str, password: Option<&str>| NewRoute {
            kind: RouteKind::Relay,
            host: host.to_owned(),
            port: 587,
            tls: RouteTls::StartTls,
            username: text("u"),
            password_sealed: password.map(str::to_owned),
            max_per_second: 5,
            ..NewRoute::direct()
        };
        assert!(data.route().await.expect("reads").is_none());
        let first = data.save_route(route("a.example", Some("sealed")), NOW).await.expect("writes");
        let second = data.save_route(route("b.example", None), LATER).await.expect("writes");
        let kept = store.route_by_id(first).await.expect("reads").expect("is there");
        assert_eq!((first, kept.host.as_str(), kept.password_sealed.as_str()), (second, "b.example", "sealed"));
        data.save_route(route("b.example", Some("")), LATER).await.expect("writes");
        assert_eq!(data.route().await.expect("reads").expect("is there").password_sealed, "");
        let progress = data.setup_progress().await.expect("reads");
        assert!(progress.has_organisation && progress.has_route && !progress.has_subscribers);
        assert!(!progress.has_campaign && !progress.is_complete());
    }
}
