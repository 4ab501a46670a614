//! Which route takes which delivery.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use tidings_store::NewRoute;
use tidings_testing::{Act, SmtpScript};

use super::world::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_share_a_campaign_by_weight_each_from_its_own_address_under_its_own_name() {
    const PEOPLE: usize = 200;
    each(SmtpScript::new, async |w: World| {
        w.beat().await;
        let (a, b) = (w.from(2, NewRoute::direct()).await, w.from(3, NewRoute::direct()).await);
        // Nobody has this address: it takes no part.
        let away = w.route("Away", NewRoute { source_v4: "192.0.2.1".into(), ..NewRoute::direct() }).await;
        w.pool(&[(a, 3), (b, 1), (away, 50)]).await;
        let id = w.launch(PEOPLE).await;
        w.start();
        let messages = w.done(id).await;
        check_once(&messages, PEOPLE);
        let sources = by_source(&messages);
        assert_eq!(sources.keys().collect::<Vec<_>>(), ["127.0.0.2 mx-2.example", "127.0.0.3 mx-3.example"]);
        let share = sources["127.0.0.2 mx-2.example"];
        assert!((120..=180).contains(&share), "three quarters, six standard deviations: {sources:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_greylisted_delivery_comes_back_from_the_same_address() {
    const PEOPLE: usize = 40;
    let greylists =
        || (0..PEOPLE).fold(SmtpScript::new(), |script, _| script.once("RCPT", Act::reply("451 4.7.1 greylisted")));
    each(greylists, async |w: World| {
        w.beat().await;
        let (a, b) = (w.from(2, NewRoute::direct()).await, w.from(3, NewRoute::direct()).await);
        w.pool(&[(a, 1), (b, 1)]).await;
        let id = w.launch(PEOPLE).await;
        w.start();
        let messages = w.done(id).await;
        check_once(&messages, PEOPLE);
        let mut seen = BTreeMap::<String, BTreeSet<Option<IpAddr>>>::new();
        let attempts = w.peer.recipients();
        assert_eq!(attempts.len(), 2 * PEOPLE);
        for (client, recipient) in attempts {
            seen.entry(recipient).or_default().insert(client);
        }
        assert!(seen.values().all(|clients| clients.len() == 1), "{seen:?}");
        assert_eq!(by_source(&messages).len(), 2);
    })
    .await;
}
