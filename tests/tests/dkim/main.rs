//! From the keys of a workspace to the messages at a receiver: signed by what stands in DNS and by nothing else, good before judges that
//! are not ours, through a change of keys in the middle of a campaign.

#![recursion_limit = "256"]

mod shop;

use shop::{Shop, is_of};
use tidings_domain::{DkimAlgorithm, covers};
use tidings_tests::judges::{dkimpy, opendkim};

const BOTH: &[DkimAlgorithm] = &[DkimAlgorithm::Rsa2048, DkimAlgorithm::Ed25519];

/// `d=` of each signature, in order.
fn signers(message: &[u8]) -> Vec<String> {
    tags(message, "d")
}

fn tags(message: &[u8], tag: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(message).replace("\r\n\t", " ");
    let head = text.split("\r\n\r\n").next().unwrap_or_default().to_owned();
    let fields = head.lines().filter(|line| line.starts_with("DKIM-Signature:"));
    let value = |field: &str| {
        let pieces = field.trim_start_matches("DKIM-Signature:").split(';');
        pieces
            .filter_map(|piece| piece.trim().split_once('='))
            .find(|(name, _)| *name == tag)
            .map(|(_, v)| v.to_owned())
    };
    fields.filter_map(value).collect()
}

#[tokio::test]
async fn every_copy_is_good_before_independent_judges_and_aligned() {
    let mut shop = Shop::new(BOTH).await;
    shop.look(&["r", "e"]).await;
    let messages = shop.send("letters@news.shop.example", 6).await;
    assert_eq!(messages.len(), 6);
    for message in &messages {
        assert_eq!(signers(&message.data), ["shop.example", "shop.example"]);
        assert!(covers("shop.example", "news.shop.example"), "relaxed alignment (RFC 7489 §3.1.1)");
        assert!(
            message.mail_from.contains("@news.shop.example"),
            "the return path is aligned too: {}",
            message.mail_from
        );
        let zone = shop.published(&["r", "e"]).await;
        assert_eq!(dkimpy(&message.data, &zone), vec![true, true]);
        assert!(opendkim(&message.data, &zone));
        let changed = String::from_utf8_lossy(&message.data).replacen("spring", "Spring", 1).into_bytes();
        assert_ne!(changed, message.data);
        assert_eq!(dkimpy(&changed, &zone), vec![false, false]);
        assert!(!opendkim(&changed, &zone));
    }
}

#[tokio::test]
async fn what_is_not_published_signs_nothing_and_what_is_gone_stops_the_campaign() {
    let mut shop = Shop::new(BOTH).await;
    shop.look(&[]).await;
    let unsigned = shop.send("letters@shop.example", 2).await;
    assert!(unsigned.iter().all(|message| signers(&message.data).is_empty()));

    shop.look(&["r"]).await;
    let signed = shop.send("letters@shop.example", 2).await;
    assert!(signed.iter().all(|message| tags(&message.data, "a") == ["rsa-sha256"]));
    let elsewhere = shop.send("letters@other.example", 2).await;
    assert!(elsewhere.iter().all(|message| signers(&message.data).is_empty()), "never in another's name");

    shop.look(&[]).await;
    let reason = shop.send_until_paused("letters@shop.example", 2).await;
    assert!(reason.contains("No DKIM key of shop.example stands in DNS"), "{reason}");
}

#[tokio::test]
async fn a_change_of_keys_in_the_middle_of_a_campaign_breaks_no_signature() {
    let mut shop = Shop::new(&[DkimAlgorithm::Rsa2048]).await;
    shop.look(&["r"]).await;
    let before = shop.send("letters@shop.example", 3).await;
    shop.prepare(DkimAlgorithm::Rsa2048, "r2").await;
    let waiting = shop.send("letters@shop.example", 3).await;
    shop.look(&["r", "r2"]).await;
    let after = shop.send("letters@shop.example", 3).await;
    // All three are verified late, when both records stand in DNS.
    let zone = shop.published(&["r", "r2"]).await;
    for (messages, selector) in [(&before, "r"), (&waiting, "r"), (&after, "r2")] {
        for message in messages {
            assert_eq!(tags(&message.data, "s"), [selector]);
            assert_eq!(dkimpy(&message.data, &zone), vec![true]);
        }
    }
}

#[tokio::test]
async fn a_change_of_keys_under_two_campaigns_at_once_breaks_no_signature() {
    const PEOPLE: usize = 20;
    // So slow that keys which a sender still holds open are changed, too, before all is sent.
    let mut shop = Shop::at_pace(&[DkimAlgorithm::Rsa2048], 4).await;
    shop.look(&["r"]).await;
    let only_old = shop.published(&["r"]).await;
    let (before, messages) = shop.send_two_and_change_keys(PEOPLE, "r2").await;
    let both = shop.published(&["r", "r2"]).await;
    assert_eq!(messages.len(), 2 * PEOPLE);
    for (number, message) in messages.iter().enumerate() {
        let zone = if number < before { &only_old } else { &both };
        assert_eq!(dkimpy(&message.data, zone), vec![true], "number {number}, the change was at {before}");
    }
    for campaign in [1, 2] {
        let selectors: Vec<String> = messages
            .iter()
            .filter(|message| is_of(message, campaign))
            .flat_map(|message| tags(&message.data, "s"))
            .collect();
        assert_eq!(selectors.first().map(String::as_str), Some("r"));
        assert_eq!(selectors.last().map(String::as_str), Some("r2"), "campaign {campaign} goes on with the new key");
    }
}
