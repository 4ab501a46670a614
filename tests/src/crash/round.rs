//! One round: some campaigns, everything going wrong meanwhile, then peace, the end of all campaigns, and the facts.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rand::rngs::StdRng;
use tidings_compose::TokenKind;
use tidings_domain::CampaignState;
use tidings_sandbox::read_log;
use tidings_store::{CampaignId, PeopleFilter, RevisionId};
use tidings_worker::now;

use super::Progress;
use super::acts::{Acts, LETTERS};
use super::facts::{Arrival, CampaignFacts, Facts, Row};
use super::faults::Faults;
use super::fleet::Fleet;
use super::ground::Ground;
use super::pages::Pages;
use super::people::Someone;
use super::scene::{ACTOR, Letter, Scene};
use super::schedule::{Event, Step};
use super::vitals::vitals;
use super::witness::Testimony;

/// Events that are told when a promise was broken.
const RECENT_EVENTS: usize = 60;
/// After the last fault all campaigns have to end within this.
const END_WITHIN: Duration = Duration::from_secs(240);
/// When nothing is wrong any more, a click does what it should within this.
const LAUNCHED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Rows of the ledger read in one page.
const PAGE_ROWS: i64 = 5_000;

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
        let (mut faults, mut recent, mut kills) = (Faults::default(), VecDeque::new(), 0);
        for step in steps {
            self.rest(step.after, &mut faults).await?;
            let said = self.happen(step.event, &letters, &mut faults).await?;
            kills += u32::from(step.event.is_kill());
            let words = format!("{:>7.2} s  {said}", began.elapsed().as_secs_f64());
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
        let ended = self.until_all_end(&letters, peace).await;
        if let Err(error) = ended {
            bail!("{error:#}\nwhat happened last:\n{}", recent.make_contiguous().join("\n"));
        }
        let ended_after = peace.elapsed();
        let facts = self.facts(&letters).await?;
        Ok(Played { facts, recent: recent.into(), kills, skipped: faults.skipped, ended_after })
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

    async fn happen(&mut self, event: Event, letters: &[Letter], faults: &mut Faults) -> anyhow::Result<String> {
        let acts = Acts { scene: self.scene, pages: self.pages, letters };
        let random = &mut *self.random;
        let done = match event {
            Event::Launch(number) => acts.launch_twice(number).await,
            Event::Pause => acts.pause(random).await,
            Event::Resume => acts.resume(random).await,
            Event::Cancel => acts.cancel(random).await,
            Event::DeleteList => acts.delete_list().await,
            Event::Unsubscribe => acts.unsubscribe(random).await,
            Event::Suppress => acts.suppress(random).await,
            Event::DeleteSubscriber => acts.delete_subscriber(random).await,
            Event::SendAgain => acts.send_again(random).await,
            fault => return faults.make(fault, self.ground, self.fleet, random).await,
        };
        // Whoever clicks while a server is away sees an error; nothing else comes of it.
        Ok(done.unwrap_or_else(|error| format!("{event:?} failed: {error:#}")))
    }

    /// Launches what could not be launched, and lets go on what was paused: else nothing would end.
    async fn mend_what_people_did(&mut self, letters: &[Letter]) -> anyhow::Result<()> {
        self.fleet.until_pages_answer().await?;
        let began = Instant::now();
        for (number, letter) in letters.iter().enumerate() {
            while self.scene.workspace.campaign_head(letter.id).await?.state == CampaignState::Draft {
                ensure!(began.elapsed() < LAUNCHED_WITHIN, "{} cannot be launched", letter.name);
                let acts = Acts { scene: self.scene, pages: self.pages, letters };
                let said = acts.launch_twice(number).await.unwrap_or_else(|error| format!("{error:#}"));
                self.progress.tell(&said);
                self.fleet.tend()?;
            }
            self.scene.workspace.resume(letter.id, ACTOR, now()).await?;
        }
        Ok(())
    }

    /// Twice: what is in doubt when all have ended is sent again, once.
    async fn until_all_end(&mut self, letters: &[Letter], since: Instant) -> anyhow::Result<()> {
        self.until_ended(letters, since).await?;
        for letter in letters {
            self.scene.workspace.resend_in_doubt(letter.id, ACTOR, now()).await?;
        }
        self.until_ended(letters, since).await
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

    async fn facts(&mut self, letters: &[Letter]) -> anyhow::Result<Facts> {
        let vitals = vitals(self.ground, self.fleet).await?;
        let testimony = tokio::task::block_in_place(|| Testimony::since(self.ground, self.seen_moves))?;
        self.seen_moves = testimony.last();
        let mut facts = Facts { moves: testimony.moves, acts: testimony.acts, vitals, ..Facts::default() };
        for letter in letters {
            let campaign = self.campaign_facts(letter).await?;
            let head = self.scene.workspace.campaign_head(letter.id).await?;
            let revision = head.revision_id.context("a launched campaign has its content")?;
            facts.expected.extend(self.expected(letter, revision, &campaign.rows).await?);
            facts.campaigns.push(campaign);
        }
        facts.copies = self.arrivals()?;
        Ok(facts)
    }

    async fn campaign_facts(&self, letter: &Letter) -> anyhow::Result<CampaignFacts> {
        let overview = self.scene.workspace.overview(letter.id).await?;
        let miscounts = self.scene.store.miscounts(letter.id).await?;
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let page = self.scene.workspace.people(letter.id, PeopleFilter::default(), after, PAGE_ROWS).await?;
            let row = |person: tidings_store::Person| Row {
                delivery: person.id.0,
                recipient: person.recipient,
                state: person.state,
            };
            rows.extend(page.people.into_iter().map(row));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(CampaignFacts {
            id: letter.id.0,
            name: letter.name.clone(),
            state: overview.head.state,
            audience: overview.head.audience_total,
            counted: overview.counts.values().sum(),
            miscounts: miscounts.iter().map(|miscount| format!("{miscount:?}")).collect(),
            rows,
            invited: letter.invited().map(str::to_owned).collect(),
        })
    }

    async fn expected(
        &self,
        letter: &Letter,
        revision: RevisionId,
        rows: &[Row],
    ) -> anyhow::Result<HashMap<i64, String>> {
        let mailer = self.scene.mailer(revision).await?;
        let content = |row: &Row| Ok((row.delivery, letter.expected(&mailer, row.delivery, &row.recipient)?));
        rows.iter().map(content).collect()
    }

    /// What the sandbox accepted since the last round.
    fn arrivals(&mut self) -> anyhow::Result<Vec<Arrival>> {
        let mut arrivals = Vec::new();
        let mut last = self.seen_copies;
        read_log(&self.ground.accepted_log(), |entry| {
            last = entry.seq;
            if entry.seq > self.seen_copies {
                let local = entry.message_id.trim_start_matches('<').split('@').next().unwrap_or_default();
                let delivery = self.scene.keys.open(TokenKind::MessageId, local);
                arrivals.push(Arrival { seq: entry.seq, delivery, recipient: entry.recipient, content: entry.content });
            }
        })?;
        ensure!(last >= self.seen_copies, "the sandbox's record became shorter");
        self.seen_copies = last;
        Ok(arrivals)
    }
}
