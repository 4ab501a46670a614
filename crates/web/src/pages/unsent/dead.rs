//! `/dead-letters`: what was given up through no permanent fault of its address, newest first.

use actix_web::{HttpResponse, web};
use askama::Template;
use tidings_domain::{BounceClass, DeliveryState, Unsent, Word};
use tidings_store::{CampaignId, DeadCursor, DeadLetter, DeliveryId, UnsentGroup, Workspace};

use super::asked::Asked;
use super::orders::{OrderLines, lines};
use crate::WebState;
use crate::bounce_words::{self, class_words};
use crate::filters;
use crate::page::{Nav, Page, Show, shows};
use crate::pages::campaigns::wording;
use crate::paging::{PAGE_ROWS, Pager};
use crate::problem::WebResult;

/// Reasons that are shown above the list: the most frequent.
const GROUPS_SHOWN: i64 = 6;

shows!(DeadPage);

#[derive(Template)]
#[template(path = "unsent/dead.html")]
struct DeadPage {
    page: Page,
    asked: Asked,
    /// Over all campaigns and reasons.
    total: i64,
    groups: Vec<Group>,
    rows: Vec<Row>,
    campaigns: Vec<(String, String)>,
    classes: Vec<(&'static str, &'static str)>,
    states: [(&'static str, &'static str); 2],
    orders: OrderLines,
    pager: Pager,
}

/// Refusals with the same words.
struct Group {
    title: &'static str,
    provider: String,
    campaign: String,
    sample: String,
    n: i64,
    /// The query that shows only these.
    query: String,
}

struct Row {
    id: DeliveryId,
    campaign_id: CampaignId,
    campaign: String,
    recipient: String,
    provider: String,
    tone: &'static str,
    state: &'static str,
    reason: String,
    reply: String,
    attempts: i16,
    at_ms: i64,
}

pub(super) async fn index(page: Page, state: web::Data<WebState>, asked: web::Query<Asked>) -> WebResult<HttpResponse> {
    let (data, asked) = (page.data(&state)?, asked.into_inner());
    let filter = asked.filter(page.zone);
    let before = DeadCursor::parse(&asked.after);
    let mut found = data.dead_letters(filter.clone(), before, PAGE_ROWS + 1).await?;
    let has_more = found.len() > PAGE_ROWS as usize;
    found.truncate(PAGE_ROWS as usize);
    let next = found.last().filter(|_| has_more).map(|row| DeadCursor { at_ms: row.updated_at_ms, id: row.id });
    let groups = data.unsent_groups(Unsent::Dead, filter, GROUPS_SHOWN).await?;
    DeadPage {
        total: data.unsent_totals(None).await?.1,
        groups: groups.iter().map(|group| Group::of(group, &asked)).collect(),
        rows: rows(&data, found).await?,
        campaigns: asked.campaigns(&data).await?,
        classes: BounceClass::ALL.iter().map(|class| (class.as_str(), class_words(*class).title)).collect(),
        states: [DeliveryState::SoftBounced, DeliveryState::Failed].map(|s| (s.as_str(), wording::state(s))),
        orders: lines(&data, &page).await?,
        pager: Pager::new(&format!("/dead-letters?{}", asked.query()), before.is_none(), next.map(|c| c.to_string())),
        asked,
        page: page.titled("Dead letters", Nav::DeadLetters),
    }
    .show()
}

impl Group {
    fn of(group: &UnsentGroup, asked: &Asked) -> Self {
        let campaign = group.campaign.to_string();
        let narrowed = Asked { campaign, ..asked.clone() }.narrowed(&group.provider, &group.text);
        Self {
            title: bounce_words::explain(&group.class).title,
            provider: wording::provider(&group.provider),
            campaign: group.campaign_name.clone(),
            sample: group.sample.clone(),
            n: group.dead,
            query: narrowed,
        }
    }
}

async fn rows(data: &Workspace, found: Vec<DeadLetter>) -> WebResult<Vec<Row>> {
    let names = data.campaign_names(found.iter().map(|row| row.campaign_id).collect()).await?;
    let row = |row: DeadLetter| Row {
        id: row.id,
        campaign_id: row.campaign_id,
        campaign: names.get(&row.campaign_id).cloned().unwrap_or_default(),
        provider: row.provider.as_deref().map(wording::provider).unwrap_or_default(),
        tone: wording::state_tone(row.state),
        state: wording::state(row.state),
        reason: row.reason.as_deref().map(|reason| wording::reason(row.state, reason)).unwrap_or_default(),
        reply: row.reply.unwrap_or_default(),
        attempts: row.attempt,
        at_ms: row.updated_at_ms,
        recipient: row.recipient,
    };
    Ok(found.into_iter().map(row).collect())
}
