//! The rules for bounces, on their page.

use actix_web::http::StatusCode;
use tidings_domain::{BounceAction, BounceClass, BounceLimits, UnixMs, Word};

use super::bounces::sql;
use super::site::Site;

#[actix_web::test]
async fn a_rule_is_chosen_shown_with_its_author_and_taken_back() {
    let site = Site::new().await;
    let browser = site.browser().await;
    let page = browser.get("/settings/bounces").await;
    assert_eq!(page.texts(".rule-table tbody tr").len(), BounceClass::ALL.len());
    let editable = BounceClass::ALL.iter().filter(|class| class.is_editable()).count();
    assert_eq!(page.texts(".rule-table select").len(), editable, "our own fault has no choice");
    let full = [("action:mailbox_full", "suppress"), ("action:bad_address", "suppress")];
    browser.post("/settings/bounces/rules", &full).await;
    let rules = site.data.bounce_rules().await.expect("reads");
    assert_eq!(rules.chosen.into_iter().collect::<Vec<_>>(), [(BounceClass::MailboxFull, BounceAction::Suppress)]);
    let page = browser.get("/settings/bounces").await;
    assert_eq!(page.texts("button[name=built_in]").len(), 1);
    assert!(
        page.text(".changes")
            .contains("Alex Moreau changed “Mailbox full” from “count; then hold” to “suppress at once”")
    );
    browser.post("/settings/bounces/rules", &[("built_in", "mailbox_full"), ("action:bad_address", "nothing")]).await;
    assert!(site.data.bounce_rules().await.expect("reads").chosen.is_empty(), "only that row");
}

#[actix_web::test]
async fn nobody_can_be_marked_for_our_own_fault() {
    let site = Site::new().await;
    let browser = site.browser().await;
    browser.get("/settings/bounces").await;
    for wish in [("action:ip_blocked", "suppress"), ("action:mailbox_full", "explode"), ("built_in", "nonsense")] {
        assert_eq!(browser.post("/settings/bounces/rules", &[wish]).await.status, StatusCode::BAD_REQUEST, "{wish:?}");
    }
    assert!(site.data.bounce_rules().await.expect("reads").chosen.is_empty());
}

#[actix_web::test]
async fn limits_are_checked_and_say_what_is_wrong() {
    let site = Site::new().await;
    let browser = site.browser().await;
    let page = browser.get("/settings/bounces").await;
    assert_eq!(page.attr("#pause_complaints", "value"), "0.30");
    let mut form = [
        ("second_within_days", "14"),
        ("hold_after", "5"),
        ("hold_over_days", "60"),
        ("pause_hard_bounces", "4,5 %"),
        ("pause_complaints", "0.25"),
        ("warn_complaints", "0.08"),
    ];
    assert_eq!(browser.post("/settings/bounces/limits", &form).await.status, StatusCode::SEE_OTHER);
    let limits = BounceLimits {
        second_within_days: 14,
        hold_after: 5,
        hold_over_days: 60,
        pause_hard_bounces: 450,
        pause_complaints: 25,
        warn_complaints: 8,
    };
    assert_eq!(site.data.bounce_rules().await.expect("reads").limits, limits);
    (form[1].1, form[3].1) = ("-1", "101");
    let wrong = browser.post("/settings/bounces/limits", &form).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(wrong.text("#hold_after-error"), "A whole number from 0 to 50.");
    assert_eq!(wrong.attr("#pause_hard_bounces", "value"), "101", "what was typed is kept");
    assert_eq!(site.data.bounce_rules().await.expect("reads").limits, limits);
}

#[actix_web::test]
async fn labels_are_listed_and_removed_and_days_have_a_bound() {
    let site = Site::new().await;
    let hostile = "<b>go</b> away";
    site.data.label_bounce_text(hostile, Some(BounceClass::Policy), "Bo", UnixMs(1)).await.expect("labels");
    let browser = site.browser().await;
    let page = browser.get("/settings/bounces").await;
    assert!(page.body.contains("&#60;b&#62;go") && !page.body.contains(hostile));
    browser.post("/settings/bounces/labels", &[("text", hostile)]).await;
    assert!(site.data.bounce_labels().await.expect("reads").is_empty());
    for days in ["0", "91", "all"] {
        let answer = browser.post("/settings/bounces/again", &[("days", days)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{days}");
    }
    assert_eq!(browser.post("/settings/bounces/again", &[("days", "7")]).await.status, StatusCode::SEE_OTHER);
}

#[actix_web::test]
async fn members_read_the_rules_and_change_nothing() {
    let site = Site::new().await;
    let browser = site.browser().await;
    sql(&site, "UPDATE members SET role = 'member'").await;
    let page = browser.get("/settings/bounces").await;
    assert_eq!((page.status, page.texts(".rule-table select").len()), (StatusCode::OK, 0));
    assert!(!page.has("form[action$='/again']"));
    for path in ["rules", "limits", "labels", "again"] {
        let answer = browser.post(&format!("/settings/bounces/{path}"), &[("action:mailbox_full", "suppress")]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
}
