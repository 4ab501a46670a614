//! `/campaigns/{id}/recipients`: which lists get it and which do not, with the arithmetic.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use tidings_domain::{Audience, UnixMs};
use tidings_store::{CampaignId, Edited, ListId, Workspace};

use super::details::Conflict;
use super::draft::{address, id_of, is_draft, not_a_draft};
use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::page::{Nav, Page, Show, fragment, see_other};
use crate::problem::WebResult;

#[derive(Template)]
#[template(path = "campaigns/recipients.html")]
struct RecipientsPage {
    page: Page,
    id: CampaignId,
    version: i64,
    lists: Vec<Choice>,
    audience: Audience,
    conflict: Option<Conflict>,
}

impl Show for RecipientsPage {
    fn page(&self) -> &Page {
        &self.page
    }
}

/// The arithmetic alone, for the live recount.
#[derive(Template)]
#[template(path = "campaigns/audience.html")]
struct AudiencePart {
    audience: Audience,
}

struct Choice {
    id: ListId,
    name: String,
    subscribed: i64,
    included: bool,
    excluded: bool,
}

/// `list-7=include&list-9=exclude`
type Pairs = Vec<(String, String)>;

#[derive(Debug, Default, Clone)]
struct Chosen {
    include: Vec<ListId>,
    exclude: Vec<ListId>,
    version: i64,
}

impl Chosen {
    fn of(pairs: &Pairs) -> Self {
        let mut chosen = Self::default();
        for (name, value) in pairs {
            if name == "version" {
                chosen.version = value.parse().unwrap_or(0);
            }
            let Some(list) = name.strip_prefix("list-").and_then(|id| id.parse().ok()).map(ListId) else { continue };
            match value.as_str() {
                "include" => chosen.include.push(list),
                "exclude" => chosen.exclude.push(list),
                _ => {}
            }
        }
        chosen
    }

    async fn audience(&self, data: &Workspace, now: UnixMs) -> WebResult<Audience> {
        Ok(data.audience(self.include.clone(), self.exclude.clone(), now).await?)
    }
}

pub async fn form(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
) -> WebResult<HttpResponse> {
    let data = page.data(&state)?;
    let campaign = data.campaign(id_of(&path)).await?;
    if !is_draft(&campaign) {
        return Ok(not_a_draft(&request, campaign.head.id));
    }
    let mut chosen = Chosen { version: campaign.head.version, ..Chosen::default() };
    for list in data.campaign_lists(campaign.head.id).await? {
        if list.is_included() { chosen.include.push(list.list_id) } else { chosen.exclude.push(list.list_id) }
    }
    page_of(page, &data, campaign.head.id, chosen, None).await?.show()
}

pub async fn save(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
    pairs: web::Form<Pairs>,
) -> WebResult<HttpResponse> {
    let (id, data, mut chosen) = (id_of(&path), page.data(&state)?, Chosen::of(&pairs));
    let by = page.who()?.name.clone();
    let (include, exclude) = (chosen.include.clone(), chosen.exclude.clone());
    match data.save_recipients(id, chosen.version, include, exclude, &by, page.now).await? {
        Edited::Saved { .. } => {
            flash(&request, Tone::Ok, "The recipients are saved.");
            Ok(see_other(&address(id, "")))
        }
        Edited::NotDraft => Ok(not_a_draft(&request, id)),
        Edited::Conflict { by, current } => {
            chosen.version = current.head.version;
            page_of(page, &data, id, chosen, Some(Conflict { by })).await?.show_errors()
        }
    }
}

/// The arithmetic of what is ticked, without saving it.
pub async fn count(
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
    pairs: web::Query<Pairs>,
) -> WebResult<HttpResponse> {
    let data = page.data(&state)?;
    data.campaign_head(id_of(&path)).await?;
    fragment(&AudiencePart { audience: Chosen::of(&pairs).audience(&data, page.now).await? })
}

async fn page_of(
    page: Page,
    data: &Workspace,
    id: CampaignId,
    chosen: Chosen,
    conflict: Option<Conflict>,
) -> WebResult<RecipientsPage> {
    let audience = chosen.audience(data, page.now).await?;
    let lists = data.lists().await?.into_iter().map(|row| Choice {
        id: row.list.id,
        included: chosen.include.contains(&row.list.id),
        excluded: chosen.exclude.contains(&row.list.id),
        name: row.list.name,
        subscribed: row.subscribed,
    });
    Ok(RecipientsPage {
        page: page.titled("Recipients", Nav::Campaigns),
        id,
        version: chosen.version,
        lists: lists.collect(),
        audience,
        conflict,
    })
}
