//! `/settings/retries`: how long each lane tries before it gives up.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_domain::{Lane, RetryPolicy};

use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::inventory::{Access, Entry};
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::problem::WebResult;

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/settings/retries", || web::to(show)).with_access(Access::Admin),
    Entry::action("/settings/retries", || web::to(save)).with_access(Access::Admin),
];

shows!(RetriesPage);

#[derive(Template)]
#[template(path = "settings/retries.html")]
struct RetriesPage {
    page: Page,
    given: Given,
    errors: Errors,
}

/// Empty fields leave the lane's own window.
#[derive(Debug, Clone, Deserialize)]
struct Given {
    transactional: String,
    automation: String,
    bulk: String,
}

impl Given {
    fn checked(&self) -> Result<[i32; 3], Errors> {
        let mut errors = Errors::default();
        let hours = [
            hours(&mut errors, "transactional", &self.transactional),
            hours(&mut errors, "automation", &self.automation),
            hours(&mut errors, "bulk", &self.bulk),
        ];
        if errors.is_empty() { Ok(hours) } else { Err(errors) }
    }
}

fn hours(errors: &mut Errors, field: &'static str, text: &str) -> i32 {
    let text = text.trim();
    if text.is_empty() {
        return 0;
    }
    match text.parse::<u32>() {
        Ok(hours) if RetryPolicy::WINDOW_HOURS.contains(&hours) => i32::try_from(hours).unwrap_or(0),
        _ => {
            let (least, most) = (RetryPolicy::WINDOW_HOURS.start(), RetryPolicy::WINDOW_HOURS.end());
            errors.add(field, format!("Give whole hours from {least} to {most}, or nothing."));
            0
        }
    }
}

impl RetriesPage {
    fn hint(&self, lane: &str, what: &str) -> String {
        let lane = match lane {
            "transactional" => Lane::Transactional,
            "automation" => Lane::Automation,
            _ => Lane::Bulk,
        };
        format!("{what} Empty: {} hours.", RetryPolicy::hours_of(lane))
    }
}

async fn show(page: Page, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    let now = page.data(&state)?.details().await?;
    let chosen = |lane| match now.give_up_hours(lane) {
        0 => String::new(),
        hours => hours.to_string(),
    };
    let given = Given {
        transactional: chosen(Lane::Transactional),
        automation: chosen(Lane::Automation),
        bulk: chosen(Lane::Bulk),
    };
    RetriesPage { page: page.titled("Retries", Nav::Settings), given, errors: Errors::default() }.show()
}

async fn save(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    given: web::Form<Given>,
) -> WebResult<HttpResponse> {
    let given = given.into_inner();
    match given.checked() {
        Ok(hours) => {
            page.data(&state)?.save_give_up_hours(hours).await?;
            flash(&request, Tone::Ok, "Saved. It holds from each delivery's next try on.");
            Ok(see_other("/settings/retries"))
        }
        Err(errors) => RetriesPage { page: page.titled("Retries", Nav::Settings), given, errors }.show_errors(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_have_bounds_and_nothing_leaves_the_lanes_own() {
        let given = |bulk: &str| Given { transactional: String::new(), automation: " 24 ".into(), bulk: bulk.into() };
        assert_eq!(given("168").checked().expect("good"), [0, 24, 168]);
        for bad in ["0", "169", "-5", "three"] {
            assert!(given(bad).checked().expect_err("refused").has("bulk"), "{bad}");
        }
    }
}
