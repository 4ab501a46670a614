//! `/bounces/{id}`: one report: what it says, what followed and by whose rule, and the octets one click away.

use actix_web::{HttpResponse, web};
use askama::Template;
use tidings_domain::{BounceClass, BounceRules, ReportEffect, ReportKind, Word};
use tidings_store::{
    BounceLabel, BounceStanding, ChosenAction, ReportFilter, ReportId, ReportNames, ReportRow, Suppression,
    SuppressionEvent, Workspace,
};

use super::raw::is_json;
use super::row::{ReportLine, headline, plain};
use crate::WebState;
use crate::bounce_words::{self, CLASS_GROUPS, ClassGroup, action_sentence, class_words};
use crate::filters;
use crate::page::{Nav, Page, Show, shows};
use crate::pages::timeline::standing_words;
use crate::problem::{WebError, WebResult};
use crate::text::count_of;

/// Of a mail, what the page itself shows; all of it is in the download.
const SHOWN_OCTETS: usize = 64 * 1024;
/// Reports of one text, counted so far.
const MOST_COUNTED: i64 = 1_000;
/// Entries and changes of one address that are looked at.
const LOOKED_AT: i64 = 20;

shows!(ReportPage);

#[derive(Template)]
#[template(path = "bounces/show.html")]
pub(super) struct ReportPage {
    page: Page,
    row: ReportRow,
    line: ReportLine,
    /// `/bounces/7`, or nobody's.
    path: String,
    is_stranger: bool,
    is_admin: bool,
    advice: &'static str,
    source: String,
    /// Why it had this consequence, sentence by sentence.
    why: Vec<String>,
    words: String,
    mail: String,
    mail_is_cut: bool,
    mail_name: &'static str,
    case: Case,
    groups: &'static [ClassGroup],
}

/// What a workspace knows of a report beside the report.
#[derive(Default)]
pub(super) struct Case {
    pub rules: BounceRules,
    pub chosen: Option<ChosenAction>,
    pub standing: Option<BounceStanding>,
    /// The entry of the suppression list that this report made.
    pub suppression: Option<Suppression>,
    /// Who removed it, if somebody did.
    pub removed: Option<SuppressionEvent>,
    pub label: Option<BounceLabel>,
    /// Reports with the same text.
    pub alike: i64,
}

pub(super) async fn show(page: Page, state: web::Data<WebState>, id: web::Path<i64>) -> WebResult<HttpResponse> {
    let data = page.data(&state)?;
    let (row, octets) = data.report(ReportId(id.into_inner())).await?.ok_or(WebError::NotFound)?;
    let names = data.report_names(std::slice::from_ref(&row)).await?;
    let case = case(&data, &row).await?;
    ReportPage::new(page, row, &octets, names, Some(case))?.show()
}

async fn case(data: &Workspace, row: &ReportRow) -> WebResult<Case> {
    let class = BounceClass::parse(&row.class).ok();
    let chosen = data.chosen_bounce_actions().await?.into_iter().find(|chosen| Some(chosen.class) == class);
    let standing = match row.subscriber_id {
        Some(id) => data.bounce_standing(id).await.ok(),
        None => None,
    };
    let suppression = own_suppression(data, row).await?;
    let removed = match suppression {
        None if suppresses(row) => removal(data, row).await?,
        _ => None,
    };
    let same = ReportFilter { text_key: Some(row.text_key.clone()), ..ReportFilter::default() };
    let alike = if row.text_key.is_empty() { 0 } else { data.count_reports(same, MOST_COUNTED).await? };
    let label = data.bounce_labels().await?.into_iter().find(|label| label.text_key == row.text_key);
    let alike = i64::try_from(alike).unwrap_or(i64::MAX);
    Ok(Case { rules: data.bounce_rules().await?, chosen, standing, suppression, removed, label, alike })
}

fn suppresses(row: &ReportRow) -> bool {
    matches!(
        ReportEffect::parse(&row.effect),
        Ok(ReportEffect::Suppressed | ReportEffect::OnHold | ReportEffect::Complained)
    )
}

