use actix_web::dev::Service as _;
use actix_web::http::StatusCode;
use actix_web::test;
use serde_json::json;
use tidings_domain::Service;
use tidings_testing::TestDatabase;

use super::site::Site;

/// Services that post one event at a time post many at once; none may be lost, and one bad post spoils no other.
#[actix_web::test]
async fn many_posts_at_once_are_all_kept() {
    for database in TestDatabase::each() {
        let site = Site::on(database).await;
        let webhook = site.webhook(Service::Brevo, "").await;
        let path = site.path(Service::Brevo, webhook);
        let app = site.service().await;
        let post = |n: usize| {
            let event = json!({"event": "hard_bounce", "email": "ana@example.org", "ts_event": n, "message-id": "<m>"});
            let body = if n.is_multiple_of(50) { "nonsense".to_owned() } else { event.to_string() };
            let request = test::TestRequest::post().uri(&path).set_payload(body).to_request();
            async { app.call(request).await.expect("answers").status() }
        };
        let answers = futures_util::future::join_all((0..300).map(post)).await;
        let taken = answers.iter().filter(|status| **status == StatusCode::OK).count();
        assert_eq!((taken, answers.iter().filter(|status| **status == StatusCode::BAD_REQUEST).count()), (294, 6));
        assert_eq!(site.state.store.unread_reports().await.unwrap(), 294);
        let row = site.row(webhook).await;
        assert_eq!((row.accepted, row.refused), (294, 6));
    }
}
