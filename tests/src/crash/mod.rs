//! The crash harness: everything is killed, frozen, cut off and filled up, again and again, in the middle of campaigns and of what people
//! do with them. Then the product's word is compared with what a witness inside its database and a sandbox in a process of its own saw.
//!
//! A seed decides what happens when. Time still has its say in a run of many processes, so a seed repeats the plan of a failure and not
//! each of its microseconds.

mod acts;
mod bouncer;
pub mod checker;
mod collect;
pub mod event;
pub mod facts;
mod faults;
mod fleet;
mod ground;
pub mod pages;
mod people;
mod round;
mod scene;
pub mod schedule;
mod vitals;
mod witness;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use rand::SeedableRng;
use rand::rngs::StdRng;

pub use ground::SetUp;

pub use event::Tally;

use checker::{Sums, Violation, check, sums};
use facts::Vital;
use fleet::Fleet;
use ground::Ground;
use round::Stage;
use scene::Scene;
use schedule::schedule;

/// Files are open and connections made within this after the start.
const SETTLE: Duration = Duration::from_secs(3);

/// What is tried.
#[derive(Debug, Clone)]
pub struct Trial {
    pub set_up: SetUp,
    pub seed: u64,
    /// Over all rounds.
    pub kills: u32,
    /// … and in each, but for the last.
    pub kills_a_round: u32,
    /// Recipients of one round.
    pub recipients: usize,
    /// Messages a second to each destination, so that a round lasts as long as its faults.
    pub per_second: u32,
    pub longest_rest: Duration,
    /// Full mailboxes are among them, which take a minute to be given up.
    pub patient: bool,
    /// Tells every event.
    pub loud: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Verdict {
    pub kills: u32,
    pub sums: Sums,
    pub violations: Vec<Violation>,
    /// How often each kind of event met what it is for.
    pub tally: Tally,
    /// The most that was held at the end of a round, and how much it may be.
    pub vitals: BTreeMap<String, (u64, u64)>,
    /// The events before the round in which a promise was broken.
    pub recent: Vec<String>,
    pub skipped: Option<String>,
    /// The longest time from the last fault of a round to the end of its campaigns.
    pub slowest_end: Duration,
}

/// Where events are told.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    loud: bool,
}

impl Progress {
    fn tell(self, words: &str) {
        if self.loud {
            println!("  {words}");
        }
    }
}

/// Plays round after round, and ends with the first that breaks a promise.
///
/// # Errors
/// A campaign does not end in time, or the harness itself fails.
pub async fn run(trial: &Trial) -> anyhow::Result<Verdict> {
    ensure!(trial.kills > 0 && trial.kills_a_round > 0 && trial.recipients > 0, "nothing to try");
    let rounds = trial.kills.div_ceil(trial.kills_a_round);
    let everybody = people::everybody(trial.recipients * rounds as usize, trial.patient)?;
    let mut ground = Ground::start(trial.set_up, u32::try_from(trial.recipients)?).await?;
    let scene = Scene::set_up(&ground).await?;
    tokio::task::block_in_place(|| witness::install(&ground))?;
    let mut fleet = Fleet::start(&ground, trial.per_second).await?;
    fleet.until_pages_answer().await?;
    let pages = scene.sign_in(&ground, fleet.pages()).await?;
    tokio::time::sleep(SETTLE).await;
    fleet.remember_rest();
    let mut random = StdRng::seed_from_u64(trial.seed);
    let mut verdict = Verdict::default();
    let mut stage = Stage {
        ground: &mut ground,
        fleet: &mut fleet,
        scene: &scene,
        pages: &pages,
        random: &mut random,
        progress: Progress { loud: trial.loud },
        seen_copies: 0,
        seen_moves: 0,
    };
    for (number, people) in everybody.chunks(trial.recipients).enumerate() {
        let kills = trial.kills_a_round.min(trial.kills - verdict.kills);
        let steps = schedule(stage.random, trial.set_up, kills, trial.longest_rest);
        let played = stage.play(u32::try_from(number)? + 1, people, &steps).await?;
        verdict.kills += played.kills;
        verdict.tally.extend(&played.tally);
        verdict.remember(&played.facts.vitals);
        verdict.skipped = verdict.skipped.or(played.skipped);
        verdict.slowest_end = verdict.slowest_end.max(played.ended_after);
        verdict.sums += sums(&played.facts);
        verdict.violations = check(&played.facts);
        if !verdict.violations.is_empty() {
            verdict.recent = played.recent;
            break;
        }
        println!("round {} of {rounds}: {} kills so far, {}", number + 1, verdict.kills, verdict.words());
    }
    Ok(verdict)
}

impl Verdict {
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.violations.is_empty()
    }

    fn remember(&mut self, vitals: &[Vital]) {
        for vital in vitals {
            let most = self.vitals.entry(vital.what.clone()).or_default();
            *most = (most.0.max(vital.is), most.1.max(vital.at_most));
        }
    }

    /// One line for each thing that is held.
    #[must_use]
    pub fn held(&self) -> String {
        let line = |(what, (is, at_most)): (&String, &(u64, u64))| format!("  {what:<32} {is:>8} of at most {at_most}");
        self.vitals.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// In one line.
    #[must_use]
    pub fn words(&self) -> String {
        let Sums { recipients, copies, lost, doubled, in_doubt, sent_again, bounced, brought } = self.sums;
        format!(
            "{recipients} recipients, {copies} copies, {lost} lost, {doubled} doubled, {in_doubt} in doubt at the end, \
             {sent_again} sent again in doubt, {bounced} bounced later by {brought} reports, the slowest end {:.0} s after the last fault",
            self.slowest_end.as_secs_f64()
        )
    }
}
