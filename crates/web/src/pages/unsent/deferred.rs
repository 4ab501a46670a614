//! `/deferred`: what is put off now, by provider and by what the receiver said, each with what it means and what can be done.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use askama::Template;
use tidings_domain::{DeliveryState, Unsent};
use tidings_store::{CampaignId, NextTries, ReplyGroupId, UnsentGroup, Workspace};

use super::asked::Asked;
use super::orders::{OrderLines, lines};
use crate::WebState;
use crate::bounce_words::{self, ClassWords};
use crate::deferral_words;
use crate::filters;
use crate::page::{Nav, Page, Show, shows};
use crate::pages::campaigns::wording;
use crate::problem::WebResult;
use crate::text::count_of;

/// Groups that are read: the most frequent. Those of several campaigns with the same words become one row.
const GROUPS_READ: i64 = 1_000;
/// Rows on the page.
const ROWS_SHOWN: usize = 100;
/// Groups of a row whose next tries are looked up.
const TRIES_LOOKED_UP: usize = 400;

shows!(DeferredPage);

#[derive(Template)]
#[template(path = "unsent/deferred.html")]
struct DeferredPage {
    page: Page,
    asked: Asked,
    campaigns: Vec<(String, String)>,
    total: i64,
    rows: Vec<Row>,
    /// In groups that are not shown.
    more: i64,
    /// Without a refusal: held from the queue, moved to another route, or sent again by a person.
    without: i64,
    orders: OrderLines,
}

/// What one provider said, over all campaigns that heard it.
struct Row {
    words: ClassWords,
    /// What happens by itself.
    by_itself: &'static str,
    provider: String,
    sample: String,
    code: Option<i16>,
    n: i64,
    since_ms: i64,
    last_ms: i64,
    first_try: Option<i64>,
    last_try: Option<i64>,
    any_held: bool,
    /// Whose they are, where it is one campaign.
    campaign: Option<(CampaignId, String)>,
    campaigns: usize,
    query: String,
    ids: Vec<ReplyGroupId>,
}

pub(super) async fn index(page: Page, state: web::Data<WebState>, asked: web::Query<Asked>) -> WebResult<HttpResponse> {
    let (data, asked) = (page.data(&state)?, asked.into_inner());
    let filter = asked.filter(page.zone);
    let groups = data.unsent_groups(Unsent::Deferred, filter.clone(), GROUPS_READ).await?;
    let in_groups = data.unsent_totals(filter.campaign).await?.0;
    let total = deferred(&data, filter.campaign).await?;
    let mut rows = merged(groups, &asked);
    rows.truncate(ROWS_SHOWN);
    look_up_tries(&data, &mut rows).await?;
    let shown: i64 = rows.iter().map(|row| row.n).sum();
    let is_whole =
        asked.provider.is_empty() && asked.class.is_empty() && asked.code.is_empty() && asked.text.is_empty();
    DeferredPage {
        campaigns: asked.campaigns(&data).await?,
        total,
        more: if is_whole { in_groups - shown } else { 0 },
        without: if is_whole { total - in_groups } else { 0 },
        rows,
        orders: lines(&data, &page).await?,
        asked,
        page: page.titled("Deferred", Nav::Deferred),
    }
    .show()
}

/// By the counters, whatever they were put off for.
async fn deferred(data: &Workspace, campaign: Option<CampaignId>) -> WebResult<i64> {
    let counts = data.open_counts(campaign).await?;
    Ok(counts.get(&DeliveryState::Deferred).copied().unwrap_or(0))
}

/// One row for each provider and text, the largest first.
fn merged(groups: Vec<UnsentGroup>, asked: &Asked) -> Vec<Row> {
    let mut rows: BTreeMap<(String, String), Row> = BTreeMap::new();
    for group in groups {
        let key = (group.provider.clone(), group.text.clone());
        let query = asked.narrowed(&group.provider, &group.text);
        let row = rows.entry(key).or_insert_with(|| Row::of(&group, query));
        row.add(&group);
    }
    let mut rows: Vec<Row> = rows.into_values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.n));
    rows
}

impl Row {
    fn of(group: &UnsentGroup, query: String) -> Self {
        Self {
            words: bounce_words::explain(&group.class),
            by_itself: deferral_words::by_itself(&group.class),
            provider: wording::provider(&group.provider),
            sample: group.sample.clone(),
            code: group.code,
            n: 0,
            since_ms: group.first_at_ms,
            last_ms: group.last_at_ms,
            first_try: None,
            last_try: None,
            any_held: false,
            campaign: Some((group.campaign, group.campaign_name.clone())),
            campaigns: 0,
            query,
            ids: Vec::new(),
        }
    }

    fn add(&mut self, group: &UnsentGroup) {
        self.n += group.deferred;
        self.since_ms = self.since_ms.min(group.first_at_ms);
        self.last_ms = self.last_ms.max(group.last_at_ms);
        self.campaigns += 1;
        self.campaign = self.campaign.take().filter(|_| self.campaigns == 1);
        self.ids.push(group.id);
    }

    fn know(&mut self, next: &NextTries) {
        let (first, last) = (self.first_try, self.last_try);
        self.first_try = first.into_iter().chain(next.first_ms).min();
        self.last_try = last.into_iter().chain(next.last_ms).max();
        self.any_held |= next.any_held;
    }

    fn of_campaigns(&self) -> String {
        count_of(i64::try_from(self.campaigns).unwrap_or(0), "campaign", "campaigns")
    }
}

async fn look_up_tries(data: &Workspace, rows: &mut [Row]) -> WebResult<()> {
    let ids: Vec<ReplyGroupId> = rows.iter().flat_map(|row| row.ids.iter().copied()).take(TRIES_LOOKED_UP).collect();
    let known: BTreeMap<ReplyGroupId, NextTries> =
        data.next_tries(ids).await?.into_iter().map(|next| (next.group, next)).collect();
    for row in rows {
        for next in row.ids.clone().iter().filter_map(|id| known.get(id)) {
            row.know(next);
        }
    }
    Ok(())
}
