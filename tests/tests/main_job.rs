//! The main job with the real program: the demo. Through kills: see crash_harness.rs.

use tidings_tests::binary::run;

#[tokio::test]
async fn demo_accounts_for_every_recipient() {
    let (success, text) = run(&["demo", "--subscribers", "1500", "--exit"], &[]).await;
    assert!(success, "{text}");
    assert!(text.contains("Nothing lost, nothing doubled."), "{text}");
    assert!(text.contains("/sign-in/"), "the sign-in link comes first: {text}");
}
