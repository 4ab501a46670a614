//! What an admin changes. Each change is on record with who made it and how it was.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use tidings_domain::{BounceAction, BounceClass, UnixMs, Word};
use tidings_store::ReportFilter;

use super::MOST_DAYS_AGAIN;
use super::limits::LimitsForm;
use super::show::rules_page;
use crate::WebState;
use crate::bounce_words::class_words;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::page::{Page, Show, see_other};
use crate::problem::{WebError, WebResult};
use crate::text::count_of;

const HERE: &str = "/settings/bounces";

#[derive(Deserialize)]
pub(super) struct TextKey {
    text: String,
}

#[derive(Deserialize)]
pub(super) struct Days {
    days: String,
}

/// One field `action:CLASS` for each class. The button of a row sends `built_in` with its class, and then only that row is changed.
pub(super) async fn save_rules(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    form: web::Form<BTreeMap<String, String>>,
) -> WebResult<HttpResponse> {
    let (data, by) = (page.data(&state)?, &page.who()?.name);
    let wrong = |error: tidings_domain::UnknownWord| WebError::BadRequest(error.to_string());
    let wishes: Vec<(BounceClass, BounceAction)> = match form.get("built_in") {
        Some(word) => {
            let class = BounceClass::parse(word).map_err(wrong)?;
            vec![(class, class.default_action())]
        }
        None => form
            .iter()
            .filter_map(|(name, action)| Some((name.strip_prefix("action:")?, action)))
            .map(|(class, action)| Ok((BounceClass::parse(class)?, BounceAction::parse(action)?)))
            .collect::<Result<_, _>>()
            .map_err(wrong)?,
    };
    if let Some((class, _)) = wishes.iter().find(|(class, _)| !class.is_editable()) {
        let title = class_words(*class).title;
        return Err(WebError::BadRequest(format!("“{title}” is our own fault: no person can be marked for it.")));
    }
    for (class, action) in wishes {
        data.choose_bounce_action(class, action, by, state.now()).await?;
    }
    flash(&request, Tone::Ok, "Rules saved. They hold for what comes from now on, and for what is classified again.");
    Ok(see_other(HERE))
}

pub(super) async fn save_limits(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    form: web::Form<LimitsForm>,
) -> WebResult<HttpResponse> {
    match form.check() {
        Ok(limits) => {
            page.data(&state)?.set_bounce_limits(limits, &page.who()?.name, state.now()).await?;
            flash(&request, Tone::Ok, "Limits saved.");
            Ok(see_other(HERE))
        }
        Err(errors) => rules_page(page, &state, Some(form.into_inner()), errors).await?.show_errors(),
    }
}

pub(super) async fn remove_label(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    form: web::Form<TextKey>,
) -> WebResult<HttpResponse> {
    page.data(&state)?.label_bounce_text(&form.text, None, &page.who()?.name, state.now()).await?;
    flash(
        &request,
        Tone::Ok,
        "The label is taken back. What followed from it stays until its reports are classified again.",
    );
    Ok(see_other(HERE))
}

pub(super) async fn again(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    form: web::Form<Days>,
) -> WebResult<HttpResponse> {
    let days = form.days.trim().parse::<u16>().ok().filter(|days| (1..=MOST_DAYS_AGAIN).contains(days));
    let Some(days) = days else {
        let mut errors = Errors::default();
        errors.add("days", format!("A whole number from 1 to {MOST_DAYS_AGAIN}: older mails are not kept."));
        return rules_page(page, &state, None, errors).await?.show_errors();
    };
    let since = UnixMs(state.now().0 - i64::from(days) * UnixMs::DAY);
    let filter = ReportFilter { since: Some(since), ..ReportFilter::default() };
    let n = page.data(&state)?.read_reports_again(filter, None).await?;
    tracing::info!(user = page.who()?.id.0, days, reports = n, "reports are classified again");
    let n = count_of(i64::try_from(n).unwrap_or(i64::MAX), "report is", "reports are");
    flash(&request, Tone::Ok, format!("{n} classified again by the rules of now; the log shows the progress."));
    Ok(see_other(HERE))
}
