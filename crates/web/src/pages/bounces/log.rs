//! `/bounces`: every report of the workspace's mail, newest first.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_domain::{BounceClass, EmailAddress, ReportEffect, ReportKind, Word};
use tidings_store::{CampaignId, CampaignTab, ReportFilter, ReportId, Workspace};

use super::row::{ReportLine, plain};
use crate::WebState;
use crate::bounce_words::{self, class_words};
use crate::filters;
use crate::page::{Nav, Page, Show, shows};
use crate::pages::campaigns::encoded;
use crate::paging::{PAGE_ROWS, Pager};
use crate::problem::WebResult;

/// Campaigns to choose from; any other is reached from its own page.
const CAMPAIGNS_OFFERED: i64 = 50;

shows!(LogPage);

#[derive(Template)]
#[template(path = "bounces/index.html")]
struct LogPage {
    page: Page,
    asked: Asked,
    tab: Tab,
    is_admin: bool,
    kinds: Vec<(&'static str, &'static str)>,
    classes: Vec<(&'static str, &'static str)>,
    effects: Vec<(&'static str, &'static str)>,
    campaigns: Vec<(String, String)>,
    /// The text that all shown reports have in common.
    text: String,
    rows: Vec<ReportLine>,
    pager: Pager,
}

/// Which of the ready-made views is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tab {
    All,
    Complaints,
    Unknown,
}

/// The filter as it stands in the query.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    class: String,
    #[serde(default)]
    effect: String,
    #[serde(default)]
    campaign: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    after: String,
}

impl Asked {
    /// Words that are none of ours filter nothing.
    fn filter(&self) -> ReportFilter {
        let typed = self.address.trim();
        let address = EmailAddress::parse(typed).map_or_else(|_| typed.to_lowercase(), |email| email.to_string());
        ReportFilter {
            kind: ReportKind::parse(&self.kind).ok(),
            class: BounceClass::parse(&self.class).ok(),
            effect: ReportEffect::parse(&self.effect).ok(),
            campaign: self.campaign.parse().ok().map(CampaignId),
            recipient: Some(address).filter(|address| !address.is_empty()),
            text_key: Some(self.text.clone()).filter(|text| !text.is_empty()),
            ..ReportFilter::default()
        }
    }

    fn query(&self) -> String {
        let parts = [
            ("kind", &self.kind),
            ("class", &self.class),
            ("effect", &self.effect),
            ("campaign", &self.campaign),
            ("address", &self.address),
            ("text", &self.text),
        ];
        let given = parts.iter().filter(|(_, value)| !value.is_empty());
        given.map(|(name, value)| format!("{name}={}&", encoded(value))).collect()
    }

    fn is_empty(&self) -> bool {
        self.query().is_empty()
    }

    fn tab(&self) -> Tab {
        match (self.kind.as_str(), self.class.as_str()) {
            ("feedback", "") => Tab::Complaints,
            ("", "undetermined") => Tab::Unknown,
            _ => Tab::All,
        }
    }
}

pub(super) async fn index(page: Page, state: web::Data<WebState>, asked: web::Query<Asked>) -> WebResult<HttpResponse> {
    let (data, asked) = (page.data(&state)?, asked.into_inner());
    let after = asked.after.parse().ok().map(ReportId);
    let mut rows = data.reports(asked.filter(), after, PAGE_ROWS + 1).await?;
    let has_more = rows.len() > PAGE_ROWS as usize;
    rows.truncate(PAGE_ROWS as usize);
    let next = rows.last().filter(|_| has_more).map(|row| row.id.to_string());
    let names = data.report_names(&rows).await?;
    LogPage {
        is_admin: page.who()?.is_admin(),
        kinds: ReportKind::ALL.iter().map(|kind| (kind.as_str(), bounce_words::kind(*kind))).collect(),
        classes: BounceClass::ALL.iter().map(|class| (class.as_str(), class_words(*class).title)).collect(),
        effects: ReportEffect::ALL.iter().map(|effect| (effect.as_str(), bounce_words::effect(*effect).1)).collect(),
        campaigns: campaigns(&data, &asked).await?,
        text: plain(&asked.text),
        rows: rows.iter().map(|row| ReportLine::of(row, &names)).collect(),
        pager: Pager::new(&format!("/bounces?{}", asked.query()), after.is_none(), next),
        tab: asked.tab(),
        asked,
        page: page.titled("Bounces", Nav::Bounces),
    }
    .show()
}

/// The latest, and the one that is asked for.
async fn campaigns(data: &Workspace, asked: &Asked) -> WebResult<Vec<(String, String)>> {
    let latest = data.campaigns(CampaignTab::All, "", None, CAMPAIGNS_OFFERED).await?;
    let mut offered: Vec<(String, String)> =
        latest.into_iter().map(|row| (row.head.id.to_string(), row.head.name)).collect();
    if let Ok(id) = asked.campaign.parse()
        && offered.iter().all(|(known, _)| *known != asked.campaign)
        && let Ok(head) = data.campaign_head(CampaignId(id)).await
    {
        offered.insert(0, (head.id.to_string(), head.name));
    }
    Ok(offered)
}

impl LogPage {
    fn is_tab(&self, tab: &str) -> bool {
        matches!((self.tab, tab), (Tab::All, "all") | (Tab::Complaints, "complaints") | (Tab::Unknown, "unknown"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_what_the_address_says_and_nonsense_filters_nothing() {
        let asked = Asked {
            class: "mailbox_full".into(),
            kind: "nonsense".into(),
            address: " Anna@Example.ORG ".into(),
            campaign: "x".into(),
            ..Asked::default()
        };
        let filter = asked.filter();
        assert_eq!((filter.class, filter.kind, filter.campaign), (Some(BounceClass::MailboxFull), None, None));
        assert_eq!(filter.recipient.as_deref(), Some("anna@example.org"));
        assert!(asked.query().contains("address=%20Anna%40Example.ORG%20&"));
        assert!(Asked { class: "undetermined".into(), ..Asked::default() }.tab() == Tab::Unknown);
    }
}