/// The entry that stands because of this report.
pub(super) async fn own_suppression(data: &Workspace, row: &ReportRow) -> WebResult<Option<Suppression>> {
    if row.recipient.is_empty() || !suppresses(row) {
        return Ok(None);
    }
    let entries = data.suppressions(row.recipient.as_str(), None, LOOKED_AT).await?;
    Ok(entries.into_iter().find(|entry| entry.delivery_id.is_some() && entry.delivery_id == row.delivery_id))
}

async fn removal(data: &Workspace, row: &ReportRow) -> WebResult<Option<SuppressionEvent>> {
    let events = data.suppression_events(Some(row.recipient.clone()), None, LOOKED_AT).await?;
    let since = row.settled_at_ms.unwrap_or(row.received_at_ms);
    Ok(events.into_iter().find(|event| event.action == "removed" && event.at_ms >= since))
}

impl ReportPage {
    /// Without a case it is nobody's.
    pub(super) fn new(
        page: Page,
        row: ReportRow,
        octets: &[u8],
        names: ReportNames,
        case: Option<Case>,
    ) -> WebResult<Self> {
        let is_stranger = case.is_none();
        let case = case.unwrap_or_default();
        let (title, _) = headline(&row);
        let shown = &octets[..octets.len().min(SHOWN_OCTETS)];
        let (path, title) = (path(&row, is_stranger), title.to_owned());
        Ok(Self {
            is_admin: page.who()?.is_admin(),
            line: ReportLine::of(&row, &names),
            path,
            is_stranger,
            advice: if row.class.is_empty() { "" } else { bounce_words::explain(&row.class).advice },
            source: bounce_words::source(&row.source),
            why: why(&page, &row, &case),
            words: plain(&row.words),
            mail: plain(&String::from_utf8_lossy(shown)),
            mail_is_cut: octets.len() > SHOWN_OCTETS,
            mail_name: if is_json(&row) { ".json" } else { ".eml" },
            groups: CLASS_GROUPS,
            case,
            row,
            page: page.titled(title, Nav::Bounces),
        })
    }

    fn kind(&self) -> &'static str {
        ReportKind::parse(&self.row.kind).map_or("", bounce_words::kind)
    }

    fn can_label(&self) -> bool {
        let unknown = self.row.class == BounceClass::Undetermined.as_str();
        self.is_admin && !self.is_stranger && !self.row.text_key.is_empty() && (unknown || self.case.label.is_some())
    }

    fn title_of(&self, class: &BounceClass) -> &'static str {
        class_words(*class).title
    }

    fn is_labelled(&self, class: &BounceClass) -> bool {
        self.case.label.as_ref().is_some_and(|label| label.class == *class)
    }

    fn alike(&self) -> String {
        match self.case.alike {
            n if n >= MOST_COUNTED => format!("more than {} reports", crate::text::number(MOST_COUNTED - 1)),
            n => count_of(n, "report", "reports"),
        }
    }

    /// Opened only with octets, and not while it is being read.
    fn can_be_read_again(&self) -> bool {
        !self.mail.is_empty() && matches!(self.row.state.as_str(), "done" | "set_aside")
    }
}

fn path(row: &ReportRow, is_stranger: bool) -> String {
    match is_stranger {
        true => format!("/bounces/strangers/{}", row.id),
        false => format!("/bounces/{}", row.id),
    }
}

fn why(page: &Page, row: &ReportRow, case: &Case) -> Vec<String> {
    let mut why = Vec::new();
    if let Ok(class) = BounceClass::parse(&row.class) {
        why.push(rule_sentence(class, case));
    } else if row.kind == ReportKind::Feedback.as_str() {
        why.push("Who complains is unsubscribed and suppressed for good. No rule can change that.".to_owned());
    }
    if let Some(standing) = &case.standing {
        why.extend(standing_words(page, standing, &case.rules.limits));
    }
    why
}

fn rule_sentence(class: BounceClass, case: &Case) -> String {
    if class.is_senders_fault() {
        return "This is about the sender, the content or the pace: no person is ever marked for it, and no rule can change that."
            .to_owned();
    }
    let chosen = case.rules.action(class);
    let whose = match &case.chosen {
        Some(by) => format!("was chosen by {}", by.by),
        None => "is built in".to_owned(),
    };
    let sentence = action_sentence(chosen, &case.rules.limits);
    format!("The rule for “{}” {whose}. {sentence}", class_words(class).title)
}
