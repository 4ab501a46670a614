//! What people do in the middle of it. An act that meets a dead server fails, as a person's click does; the witness knows what was done.

use anyhow::{Context, bail};
use rand::Rng;
use rand::rngs::StdRng;
use reqwest::StatusCode;
use tidings_compose::TokenKind;
use tidings_domain::{CampaignState, DeliveryState, SuppressionEntry, SuppressionReason};
use tidings_store::{CampaignHead, NewSuppression, PeopleFilter, Person};
use tidings_worker::now;

use super::event::Done;
use super::pages::Pages;
use super::scene::{ACTOR, Letter, Scene};

/// Rows of which one is picked.
const PICKED_FROM: i64 = 300;

/// The campaign to which each thing is done; the first is left in peace, but for its people.
const PAUSED: usize = 1;
const CANCELLED: usize = 2;
const LOSES_ITS_LIST: usize = 3;
/// Campaigns of one round.
pub const LETTERS: usize = 4;

pub struct Acts<'a> {
    pub scene: &'a Scene,
    pub pages: &'a Pages,
    pub letters: &'a [Letter],
}

impl Acts<'_> {
    /// Two people press Launch at once, at two servers if there are two. Of a draft exactly one wins.
    ///
    /// # Errors
    /// Nobody answered, or both refused.
    pub async fn launch_twice(&self, number: usize) -> anyhow::Result<Done> {
        let letter = &self.letters[number];
        let before = self.head(letter).await?;
        let version = before.version.to_string();
        let (path, fields) = (format!("/campaigns/{}/launch", letter.id), [("version", version.as_str())]);
        let (one, other) = tokio::join!(self.pages.post(0, &path, &fields), self.pages.post(1, &path, &fields));
        if self.head(letter).await?.state == CampaignState::Draft {
            bail!("not launched: {one:?}, {other:?}");
        }
        let met = before.state == CampaignState::Draft && one.is_ok() && other.is_ok();
        Ok(Done { words: format!("{} launched: {}, {}", letter.name, told(&one), told(&other)), met })
    }

    /// # Errors
    /// Nobody answered.
    pub async fn pause(&self, random: &mut StdRng) -> anyhow::Result<Done> {
        let letter = &self.letters[PAUSED];
        let sends = self.sends(letter).await?;
        let mut done = self.press(random, letter, "pause").await?;
        done.met = sends && self.head(letter).await?.paused_at_ms.is_some();
        Ok(done)
    }

    /// # Errors
    /// Nobody answered.
    pub async fn resume(&self, random: &mut StdRng) -> anyhow::Result<Done> {
        let letter = &self.letters[PAUSED];
        let was_paused = self.head(letter).await?.paused_at_ms.is_some();
        let mut done = self.press(random, letter, "resume").await?;
        done.met = was_paused && self.sends(letter).await?;
        Ok(done)
    }

    /// # Errors
    /// Nobody answered.
    pub async fn cancel(&self, random: &mut StdRng) -> anyhow::Result<Done> {
        let letter = &self.letters[CANCELLED];
        let sends = self.sends(letter).await?;
        let mut done = self.press(random, letter, "cancel").await?;
        done.met = sends && self.head(letter).await?.state == CampaignState::Cancelled;
        Ok(done)
    }

    /// Of a campaign that has something in doubt, if there is one.
    ///
    /// # Errors
    /// Nobody answered.
    pub async fn send_again(&self, random: &mut StdRng) -> anyhow::Result<Done> {
        let mut letter = &self.letters[random.random_range(0..self.letters.len())];
        let mut met = false;
        for one in self.letters {
            let counts = self.scene.workspace.overview(one.id).await?.counts;
            if counts.get(&DeliveryState::InDoubt).is_some_and(|n| *n > 0) {
                (letter, met) = (one, true);
                break;
            }
        }
        let done = self.press(random, letter, "send-again").await?;
        Ok(Done { met, ..done })
    }

    async fn press(&self, random: &mut StdRng, letter: &Letter, button: &str) -> anyhow::Result<Done> {
        let server = random.random_range(0..self.pages.servers());
        let answer = self.pages.post(server, &format!("/campaigns/{}/{button}", letter.id), &[]).await?;
        Ok(Done { words: format!("{button} {}: {answer}", letter.name), met: false })
    }

    /// In the middle of its campaign: a draft without a list could never be launched.
    ///
    /// # Errors
    /// The database is away, or the campaign cannot be launched now.
    pub async fn delete_list(&self) -> anyhow::Result<Done> {
        let letter = &self.letters[LOSES_ITS_LIST];
        if self.head(letter).await?.state == CampaignState::Draft {
            self.launch_twice(LOSES_ITS_LIST).await?;
        }
        let met = self.sends(letter).await?;
        let deleted = self.scene.workspace.delete_list(letter.list).await?;
        Ok(Done { words: format!("the list of {}: {deleted:?}", letter.name), met })
    }

    /// By the link in the mail, whether it has arrived or not.
    ///
    /// # Errors
    /// Nobody answered.
    pub async fn unsubscribe(&self, random: &mut StdRng) -> anyhow::Result<Done> {
        let (person, met) = self.somebody(random).await?;
        let token = self.scene.keys.seal(TokenKind::Unsubscribe, person.id.0);
        let from = format!("10.{}.{}.{}", random.random::<u8>(), random.random::<u8>(), random.random::<u8>());
        let server = random.random_range(0..self.pages.servers());
        let answer = self.pages.one_click(server, &token, &from).await?;
        let met = met && answer.is_success();
        Ok(Done { words: format!("{} unsubscribes: {answer}", person.recipient), met })
    }

    /// # Errors
    /// The database is away.
    pub async fn suppress(&self, random: &mut StdRng) -> anyhow::Result<Done> {
        let (person, met) = self.somebody(random).await?;
        let entry = SuppressionEntry::parse(&person.recipient).map_err(|e| anyhow::anyhow!("{e:?}"))?;
        let new = NewSuppression::of(entry, SuppressionReason::Blocklist, ACTOR);
        let is_new = self.scene.workspace.suppress(new, now()).await?;
        Ok(Done { words: format!("{} is suppressed: {is_new}", person.recipient), met: met && is_new })
    }

    /// # Errors
    /// The database is away.
    pub async fn delete_subscriber(&self, random: &mut StdRng) -> anyhow::Result<Done> {
        let (person, met) = self.somebody(random).await?;
        let id = person.subscriber_id.context("he is deleted already")?;
        self.scene.workspace.delete_subscriber(id, ACTOR.to_owned(), now()).await?;
        Ok(Done { words: format!("{} is deleted", person.recipient), met })
    }

    /// Mail of some campaign is under way.
    ///
    /// # Errors
    /// The database is away.
    pub async fn anything_sends(&self) -> anyhow::Result<bool> {
        for letter in self.letters {
            if self.head(letter).await?.paused_at_ms.is_none() && self.sends(letter).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn head(&self, letter: &Letter) -> anyhow::Result<CampaignHead> {
        Ok(self.scene.workspace.campaign_head(letter.id).await?)
    }

    /// It has begun to send and has people whose message is still to come.
    async fn sends(&self, letter: &Letter) -> anyhow::Result<bool> {
        let overview = self.scene.workspace.overview(letter.id).await?;
        let open =
            [DeliveryState::Queued, DeliveryState::Sending].iter().filter_map(|state| overview.counts.get(state));
        Ok(overview.head.state == CampaignState::Sending && open.sum::<i64>() > 0)
    }

    /// Whose message is still to come, if there is such a one; and whether it is.
    async fn somebody(&self, random: &mut StdRng) -> anyhow::Result<(Person, bool)> {
        let letter = &self.letters[random.random_range(0..self.letters.len())];
        for state in [DeliveryState::Queued, DeliveryState::Deferred, DeliveryState::Accepted] {
            let filter = PeopleFilter { state: Some(state), ..PeopleFilter::default() };
            let mut people = self.scene.workspace.people(letter.id, filter, None, PICKED_FROM).await?.people;
            if !people.is_empty() {
                let person = people.swap_remove(random.random_range(0..people.len()));
                return Ok((person, state != DeliveryState::Accepted));
            }
        }
        bail!("{} has nobody yet", letter.name)
    }
}

fn told(answer: &anyhow::Result<StatusCode>) -> String {
    answer.as_ref().map_or_else(|error| error.to_string(), ToString::to_string)
}
