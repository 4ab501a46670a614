//! The rules for a provider's replies: as a row, and adding and removing an own one.

use std::str::FromStr;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_domain::{BounceClass, Knob, PaceKey, ReplyRule, Word};
use tidings_store::{AddedRule, ProviderNote};

use super::show::check_name;
use super::try_reply::key_words;
use super::{newest, page_of};
use crate::WebState;
use crate::bounce_words::class_words;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::pages::campaigns::{rate, wording};
use crate::problem::WebResult;

const MAX_NAME: usize = 60;
const MAX_PATTERN: usize = 1_000;
const MAX_SAMPLES: usize = 4_000;
/// In place of a knob.
const NO_KNOB: &str = "none";

/// A rule, as it is told.
pub(super) struct RuleRow {
    pub name: String,
    /// `421, 4.7.28, text`: what it looks at.
    pub looks_at: String,
    pub text: String,
    pub title: &'static str,
    /// Knob, hold and key, where the rule names them.
    pub follows: String,
    pub is: Vec<String>,
    pub is_not: Vec<String>,
    pub is_removable: bool,
}

pub(super) fn rule_row(rule: &ReplyRule, is_removable: bool) -> RuleRow {
    let class = BounceClass::parse(&rule.class).unwrap_or(BounceClass::Undetermined);
    let looks_at: Vec<&str> = rule.code.iter().chain(&rule.enhanced).chain(&rule.phase).map(String::as_str).collect();
    RuleRow {
        name: rule.name.clone(),
        looks_at: looks_at.join(", "),
        text: rule.text.clone(),
        title: class_words(class).title,
        follows: follows(rule),
        is: rule.is.clone(),
        is_not: rule.is_not.clone(),
        is_removable,
    }
}

fn follows(rule: &ReplyRule) -> String {
    let mut said = Vec::new();
    if let Some(minutes) = rule.hold_minutes {
        said.push(match minutes {
            0 => "no hold".to_owned(),
            minutes => format!("held for {}", rate::about(std::time::Duration::from_secs(60 * minutes))),
        });
    }
    if let Some(knob) = &rule.knob {
        said.push(
            Knob::parse(knob).map_or_else(|_| "no knob turned".to_owned(), |knob| knob_label(knob).to_lowercase()),
        );
    }
    match (rule.divide_by, rule.turn_to) {
        (_, Some(most)) => said.push(format!("turned down to {most}")),
        (Some(by), None) => said.push(format!("divided by {by}")),
        (None, None) => {}
    }
    if let Some(minutes) = rule.stay_minutes {
        said.push(format!("for {} at the least", rate::about(std::time::Duration::from_secs(60 * minutes))));
    }
    if let Some(key) = rule.key.as_deref().and_then(|key| PaceKey::parse(key).ok()) {
        said.push(key_words(key).to_owned());
    }
    wording::capitalised(&said.join(", "))
}

const fn knob_label(knob: Knob) -> &'static str {
    match knob {
        Knob::Rate => "Rate",
        Knob::Connections => "Connections",
        Knob::MessagesPerConnection => "Messages on each connection",
    }
}

shows!(RulePage);

#[derive(Template)]
#[template(path = "operations/provider-rule.html")]
struct RulePage {
    page: Page,
    name: String,
    label: String,
    form: RuleForm,
    errors: Errors,
    /// What is wrong with the rule as a whole.
    faults: Vec<String>,
    /// It was only checked, and is good.
    is_good: bool,
    /// Of each list: word, text, chosen.
    classes: Vec<Choice>,
    knobs: Vec<Choice>,
    keys: Vec<Choice>,
}

type Choice = (&'static str, &'static str, bool);

/// As it was typed.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct RuleForm {
    rule: String,
    text: String,
    code: String,
    enhanced: String,
    class: String,
    knob: String,
    #[serde(default)]
    divide_by: String,
    #[serde(default)]
    turn_to: String,
    #[serde(default)]
    stay_minutes: String,
    hold_minutes: String,
    key: String,
    is: String,
    is_not: String,
    /// It holds for every provider.
    #[serde(default)]
    everybody: String,
    /// Only look, do not save.
    #[serde(default)]
    check: String,
}

#[derive(Deserialize)]
pub(super) struct RemoveForm {
    rule: String,
}

