//! Whether a draft can be launched, and what is missing.

use std::collections::BTreeSet;

use tidings_compose::{Finding, Level, preflight};
use tidings_domain::{Audience, UnixMs};
use tidings_store::{Campaign, CampaignId, CampaignList, Workspace, WorkspaceRow};

use super::draft::{address, content_of};
use super::signing_check::signing_check;
use crate::pages::sending::ways::{self, Leaving};
use crate::problem::WebResult;

/// A finding with the way to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub level: Level,
    pub code: &'static str,
    pub title: String,
    pub detail: String,
    pub href: String,
    /// What the link to `href` says.
    pub fix: &'static str,
    pub row: RowKey,
}

/// The row of the checklist that a finding belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKey {
    Recipients,
    From,
    Subject,
    Content,
    Footer,
    Route,
}

/// Everything that the checklist and the launch look at, read once.
#[derive(Debug, Clone)]
pub struct Readiness {
    pub lists: Vec<CampaignList>,
    pub workspace: WorkspaceRow,
    /// `None`: there is no way to send yet.
    pub leaving: Option<Leaving>,
    pub audience: Audience,
    /// The most serious first.
    pub checks: Vec<Check>,
}

impl Readiness {
    /// # Errors
    /// The database's own.
    pub async fn of(data: &Workspace, campaign: &Campaign, now: UnixMs) -> WebResult<Self> {
        let id = campaign.head.id;
        let lists = data.campaign_lists(id).await?;
        let (include, exclude): (Vec<_>, Vec<_>) = lists.iter().partition(|l| l.is_included());
        let ids = |lists: Vec<&CampaignList>| lists.into_iter().map(|l| l.list_id).collect::<Vec<_>>();
        let audience = data.audience(ids(include), ids(exclude), now).await?;
        let workspace = data.details().await?;
        let leaving = ways::leaving(data, &campaign.head).await?;
        let fields: BTreeSet<String> = data.attribute_names().await?.into_iter().collect();
        let draft = content_of(campaign, &workspace, &lists);
        let mut checks = own_checks(id, &lists, &audience, leaving.as_ref());
        let route = leaving.as_ref().map(|leaving| leaving.route.kind);
        checks.extend(signing_check(&draft.from_email, &data.signing_domains().await?, route));
        checks.extend(deadline_check(campaign, now));
        checks.extend(preflight(&draft, &fields).into_iter().map(|finding| with_fix(id, finding)));
        checks.sort_by_key(|c| c.level);
        Ok(Self { lists, workspace, leaving, audience, checks })
    }

    pub fn blockers(&self) -> usize {
        self.checks.iter().filter(|c| c.level == Level::Block).count()
    }

    pub fn can_launch(&self) -> bool {
        self.blockers() == 0
    }

    /// The names of the included (or excluded) lists.
    pub fn names(&self, included: bool) -> Vec<&str> {
        self.lists.iter().filter(|l| l.is_included() == included).map(|l| l.list_name.as_str()).collect()
    }
}

/// What only the campaign as a whole can lack.
fn own_checks(id: CampaignId, lists: &[CampaignList], audience: &Audience, leaving: Option<&Leaving>) -> Vec<Check> {
    let block = |code, title: &str, detail: &str, href: String, fix, row| Check {
        level: Level::Block,
        code,
        title: title.to_owned(),
        detail: detail.to_owned(),
        href,
        fix,
        row,
    };
    let mut checks = Vec::new();
    if !lists.iter().any(CampaignList::is_included) {
        let detail = "Choose at least one list.";
        let to = address(id, "/recipients");
        checks.push(block("no-recipients", "Nobody is chosen yet", detail, to, "Choose lists", RowKey::Recipients));
    } else if audience.recipients() <= 0 {
        let detail = "Everybody on the chosen lists is excluded, suppressed or unsubscribed.";
        let to = address(id, "/recipients");
        checks.push(block("empty-audience", "Nobody would get it", detail, to, "Change lists", RowKey::Recipients));
    }
    let settings = || "/settings/sending".to_owned();
    match leaving {
        None => {
            let detail = "Tidings does not know yet how mail leaves: through a relay, or directly.";
            checks.push(block("no-route", "No way to send", detail, settings(), "Set up sending", RowKey::Route));
        }
        Some(leaving) if !leaving.is_on => {
            let detail = "Every route that it could leave by is switched off.";
            checks.push(block("route-off", "Its way is switched off", detail, settings(), "Routes", RowKey::Route));
        }
        Some(_) => {}
    }
    checks
}

fn deadline_check(campaign: &Campaign, now: UnixMs) -> Option<Check> {
    campaign.head.deadline().has_passed(now).then(|| Check {
        level: Level::Block,
        code: "deadline-passed",
        title: "Its deadline has passed".to_owned(),
        detail: "It would give up before it begins.".to_owned(),
        href: address(campaign.head.id, "/details"),
        fix: "Change deadline",
        row: RowKey::Content,
    })
}

fn with_fix(id: CampaignId, finding: Finding) -> Check {
    let Finding { level, code, title, detail, field } = finding;
    let is_footer = code.contains("unsubscribe") || code.contains("postal");
    let (row, rest, fix) = match field {
        "subject" | "preview_text" => (RowKey::Subject, "/details", "Edit subject"),
        "from_name" | "from_email" | "reply_to" => (RowKey::From, "/details", "Edit sender"),
        "postal_address" => return settings(level, code, title, detail),
        _ => (RowKey::Content, "/content", "Edit content"),
    };
    let row = if is_footer { RowKey::Footer } else { row };
    Check { level, code, title, detail, href: address(id, rest), fix, row }
}

fn settings(level: Level, code: &'static str, title: String, detail: String) -> Check {
    Check { level, code, title, detail, href: "/settings".to_owned(), fix: "Open settings", row: RowKey::Footer }
}
