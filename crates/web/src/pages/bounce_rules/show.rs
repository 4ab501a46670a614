use actix_web::{HttpResponse, web};
use askama::Template;
use tidings_domain::{BounceAction, BounceClass, BounceRules, Word};
use tidings_store::{BounceChange, BounceLabel, BounceLimit, BounceSubject, ChosenAction};

use super::MOST_DAYS_AGAIN;
use super::limits::{LimitsForm, percent};
use crate::WebState;
use crate::bounce_words::{CLASS_GROUPS, ClassWords, action, action_sentence, class_words};
use crate::filters;
use crate::form::Errors;
use crate::page::{Nav, Page, Show, shows};
use crate::pages::bounces::plain;
use crate::problem::WebResult;

/// Changes that the page tells.
const CHANGES_SHOWN: i64 = 20;
/// Of a labelled text.
const TEXT_CHARS: usize = 160;

shows!(RulesPage);

#[derive(Template)]
#[template(path = "settings/bounces.html")]
pub(super) struct RulesPage {
    page: Page,
    is_admin: bool,
    /// What each action does, by the limits in force.
    actions: Vec<(&'static str, String)>,
    groups: Vec<Group>,
    form: LimitsForm,
    labels: Vec<LabelRow>,
    changes: Vec<(i64, String)>,
    most_days: u16,
    errors: Errors,
}

struct Group {
    title: &'static str,
    lead: &'static str,
    is_editable: bool,
    rows: Vec<Row>,
}

struct Row {
    word: &'static str,
    words: ClassWords,
    built_in: &'static str,
    /// What follows now.
    now: &'static str,
    /// Word, text, chosen.
    options: Vec<(&'static str, String, bool)>,
    chosen: Option<ChosenAction>,
}

struct LabelRow {
    text_key: String,
    text: String,
    title: &'static str,
    by: String,
    at_ms: i64,
}

pub(super) async fn show(page: Page, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    rules_page(page, &state, None, Errors::default()).await?.show()
}

/// `typed`: limits with something wrong.
pub(super) async fn rules_page(
    page: Page,
    state: &WebState,
    typed: Option<LimitsForm>,
    errors: Errors,
) -> WebResult<RulesPage> {
    let data = page.data(state)?;
    let rules = data.bounce_rules().await?;
    let chosen = data.chosen_bounce_actions().await?;
    let changes = data.bounce_changes(CHANGES_SHOWN).await?;
    Ok(RulesPage {
        is_admin: page.who()?.is_admin(),
        actions: BounceAction::ALL.iter().map(|of| (action(*of), action_sentence(*of, &rules.limits))).collect(),
        groups: groups(&rules, &chosen),
        form: typed.unwrap_or_else(|| LimitsForm::of(&rules.limits)),
        labels: data.bounce_labels().await?.into_iter().map(label_row).collect(),
        changes: changes.iter().map(|change| (change.at_ms, told(change))).collect(),
        most_days: MOST_DAYS_AGAIN,
        errors,
        page: page.titled("Rules for bounces", Nav::Settings),
    })
}

fn groups(rules: &BounceRules, chosen: &[ChosenAction]) -> Vec<Group> {
    let row = |class: &BounceClass| Row {
        word: class.as_str(),
        words: class_words(*class),
        built_in: action(class.default_action()),
        now: action(rules.action(*class)),
        options: BounceAction::ALL.iter().map(|option| choice(*option, *class, rules)).collect(),
        chosen: chosen.iter().find(|one| one.class == *class).cloned(),
    };
    let group = |group: &crate::bounce_words::ClassGroup| Group {
        title: group.title,
        lead: group.lead,
        is_editable: group.classes.iter().all(|class| class.is_editable()),
        rows: group.classes.iter().map(row).collect(),
    };
    CLASS_GROUPS.iter().map(group).collect()
}

fn choice(option: BounceAction, class: BounceClass, rules: &BounceRules) -> (&'static str, String, bool) {
    let built_in = if option == class.default_action() { " (built in)" } else { "" };
    (option.as_str(), format!("{}{built_in}", action(option)), option == rules.action(class))
}

fn label_row(label: BounceLabel) -> LabelRow {
    let text: String = label.text_key.chars().take(TEXT_CHARS).collect();
    LabelRow {
        text: plain(&text),
        text_key: label.text_key,
        title: class_words(label.class).title,
        by: label.labelled_by,
        at_ms: label.labelled_at_ms,
    }
}

/// One change in words: who, what, from what to what.
fn told(change: &BounceChange) -> String {
    let by = &change.by;
    match &change.subject {
        BounceSubject::Action(class) => {
            let words =
                |stored: &str| BounceAction::parse(stored).map_or_else(|_| stored.to_owned(), |a| action(a).to_owned());
            let (was, becomes) = (words(&change.was).to_lowercase(), words(&change.becomes).to_lowercase());
            format!("{by} changed “{}” from “{was}” to “{becomes}”", class_words(*class).title)
        }
        BounceSubject::Limit(limit) => {
            let (name, is_share) = limit_words(*limit);
            let number = |stored: &str| match (is_share, stored.parse::<u16>()) {
                (true, Ok(parts)) => format!("{} %", percent(parts)),
                _ => stored.to_owned(),
            };
            format!("{by} changed “{name}” from {} to {}", number(&change.was), number(&change.becomes))
        }
        BounceSubject::Label(text) => {
            let text = plain(&text.chars().take(TEXT_CHARS).collect::<String>());
            match BounceClass::parse(&change.becomes) {
                Ok(class) => format!("{by} said that “{text}” means “{}”", class_words(class).title),
                Err(_) => format!("{by} took back what “{text}” means"),
            }
        }
    }
}

/// The name of a limit, and whether it is a share.
const fn limit_words(limit: BounceLimit) -> (&'static str, bool) {
    match limit {
        BounceLimit::SecondWithinDays => ("A second doubt counts within (days)", false),
        BounceLimit::HoldAfter => ("Soft bounces in a row", false),
        BounceLimit::HoldOverDays => ("over at least (days)", false),
        BounceLimit::PauseHardBounces => ("Pause at hard bounces", true),
        BounceLimit::PauseComplaints => ("Pause at complaints", true),
        BounceLimit::WarnComplaints => ("Warn at complaints", true),
    }
}