impl RuleForm {
    fn rule(&self, provider: &str, errors: &mut Errors) -> ReplyRule {
        let lines = |text: &str| -> Vec<String> {
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
        };
        let parts = |text: &str| text.split([',', ' ']).filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let some = |word: &str| (!word.is_empty()).then(|| word.to_owned());
        let whole = "A whole number, like 4; or nothing.";
        ReplyRule {
            name: errors.text("rule", &self.rule, MAX_NAME, "Give it a name, like acme-monday.").to_owned(),
            provider: if self.everybody == "yes" { Vec::new() } else { vec![provider.to_owned()] },
            code: parts(&self.code),
            enhanced: parts(&self.enhanced),
            text: errors.text("text", &self.text, MAX_PATTERN, "").to_owned(),
            class: self.class.clone(),
            knob: some(&self.knob),
            divide_by: number("divide_by", &self.divide_by, whole, errors),
            turn_to: number("turn_to", &self.turn_to, whole, errors),
            stay_minutes: number("stay_minutes", &self.stay_minutes, "A whole number of minutes, or nothing.", errors),
            hold_minutes: number(
                "hold_minutes",
                &self.hold_minutes,
                "A whole number of minutes; 0 for no hold; or nothing.",
                errors,
            ),
            key: some(&self.key),
            is: lines(errors.text("is", &self.is, MAX_SAMPLES, "Paste a reply that it must match.")),
            is_not: lines(errors.text("is_not", &self.is_not, MAX_SAMPLES, "Paste a reply that it must not match.")),
            ..ReplyRule::default()
        }
    }
}

/// Nothing where nothing was typed.
fn number<T: FromStr>(field: &'static str, typed: &str, words: &'static str, errors: &mut Errors) -> Option<T> {
    let typed = typed.trim();
    let number = typed.parse().ok();
    if !typed.is_empty() && number.is_none() {
        errors.add(field, words);
    }
    number
}

impl RulePage {
    fn of(page: Page, name: &str, form: RuleForm, errors: Errors) -> Self {
        let choose = |all: Vec<(&'static str, &'static str)>, chosen: &str| -> Vec<Choice> {
            all.into_iter().map(|(word, text)| (word, text, word == chosen)).collect()
        };
        let classes = BounceClass::ALL.iter().map(|class| (class.as_str(), class_words(*class).title));
        let knobs = Knob::ALL.iter().map(|knob| (knob.as_str(), knob_label(*knob)));
        let knobs = std::iter::once(("", "What the meaning turns")).chain(knobs).chain([(NO_KNOB, "None")]);
        let keys = PaceKey::ALL.iter().map(|key| (key.as_str(), key_words(*key)));
        let keys = std::iter::once(("", "As the meaning")).chain(keys);
        Self {
            label: wording::provider(name),
            name: name.to_owned(),
            classes: choose(classes.collect(), &form.class),
            knobs: choose(knobs.collect(), &form.knob),
            keys: choose(keys.collect(), &form.key),
            form,
            errors,
            faults: Vec::new(),
            is_good: false,
            page: page.titled("Add a rule", Nav::Providers),
        }
    }
}

pub(super) async fn new(page: Page, state: web::Data<WebState>, name: web::Path<String>) -> WebResult<HttpResponse> {
    check_name(&newest(&state).await?, &name)?;
    let form = RuleForm { class: BounceClass::Throttled.as_str().to_owned(), ..RuleForm::default() };
    RulePage::of(page, &name, form, Errors::default()).show()
}

pub(super) async fn add(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    name: web::Path<String>,
    form: web::Form<RuleForm>,
) -> WebResult<HttpResponse> {
    let (form, book) = (form.into_inner(), newest(&state).await?);
    check_name(&book, &name)?;
    let mut errors = Errors::default();
    let rule = form.rule(&name, &mut errors);
    if !errors.is_empty() {
        return RulePage::of(page, &name, form, errors).show_errors();
    }
    let rules = book.own_rules().iter().cloned().chain([rule.clone()]).collect();
    if let Err(faults) = book.with_changes(book.entries().to_vec(), rules, book.version) {
        let faults = faults.lines().map(str::to_owned).collect();
        return RulePage { faults, ..RulePage::of(page, &name, form, errors) }.show_errors();
    }
    if !form.check.is_empty() {
        return RulePage { is_good: true, ..RulePage::of(page, &name, form, errors) }.show();
    }
    let note = ProviderNote { by: page.who()?.name.clone(), undoes: None, now: state.now() };
    if state.store.add_reply_rule(rule, note).await? == AddedRule::NameTaken {
        errors.add("rule", "There is a rule with this name already.");
        return RulePage::of(page, &name, form, errors).show_errors();
    }
    tracing::info!(user = page.who()?.id.0, rule = form.rule, "a rule for replies was added");
    flash(&request, Tone::Ok, "Rule added. Every worker reads replies by it within seconds.");
    Ok(see_other(&page_of(&name)))
}

pub(super) async fn remove(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    name: web::Path<String>,
    form: web::Form<RemoveForm>,
) -> WebResult<HttpResponse> {
    let note = ProviderNote { by: page.who()?.name.clone(), undoes: None, now: state.now() };
    state.store.remove_reply_rule(&form.rule, note).await?;
    tracing::info!(user = page.who()?.id.0, rule = form.rule, "a rule for replies was removed");
    flash(&request, Tone::Ok, format!("The rule “{}” is removed.", form.rule));
    Ok(see_other(&page_of(&name)))
}
