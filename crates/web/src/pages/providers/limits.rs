//! What an operator sets for a provider: its limits, and more mail hosts.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use tidings_bounce::ProviderBook;
use tidings_domain::ProviderEntry;
use tidings_store::ProviderNote;

use super::show::{check_name, provider_page};
use super::{newest, page_of};
use crate::WebState;
use crate::flash::{Tone, flash};
use crate::form::{Errors, sentence};
use crate::page::{Page, Show, see_other};
use crate::problem::WebResult;

const MOST_PER_SECOND: f64 = 1_000.0;
const MOST_CONNECTIONS: u32 = 500;
const MOST_MESSAGES: u32 = 10_000;
/// More mail hosts of one provider.
const MOST_HOSTS: usize = 50;

/// As it was typed. An empty field is what the table has.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct LimitsForm {
    pub per_second: String,
    pub connections: String,
    pub messages_per_connection: String,
    /// One a line.
    #[serde(default)]
    pub mx: String,
}

impl LimitsForm {
    /// What was set on screen before.
    pub fn of(book: &ProviderBook, name: &str) -> Self {
        let entry = book.entries().iter().find(|entry| entry.name == name).cloned().unwrap_or_default();
        let text = |n: Option<u32>| n.map(|n| n.to_string()).unwrap_or_default();
        Self {
            per_second: entry.per_second.map(|n| n.to_string()).unwrap_or_default(),
            connections: text(entry.connections),
            messages_per_connection: text(entry.messages_per_connection),
            mx: entry.mx.join("\n"),
        }
    }

    fn check(&self, name: &str) -> Result<ProviderEntry, Errors> {
        let mut errors = Errors::default();
        let mx = hosts(&self.mx, &mut errors);
        let entry = ProviderEntry {
            name: name.to_owned(),
            per_second: rate(&self.per_second, &mut errors),
            connections: whole("connections", &self.connections, MOST_CONNECTIONS, &mut errors),
            messages_per_connection: whole(
                "messages_per_connection",
                &self.messages_per_connection,
                MOST_MESSAGES,
                &mut errors,
            ),
            // A sample for each, which the table asks for.
            is: mx.iter().map(|host| if host.starts_with('.') { format!("mx{host}") } else { host.clone() }).collect(),
            mx,
            ..ProviderEntry::default()
        };
        if errors.is_empty() { Ok(entry) } else { Err(errors) }
    }
}

fn rate(typed: &str, errors: &mut Errors) -> Option<f64> {
    let typed = typed.trim().replace(',', ".");
    if typed.is_empty() {
        return None;
    }
    let rate = typed.parse::<f64>().ok().filter(|rate| *rate > 0.0 && *rate <= MOST_PER_SECOND);
    if rate.is_none() {
        errors.add("per_second", format!("A number above 0, at most {MOST_PER_SECOND}, like 2.5; or nothing."));
    }
    rate
}

fn whole(field: &'static str, typed: &str, most: u32, errors: &mut Errors) -> Option<u32> {
    let typed = typed.trim();
    if typed.is_empty() {
        return None;
    }
    let number = typed.parse::<u32>().ok().filter(|n| (1..=most).contains(n));
    if number.is_none() {
        errors.add(field, format!("A whole number from 1 to {most}, or nothing."));
    }
    number
}

fn hosts(typed: &str, errors: &mut Errors) -> Vec<String> {
    let lines = typed.lines().map(|line| line.trim().to_lowercase()).filter(|line| !line.is_empty());
    let hosts: Vec<String> = lines.collect();
    let is_host = |host: &String| {
        let plain = host.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
        plain && host.len() <= 253 && host.trim_start_matches('.').contains('.')
    };
    if hosts.len() > MOST_HOSTS {
        errors.add("mx", format!("At most {MOST_HOSTS} lines."));
    }
    if let Some(wrong) = hosts.iter().find(|host| !is_host(host)) {
        let short: String = wrong.chars().take(60).collect();
        errors.add(
            "mx",
            format!("“{short}” is no mail host: .example.net is any host below it, mx.example.net that host alone."),
        );
    }
    hosts
}

pub(super) async fn save(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    name: web::Path<String>,
    form: web::Form<LimitsForm>,
) -> WebResult<HttpResponse> {
    let book = newest(&state).await?;
    check_name(&book, &name)?;
    let checked = form.check(&name).and_then(|entry| {
        let others = book.entries().iter().filter(|other| other.name != entry.name).cloned();
        let entries = others.chain([entry.clone()]).collect();
        match book.with_changes(entries, book.own_rules().to_vec(), book.version) {
            Ok(_) => Ok(entry),
            Err(faults) => {
                let mut errors = Errors::default();
                errors.add("mx", sentence(&faults));
                Err(errors)
            }
        }
    });
    match checked {
        Ok(entry) => {
            let by = page.who()?.name.clone();
            state.store.change_provider(entry, ProviderNote { by, undoes: None, now: state.now() }).await?;
            tracing::info!(user = page.who()?.id.0, provider = name.as_str(), "a provider's limits were changed");
            flash(&request, Tone::Ok, "Saved. Every worker sends by it within seconds.");
            Ok(see_other(&page_of(&name)))
        }
        Err(errors) => provider_page(page, &state, &name, Some(form.into_inner()), errors).await?.show_errors(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(per_second: &str, connections: &str, mx: &str) -> Result<ProviderEntry, Errors> {
        let form = LimitsForm {
            per_second: per_second.into(),
            connections: connections.into(),
            messages_per_connection: String::new(),
            mx: mx.into(),
        };
        form.check("google")
    }

    #[test]
    fn nothing_is_what_the_table_has() {
        assert!(form(" ", "", "\n").expect("nothing is wrong").is_blank());
        let entry = form("2,5", "3", ".Example.NET\nmx.example.org").expect("nothing is wrong");
        assert_eq!((entry.per_second, entry.connections, entry.messages_per_connection), (Some(2.5), Some(3), None));
        assert_eq!(entry.mx, [".example.net", "mx.example.org"]);
        assert_eq!(entry.is, ["mx.example.net", "mx.example.org"]);
    }

    #[test]
    fn what_cannot_be_is_said_at_its_field() {
        for (per_second, connections, mx, field) in [
            ("0", "", "", "per_second"),
            ("1001", "", "", "per_second"),
            ("NaN", "", "", "per_second"),
            ("", "0", "", "connections"),
            ("", "501", "", "connections"),
            ("", "", "com", "mx"),
            ("", "", "a b.example", "mx"),
        ] {
            let errors = form(per_second, connections, mx).expect_err("something is wrong");
            assert!(errors.has(field), "{field}");
        }
    }
}
