//! The main job with the real program: demo, and the same through kills.

use tidings_tests::binary::run;

#[tokio::test]
async fn demo_accounts_for_every_recipient() {
    let (success, text) = run(&["demo", "--subscribers", "1500", "--exit"], &[]).await;
    assert!(success, "{text}");
    assert!(text.contains("Nothing lost, nothing doubled."), "{text}");
    assert!(text.contains("/sign-in/"), "the sign-in link comes first: {text}");
}

#[tokio::test]
async fn kills_in_the_middle_lose_and_double_nothing() {
    let (success, text) =
        run(&["bench", "crash", "--subscribers", "3000", "--kills", "12", "--longest-life-ms", "900"], &[]).await;
    assert!(success, "{text}");
    assert!(text.contains("Nothing lost, nothing doubled."), "{text}");
}
