//! One round: some campaigns, everything going wrong meanwhile, then peace, the end of all campaigns, and the facts.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use rand::Rng;
use rand::rngs::StdRng;
use tidings_domain::CampaignState;
use tidings_store::CampaignId;
use tidings_worker::now;
use tokio::time::timeout;

use super::Progress;
use super::acts::{Acts, LETTERS};
use super::bouncer::Bouncer;
use super::event::{Done, Event, Tally};
use super::facts::Facts;
use super::faults::Faults;
use super::fleet::Fleet;
use super::ground::Ground;
use super::pages::Pages;
use super::people::Someone;
use super::scene::{ACTOR, Letter, Scene};
use super::schedule::Step;

/// Events that are told when a promise was broken.
const RECENT_EVENTS: usize = 60;
/// After the last fault all campaigns have to end within this.
const END_WITHIN: Duration = Duration::from_secs(240);
/// When nothing is wrong any more, a click does what it should within this.
const LAUNCHED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A question of the harness's own to a database that may be away.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// Who clicked at a server that is gone clicks again, so often and after so long.
const MOST_CLICKS: u32 = 3;
const CLICKS_AGAIN_AFTER: Duration = Duration::from_millis(700);

/// What all rounds share.
pub struct Stage<'a> {
    pub ground: &'a mut Ground,
    pub fleet: &'a mut Fleet,
    pub scene: &'a Scene,
    pub pages: &'a Pages,
    pub random: &'a mut StdRng,
    pub progress: Progress,
    /// Where earlier rounds ended: in the sandbox's record, and in the witness's.
    pub seen_copies: u64,
    pub seen_moves: i64,
}

/// What a round left.
pub struct Played {
    pub facts: Facts,
    pub recent: Vec<String>,
    pub kills: u32,
    pub tally: Tally,
    pub skipped: Option<String>,
    /// From the last fault to the end of the last campaign.
    pub ended_after: Duration,
}

