//! A draft as a checklist: any row in any order, each with its state, one line and one button.

use tidings_compose::{Level, freeze};
use tidings_store::Campaign;

use super::draft::{address, content_of, kilobytes};
use super::readiness::{Readiness, RowKey};
use crate::text::{count_of, number};

/// One row of the checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub title: &'static str,
    /// A state of the `check_row` macro.
    pub state: &'static str,
    pub detail: String,
    pub href: String,
    pub button: &'static str,
}

pub fn rows(campaign: &Campaign, readiness: &Readiness) -> Vec<Row> {
    let id = campaign.head.id;
    let row = |key: RowKey, title, is_empty: bool, detail: String, href: String| {
        let blocking = readiness.checks.iter().find(|c| c.row == key && c.level == Level::Block);
        let (state, detail, button) = match blocking {
            _ if is_empty => ("now", detail, "Choose"),
            Some(check) => ("bad", check.title.clone(), "Fix"),
            None => ("done", detail, "Change"),
        };
        let href = blocking.map_or(href, |check| check.href.clone());
        Row { title, state, detail, href, button }
    };
    let head = &campaign.head;
    let details = address(id, "/details");
    vec![
        row(
            RowKey::Recipients,
            "Recipients",
            readiness.names(true).is_empty(),
            recipients(readiness),
            address(id, "/recipients"),
        ),
        row(RowKey::From, "From", head.from_email.is_empty(), from(campaign), details.clone()),
        row(RowKey::Subject, "Subject", head.subject.is_empty(), subject(campaign), details),
        row(
            RowKey::Content,
            "Content",
            campaign.content.html.trim().is_empty(),
            content(campaign, readiness),
            address(id, "/content"),
        ),
        row(RowKey::Footer, "Footer", false, footer(readiness), address(id, "/content")),
        row(RowKey::Route, "Sending", readiness.leaving.is_none(), leaving(readiness), address(id, "/details")),
    ]
}

fn recipients(readiness: &Readiness) -> String {
    let included = readiness.names(true);
    if included.is_empty() {
        return "Which lists get it?".to_owned();
    }
    let excluded = readiness.names(false);
    let without = if excluded.is_empty() { String::new() } else { format!(" without {}", excluded.join(", ")) };
    let people = count_of(readiness.audience.recipients(), "person", "people");
    format!("{}{without} · {people}", included.join(", "))
}

fn from(campaign: &Campaign) -> String {
    let head = &campaign.head;
    let reply = match campaign.content.reply_to.as_str() {
        "" => String::new(),
        to => format!(" · replies to {to}"),
    };
    match (head.from_name.as_str(), head.from_email.as_str()) {
        (_, "") => "Who is it from?".to_owned(),
        ("", email) => format!("{email}{reply}"),
        (name, email) => format!("{name} <{email}>{reply}"),
    }
}

fn subject(campaign: &Campaign) -> String {
    let preview = if campaign.content.preview_text.is_empty() { "no preview text" } else { "preview text set" };
    match campaign.head.subject.as_str() {
        "" => "The line that people see first".to_owned(),
        subject => format!("“{subject}” · {preview}"),
    }
}

fn content(campaign: &Campaign, readiness: &Readiness) -> String {
    let body = &campaign.content;
    if body.html.trim().is_empty() {
        return "Write the message".to_owned();
    }
    let draft = content_of(campaign, &readiness.workspace, &readiness.lists);
    let links = freeze(&draft).map(|frozen| frozen.links.len()).ok();
    let links = links.and_then(|n| i64::try_from(n).ok()).map(|n| format!(" · {}", count_of(n, "link", "links")));
    let tracked = match (body.track_opens, body.track_clicks) {
        (true, true) => "opens and clicks counted",
        (true, false) => "opens counted",
        (false, true) => "clicks counted",
        (false, false) => "nothing tracked",
    };
    format!("{}{} · {tracked}", kilobytes(body.html.len()), links.unwrap_or_default())
}

fn footer(readiness: &Readiness) -> String {
    let address: Vec<&str> =
        readiness.workspace.postal_address.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    format!("Unsubscribe link · {}", address.join(", "))
}

fn leaving(readiness: &Readiness) -> String {
    readiness.leaving.as_ref().map_or_else(|| "How does mail leave?".to_owned(), |leaving| leaving.sentence.clone())
}

/// `2 things to do before you can launch`.
pub fn left_to_do(blockers: usize) -> String {
    let n = i64::try_from(blockers).unwrap_or(i64::MAX);
    format!("{} {} to do before you can launch", number(n), if n == 1 { "thing" } else { "things" })
}
