//! The facts of a round, from the ledger, the witness, the sandbox's record, and who wrote bounces.

use std::collections::HashMap;

use anyhow::{Context, bail, ensure};
use tidings_compose::TokenKind;
use tidings_sandbox::read_log;
use tidings_store::{PeopleFilter, RevisionId};

use super::facts::{Arrival, Bounce, CampaignFacts, Facts, Row};
use super::round::Stage;
use super::scene::Letter;
use super::vitals::vitals;
use super::witness::Testimony;

/// Rows of the ledger read in one page.
const PAGE_ROWS: i64 = 5_000;
/// By delivery: reports that are kept, and those from which something followed.
const REPORTS: &str = "SELECT delivery_id, count(*), sum(CASE WHEN effect IN ('known', 'nothing') THEN 0 ELSE 1 END) \
    FROM reports WHERE delivery_id IS NOT NULL GROUP BY delivery_id";

impl Stage<'_> {
    /// `answered`: how many reports were answered with 250 for each delivery.
    ///
    /// # Errors
    /// A server does not answer, or the harness itself fails.
    pub(super) async fn facts(&mut self, letters: &[Letter], answered: HashMap<i64, usize>) -> anyhow::Result<Facts> {
        let vitals = vitals(self.ground, self.fleet).await?;
        let testimony = tokio::task::block_in_place(|| Testimony::since(self.ground, self.seen_moves))?;
        self.seen_moves = testimony.last();
        let mut facts = Facts { vitals, bounces: self.bounces(answered)?, ..Facts::default() };
        (facts.moves, facts.acts, facts.tellings) = (testimony.moves, testimony.acts, testimony.tellings);
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
        let counters = self.scene.store.miscounts(letter.id).await?;
        let groups = self.scene.store.group_miscounts(letter.id).await?;
        let counters = counters.iter().map(|miscount| format!("{miscount:?}"));
        let miscounts = counters.chain(groups.iter().map(|miscount| format!("{miscount:?}"))).collect();
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
            miscounts,
            rows,
            invited: letter.invited().map(str::to_owned).collect(),
        })
    }

    fn bounces(&self, answered: HashMap<i64, usize>) -> anyhow::Result<Vec<Bounce>> {
        let mut bounces: HashMap<i64, Bounce> = answered
            .into_iter()
            .map(|(delivery, answered)| (delivery, Bounce { delivery, answered, kept: 0, followed: 0 }))
            .collect();
        for line in tokio::task::block_in_place(|| self.ground.ask(REPORTS))? {
            let mut fields = line.split('|').map(str::parse::<i64>);
            let (Some(Ok(delivery)), Some(Ok(kept)), Some(Ok(followed))) =
                (fields.next(), fields.next(), fields.next())
            else {
                bail!("reports are told as {line:?}");
            };
            // Those of earlier rounds have been looked at.
            if let Some(bounce) = bounces.get_mut(&delivery) {
                (bounce.kept, bounce.followed) = (usize::try_from(kept)?, usize::try_from(followed)?);
            }
        }
        Ok(bounces.into_values().collect())
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
                let at_ms = i64::try_from(entry.unix_ms).unwrap_or(i64::MAX);
                let (recipient, content) = (entry.recipient, entry.content);
                arrivals.push(Arrival { seq: entry.seq, at_ms, delivery, recipient, content });
            }
        })?;
        ensure!(last >= self.seen_copies, "the sandbox's record became shorter");
        self.seen_copies = last;
        Ok(arrivals)
    }
}
