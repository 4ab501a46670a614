//! What people do in the middle of it. An act that meets a dead server fails, as a person's click does; the witness knows what was done.

use anyhow::{Context, bail};
use rand::Rng;
use rand::rngs::StdRng;
use reqwest::StatusCode;
use tidings_compose::TokenKind;
use tidings_domain::{CampaignState, DeliveryState, SuppressionEntry, SuppressionReason};
use tidings_store::{NewSuppression, PeopleFilter, Person};
use tidings_worker::now;

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
    pub async fn launch_twice(&self, number: usize) -> anyhow::Result<String> {
        let letter = &self.letters[number];
        let version = self.scene.workspace.campaign_head(letter.id).await?.version.to_string();
        let (path, fields) = (format!("/campaigns/{}/launch", letter.id), [("version", version.as_str())]);
        let (one, other) = tokio::join!(self.pages.post(0, &path, &fields), self.pages.post(1, &path, &fields));
        if self.scene.workspace.campaign_head(letter.id).await?.state == CampaignState::Draft {
            bail!("not launched: {one:?}, {other:?}");
        }
        Ok(format!("{} launched: {}, {}", letter.name, told(&one), told(&other)))
    }

    /// # Errors
    /// Nobody answered.
    pub async fn pause(&self, random: &mut StdRng) -> anyhow::Result<String> {
        self.press(random, PAUSED, "pause").await
    }

    /// # Errors
    /// Nobody answered.
    pub async fn resume(&self, random: &mut StdRng) -> anyhow::Result<String> {
        self.press(random, PAUSED, "resume").await
    }

    /// # Errors
    /// Nobody answered.
    pub async fn cancel(&self, random: &mut StdRng) -> anyhow::Result<String> {
        self.press(random, CANCELLED, "cancel").await
    }

    /// # Errors
    /// Nobody answered.
    pub async fn send_again(&self, random: &mut StdRng) -> anyhow::Result<String> {
        let number = random.random_range(0..self.letters.len());
        self.press(random, number, "send-again").await
    }

    async fn press(&self, random: &mut StdRng, number: usize, button: &str) -> anyhow::Result<String> {
        let (server, letter) = (random.random_range(0..self.pages.servers()), &self.letters[number]);
        let answer = self.pages.post(server, &format!("/campaigns/{}/{button}", letter.id), &[]).await?;
        Ok(format!("{button} {}: {answer}", letter.name))
    }

    /// In the middle of its campaign: a draft without a list could never be launched.
    ///
    /// # Errors
    /// The database is away, or the campaign cannot be launched now.
    pub async fn delete_list(&self) -> anyhow::Result<String> {
        let letter = &self.letters[LOSES_ITS_LIST];
        if self.scene.workspace.campaign_head(letter.id).await?.state == CampaignState::Draft {
            self.launch_twice(LOSES_ITS_LIST).await?;
        }
        let deleted = self.scene.workspace.delete_list(letter.list).await?;
        Ok(format!("the list of {}: {deleted:?}", letter.name))
    }

    /// By the link in the mail, whether it has arrived or not.
    ///
    /// # Errors
    /// Nobody answered.
    pub async fn unsubscribe(&self, random: &mut StdRng) -> anyhow::Result<String> {
        let person = self.somebody(random).await?;
        let token = self.scene.keys.seal(TokenKind::Unsubscribe, person.id.0);
        let from = format!("10.{}.{}.{}", random.random::<u8>(), random.random::<u8>(), random.random::<u8>());
        let server = random.random_range(0..self.pages.servers());
        let answer = self.pages.one_click(server, &token, &from).await?;
        Ok(format!("{} unsubscribes: {answer}", person.recipient))
    }

    /// # Errors
    /// The database is away.
    pub async fn suppress(&self, random: &mut StdRng) -> anyhow::Result<String> {
        let person = self.somebody(random).await?;
        let entry = SuppressionEntry::parse(&person.recipient).map_err(|e| anyhow::anyhow!("{e:?}"))?;
        let new = NewSuppression::of(entry, SuppressionReason::Blocklist, ACTOR);
        let done = self.scene.workspace.suppress(new, now()).await?;
        Ok(format!("{} is suppressed: {done}", person.recipient))
    }

    /// # Errors
    /// The database is away.
    pub async fn delete_subscriber(&self, random: &mut StdRng) -> anyhow::Result<String> {
        let person = self.somebody(random).await?;
        let id = person.subscriber_id.context("he is deleted already")?;
        self.scene.workspace.delete_subscriber(id, ACTOR.to_owned(), now()).await?;
        Ok(format!("{} is deleted", person.recipient))
    }

    /// Whose message is still to come, if there is such a one.
    async fn somebody(&self, random: &mut StdRng) -> anyhow::Result<Person> {
        let letter = &self.letters[random.random_range(0..self.letters.len())];
        for state in [DeliveryState::Queued, DeliveryState::Deferred, DeliveryState::Accepted] {
            let filter = PeopleFilter { state: Some(state), ..PeopleFilter::default() };
            let mut people = self.scene.workspace.people(letter.id, filter, None, PICKED_FROM).await?.people;
            if !people.is_empty() {
                return Ok(people.swap_remove(random.random_range(0..people.len())));
            }
        }
        bail!("{} has nobody yet", letter.name)
    }
}

fn told(answer: &anyhow::Result<StatusCode>) -> String {
    answer.as_ref().map_or_else(|error| error.to_string(), ToString::to_string)
}
