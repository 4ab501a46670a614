//! The list of providers.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_domain::Destination;
use tidings_queue::{Snapshot, Standing};

use super::events::{EventRow, event_rows};
use super::standing::{Alert, alerts};
use super::{newest, page_of};
use crate::WebState;
use crate::filters;
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::pages::campaigns::{rate, wording};
use crate::pages::route_names::RouteNames;
use crate::problem::WebResult;
use crate::text::count_of;

const EVENTS_SHOWN: i64 = 20;
/// Destinations in no table that have something to say: those that are held or slowed come first.
const OTHERS_SHOWN: usize = 50;

shows!(ProvidersPage);

#[derive(Template)]
#[template(path = "operations/providers.html")]
struct ProvidersPage {
    page: Page,
    trouble: Option<String>,
    alerts: Vec<Alert>,
    rows: Vec<Row>,
    others: Vec<Row>,
    events: Vec<EventRow>,
}

struct Row {
    name: String,
    label: String,
    hosts: String,
    rate: String,
    connections: i64,
    per_connection: i64,
    is_changed: bool,
    tone: &'static str,
    state: String,
}

#[derive(Deserialize)]
pub(super) struct Wish {
    /// The domain of mail servers that no table knows.
    #[serde(default)]
    mx: String,
}

pub(super) async fn show(page: Page, state: web::Data<WebState>, wish: web::Query<Wish>) -> WebResult<HttpResponse> {
    let domain = wish.mx.trim().trim_end_matches('.').to_lowercase();
    if !domain.is_empty() {
        let plain = domain.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
        return Ok(see_other(&if plain { page_of(&format!("mx:{domain}")) } else { "/providers".to_owned() }));
    }
    let book = newest(&state).await?;
    let seen = state.queue.snapshot().await;
    let now = standing(&seen);
    let events = state.store.pace_events(None, EVENTS_SHOWN).await?;
    let names = RouteNames::read(&state.store).await?;
    let row = |name: &str| {
        let limits = book.table.limits(name);
        let (tone, state) = now.get(name).cloned().unwrap_or(("neutral", "Idle".to_owned()));
        Row {
            label: wording::provider(name),
            hosts: book.table.provider(name).map(|known| known.entry.mx.join(" ")).unwrap_or_default(),
            rate: rate::per_second(limits.per_second),
            connections: limits.connections.into(),
            per_connection: limits.messages_per_connection.into(),
            is_changed: limits != book.base().limits(name),
            name: name.to_owned(),
            tone,
            state,
        }
    };
    let known = book.table.providers().iter().map(|provider| row(&provider.name)).collect();
    let others = now.keys().filter(|name| book.table.provider(name).is_none());
    ProvidersPage {
        trouble: book.trouble.clone(),
        alerts: alerts(state.store.standing_blocks(page.now).await?, &names, &page),
        rows: known,
        others: others
            .filter(|name| !Destination::of(name).is_relay())
            .take(OTHERS_SHOWN)
            .map(|name| row(name))
            .collect(),
        events: event_rows(&events, &names, &page),
        page: page.titled("Providers", Nav::Providers),
    }
    .show()
}

/// The worst that is to be said of each provider over its routes and lanes.
fn standing(seen: &Snapshot) -> BTreeMap<String, (&'static str, String)> {
    let mut worst: BTreeMap<String, (u8, usize)> = BTreeMap::new();
    for shard in &seen.shards {
        let weight = match shard.standing {
            Standing::Held => 3,
            _ if !shard.reduced.is_empty() => 2,
            Standing::Idle => 0,
            _ => 1,
        };
        let entry = worst.entry(Destination::owner_of(&shard.shard.name).to_owned()).or_default();
        *entry = (entry.0.max(weight), entry.1 + shard.ready + shard.delayed + shard.leased);
    }
    let words = |(name, (weight, waiting)): (String, (u8, usize))| {
        let waiting = count_of(i64::try_from(waiting).unwrap_or(i64::MAX), "waits", "wait");
        let said = match weight {
            3 => ("warn", format!("Held, {waiting}")),
            2 => ("warn", format!("Slowed down, {waiting}")),
            1 => ("info", waiting),
            _ => ("neutral", "Idle".to_owned()),
        };
        (name, said)
    };
    worst.into_iter().map(words).collect()
}