impl Stage<'_> {
    /// # Errors
    /// The campaigns do not end in time, or the harness itself fails.
    pub async fn play(&mut self, number: u32, people: &[Someone], steps: &[Step]) -> anyhow::Result<Played> {
        let mut letters = Vec::new();
        for (part, people) in people.chunks(people.len().div_ceil(LETTERS)).enumerate() {
            let name = format!("Round {number} letter {part}");
            letters.push(self.scene.draft(self.ground, name, people).await?);
        }
        let began = Instant::now();
        let bouncer = self.bouncer(&letters, people.len())?;
        let (mut faults, mut recent, mut kills) = (Faults::default(), VecDeque::new(), 0);
        let mut tally = Tally::default();
        for step in steps {
            self.rest(step.after, &mut faults).await?;
            let sends = self.meets_sending(step.event, &letters, &bouncer).await;
            let Done { words, met } = self.happen(step.event, &letters, &mut faults).await?;
            kills += u32::from(step.event.is_kill());
            tally.add(step.event, met && sends);
            let mark = if met && sends { '+' } else { ' ' };
            let words = format!("{:>7.2} s {mark} {words}", began.elapsed().as_secs_f64());
            self.progress.tell(&words);
            recent.push_back(words);
            if recent.len() > RECENT_EVENTS {
                recent.pop_front();
            }
        }
        faults.end(self.ground);
        self.fleet.thaw_all()?;
        let peace = Instant::now();
        self.mend_what_people_did(&letters).await?;
        let ended = self.until_all_end(&letters, bouncer, peace).await;
        let answered = match ended {
            Ok(answered) => answered,
            Err(error) => bail!("{error:#}\nwhat happened last:\n{}", recent.make_contiguous().join("\n")),
        };
        let ended_after = peace.elapsed();
        let facts = self.facts(&letters, answered).await?;
        Ok(Played { facts, recent: recent.into(), kills, tally, skipped: faults.skipped, ended_after })
    }

    fn bouncer(&mut self, letters: &[Letter], recipients: usize) -> anyhow::Result<Bouncer> {
        let campaigns = letters.iter().map(|letter| letter.id).collect();
        let parts = (self.scene.workspace.clone(), Arc::clone(&self.scene.keys));
        Bouncer::start(parts, campaigns, recipients, self.fleet.intake()?, self.random.random())
    }

    /// What breaks does so in the middle of something; what people do says by itself what it found.
    async fn meets_sending(&self, event: Event, letters: &[Letter], bouncer: &Bouncer) -> bool {
        if event.is_act() {
            return true;
        }
        if matches!(event, Event::Kill("intake") | Event::Freeze("intake")) {
            return bouncer.is_at_work();
        }
        let acts = Acts { scene: self.scene, pages: self.pages, letters };
        matches!(timeout(ANSWERED_WITHIN, acts.anything_sends()).await, Ok(Ok(true)))
    }

    /// Looks after processes and faults meanwhile.
    async fn rest(&mut self, how_long: Duration, faults: &mut Faults) -> anyhow::Result<()> {
        let until = Instant::now() + how_long;
        loop {
            self.fleet.tend()?;
            faults.tend(self.ground);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            tokio::time::sleep(left.min(LOOK_EVERY)).await;
        }
    }

    async fn happen(&mut self, event: Event, letters: &[Letter], faults: &mut Faults) -> anyhow::Result<Done> {
        if !event.is_act() {
            return faults.make(event, self.ground, self.fleet, self.random).await;
        }
        let mut clicks = 1;
        loop {
            match self.act(event, letters).await {
                Ok(done) => return Ok(done),
                Err(_) if clicks < MOST_CLICKS => clicks += 1,
                // Whoever clicks while a server is away sees an error; nothing else comes of it.
                Err(error) => return Ok(Done { words: format!("{event:?} failed: {error:#}"), met: false }),
            }
            self.rest(CLICKS_AGAIN_AFTER, faults).await?;
        }
    }

    async fn act(&mut self, event: Event, letters: &[Letter]) -> anyhow::Result<Done> {
        let acts = Acts { scene: self.scene, pages: self.pages, letters };
        let random = &mut *self.random;
        match event {
            Event::Launch(number) => acts.launch_twice(number).await,
            Event::Pause => acts.pause(random).await,
            Event::Resume => acts.resume(random).await,
            Event::Cancel => acts.cancel(random).await,
            Event::DeleteList => acts.delete_list().await,
            Event::Unsubscribe => acts.unsubscribe(random).await,
            Event::Suppress => acts.suppress(random).await,
            Event::DeleteSubscriber => acts.delete_subscriber(random).await,
            Event::SendAgain => acts.send_again(random).await,
            other => bail!("{other:?} is nothing that people do"),
        }
    }

    /// Launches what could not be launched, and lets go on what was paused: else nothing would end.
    async fn mend_what_people_did(&mut self, letters: &[Letter]) -> anyhow::Result<()> {
        self.fleet.until_pages_answer().await?;
        let began = Instant::now();
        for (number, letter) in letters.iter().enumerate() {
            while self.scene.workspace.campaign_head(letter.id).await?.state == CampaignState::Draft {
                ensure!(began.elapsed() < LAUNCHED_WITHIN, "{} cannot be launched", letter.name);
                let acts = Acts { scene: self.scene, pages: self.pages, letters };
                let said = acts.launch_twice(number).await.map_or_else(|error| format!("{error:#}"), |done| done.words);
                self.progress.tell(&said);
                self.fleet.tend()?;
            }
            self.scene.workspace.resume(letter.id, ACTOR, now()).await?;
        }
        Ok(())
    }

    /// Twice: what is in doubt when all have ended is sent again, once. Returns how many reports were answered for each delivery.
    async fn until_all_end(
        &mut self,
        letters: &[Letter],
        bouncer: Bouncer,
        since: Instant,
    ) -> anyhow::Result<HashMap<i64, usize>> {
        self.until_ended(letters, since).await?;
        for letter in letters {
            self.scene.workspace.resend_in_doubt(letter.id, ACTOR, now()).await?;
        }
        self.until_ended(letters, since).await?;
        let answered = bouncer.end().await?;
        self.until_reports_are_read(since).await?;
        Ok(answered)
    }

    async fn until_reports_are_read(&mut self, since: Instant) -> anyhow::Result<()> {
        while self.scene.store.unread_reports().await? > 0 {
            ensure!(since.elapsed() < END_WITHIN, "liveness: reports are not read {END_WITHIN:?} after the last fault");
            self.fleet.tend()?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn until_ended(&mut self, letters: &[Letter], since: Instant) -> anyhow::Result<()> {
        for letter in letters {
            while !self.has_ended(letter.id).await? {
                if since.elapsed() > END_WITHIN {
                    let counts = self.scene.workspace.overview(letter.id).await?.counts;
                    bail!("liveness: {} has not ended {END_WITHIN:?} after the last fault: {counts:?}", letter.name);
                }
                self.fleet.tend()?;
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// Of a cancelled one the rows are ended by and by.
    async fn has_ended(&self, id: CampaignId) -> anyhow::Result<bool> {
        let overview = self.scene.workspace.overview(id).await?;
        let over = matches!(overview.head.state, CampaignState::Done | CampaignState::Cancelled);
        Ok(over && overview.counts.iter().all(|(state, n)| *n == 0 || state.is_terminal()))
    }
}
