//! The short form of the crash harness, on both set-ups. The long one: see the README.

use std::time::Duration;

use tidings_tests::crash::{SetUp, Trial, run};

async fn short(set_up: SetUp, kills: u32) {
    let seed = std::env::var("TIDINGS_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("seed {seed}");
    let trial = Trial {
        set_up,
        seed,
        kills,
        kills_a_round: kills,
        recipients: 1_200,
        per_second: 15,
        longest_rest: Duration::from_millis(500),
        patient: false,
        loud: true,
    };
    let verdict = run(&trial).await.unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
    println!("{}\n{}", verdict.tally.words(), verdict.words());
    let recent = verdict.recent.join("\n");
    assert!(verdict.is_good(), "seed {seed}\n{recent}\n{:#?}", verdict.violations);
    assert_eq!((verdict.kills, verdict.sums.lost), (kills, 0));
    assert!(verdict.sums.copies > 500, "most of it arrived: {}", verdict.words());
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_and_redis_and_every_role_are_killed_in_the_middle() {
    short(SetUp::Apart, 22).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_on_sqlite_is_killed_in_the_middle() {
    short(SetUp::Alone, 20).await;
}
