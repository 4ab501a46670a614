//! One sending domain: what to publish, what DNS says, its keys, its end.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use tidings_domain::{
    DkimAlgorithm, DkimKeyState, ROTATION_DUE, ROTATION_OVERLAP, RecordKind, RecordState, SendingDomainState, UnixMs,
    dkim_host, dkim_value, zone_strings,
};
use tidings_store::{DkimKey, DkimKeyId, DomainDetails, DomainRecord, KeyMade, KeyRevoked, SendingDomainId};

use super::domains::make_keys;
use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::inventory::{Access, Entry};
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::problem::WebResult;
use crate::words::Label;

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/settings/domains/{id}", || web::to(show)).with_access(Access::Admin),
    Entry::action("/settings/domains/{id}/check", || web::to(check)).with_access(Access::Admin),
    Entry::action("/settings/domains/{id}/rotate", || web::to(rotate)).with_access(Access::Admin),
    Entry::action("/settings/domains/{id}/keys/{key}/revoke", || web::to(revoke)).with_access(Access::Admin),
    Entry::action("/settings/domains/{id}/remove", || web::to(remove)).with_access(Access::Admin),
];

shows!(DomainPage);

#[derive(Template)]
#[template(path = "settings/domain.html")]
struct DomainPage {
    page: Page,
    details: DomainDetails,
    to_publish: Vec<ToPublish>,
    ended: Vec<DkimKey>,
    is_due: bool,
}

/// A record as its card shows it.
struct ToPublish {
    /// Where its elements are found by the copy buttons.
    id: String,
    title: &'static str,
    why: &'static str,
    kind: &'static str,
    host: String,
    /// Empty when there is nothing of ours to publish.
    value: String,
    /// A TXT value as a zone file holds it, when it is too long for one string.
    zone: String,
    record: Option<DomainRecord>,
    key: Option<DkimKey>,
}

impl ToPublish {
    fn of_key(domain: &str, key: &DkimKey, records: &[DomainRecord]) -> Self {
        let host = dkim_host(&key.selector, domain);
        let value = dkim_value(key.algorithm, &key.public_key);
        let (title, why) = match key.algorithm {
            DkimAlgorithm::Rsa2048 => {
                ("DKIM key (RSA)", "Needed: it proves that mail in this name is yours, to everyone.")
            }
            DkimAlgorithm::Ed25519 => {
                ("DKIM key (Ed25519)", "In addition: short and modern, for receivers that know it.")
            }
        };
        let record = records.iter().find(|record| record.kind == RecordKind::Dkim && record.host == host).cloned();
        let zone = zone_of(&value);
        Self {
            id: format!("key-{}", key.id),
            title,
            why,
            kind: "TXT",
            host,
            value,
            zone,
            record,
            key: Some(key.clone()),
        }
    }

    fn of_record(record: &DomainRecord) -> Option<Self> {
        let (id, title, why, kind) = match record.kind {
            RecordKind::Dkim => return None,
            RecordKind::Spf => ("spf", "SPF", "Says which servers may send with return paths at this name.", "TXT"),
            RecordKind::Dmarc => (
                "dmarc",
                "DMARC",
                "Says what becomes of mail in your name that nobody signed. Large receivers ask for it.",
                "TXT",
            ),
            RecordKind::BounceMx => ("mx", "MX of the return path", "Bounces come back to this name.", "MX"),
        };
        let value = record.expected.clone();
        Some(Self {
            id: id.to_owned(),
            title,
            why,
            kind,
            host: record.host.clone(),
            zone: if kind == "TXT" { zone_of(&value) } else { String::new() },
            value,
            record: Some(record.clone()),
            key: None,
        })
    }

    fn state(&self) -> RecordState {
        self.record.as_ref().map_or(RecordState::Unknown, |record| record.state)
    }

    /// What stands there already needs no text of ours; a key's record is always shown.
    fn shows_value(&self) -> bool {
        !self.value.is_empty() && (self.key.is_some() || self.state() != RecordState::Good)
    }

    /// There is something to publish, to change or to remove.
    fn is_to_do(&self) -> bool {
        let is_retiring = self.key.as_ref().is_some_and(|key| key.state == DkimKeyState::Retiring);
        is_retiring || self.state() != RecordState::Good
    }

    fn key_badge(&self) -> Option<(&'static str, &'static str)> {
        self.key.as_ref().map(|key| match key.state {
            DkimKeyState::Prepared => ("info", "Signs when it is found"),
            DkimKeyState::Active if key.missed_since_ms.is_some() => ("warn", "Signs; not found just now"),
            DkimKeyState::Active if key.published_at_ms.is_some() => ("ok", "Signs"),
            DkimKeyState::Active => ("bad", "Not used: it is not in DNS"),
            DkimKeyState::Retiring => ("neutral", "Retiring"),
            DkimKeyState::Revoked => ("neutral", "Ended"),
        })
    }

    /// Until when a retiring key stays published.
    fn keep_until(&self) -> Option<i64> {
        let key = self.key.as_ref().filter(|key| key.state == DkimKeyState::Retiring)?;
        key.retired_at_ms.map(|at| UnixMs(at).plus(ROTATION_OVERLAP).0)
    }

    /// A key that does not sign can be ended: one that was never published, or one whose time is over.
    fn can_end(&self, now: &UnixMs) -> bool {
        let is_prepared = self.key.as_ref().is_some_and(|key| key.state == DkimKeyState::Prepared);
        is_prepared || self.keep_until().is_some_and(|until| now.0 >= until)
    }
}

/// Only what does not fit into one string needs to be shown in pieces.
fn zone_of(value: &str) -> String {
    const ONE_STRING_OCTETS: usize = 255;
    if value.len() > ONE_STRING_OCTETS { zone_strings(value) } else { String::new() }
}

impl Label for RecordState {
    fn label(&self) -> &'static str {
        match self {
            Self::Unknown => "No answer yet",
            Self::Good => "Found",
            Self::Missing => "Not found",
            Self::Wrong => "Not right",
            Self::Broken => "Cannot be read",
            Self::Several => "More than one",
        }
    }

    fn tone(&self) -> &'static str {
        match self {
            Self::Unknown => "neutral",
            Self::Good => "ok",
            Self::Missing => "warn",
            Self::Wrong | Self::Broken | Self::Several => "bad",
        }
    }
}

impl DomainPage {
    /// Records that are as they should be.
    fn found(&self) -> usize {
        self.to_publish.iter().filter(|item| item.state() == RecordState::Good).count()
    }

    fn of(page: Page, details: DomainDetails) -> Self {
        let domain = details.domain.name.clone();
        let living = details.keys.iter().filter(|key| key.is_living());
        let keys = living.map(|key| ToPublish::of_key(&domain, key, &details.records));
        let to_publish = keys.chain(details.records.iter().filter_map(ToPublish::of_record)).collect();
        let ended = details.keys.iter().filter(|key| !key.is_living()).cloned().collect();
        let is_due = is_rotation_due(&details.keys, page.now);
        Self { page: page.titled(domain, Nav::Settings), details, to_publish, ended, is_due }
    }

    /// A look is wished for or under way: the page asks for itself again.
    fn is_looking(&self) -> bool {
        self.details.domain.next_check_at_ms <= self.page.now.0
    }

    fn is_rotating(&self) -> bool {
        let has = |state| self.details.keys.iter().any(|key| key.state == state);
        has(DkimKeyState::Prepared) && has(DkimKeyState::Active)
    }

    fn state(&self) -> SendingDomainState {
        self.details.domain.state
    }
}

/// A key in use is old, and none of its kind is prepared.
fn is_rotation_due(keys: &[DkimKey], now: UnixMs) -> bool {
    let follows =
        |old: &DkimKey| keys.iter().any(|key| key.state == DkimKeyState::Prepared && key.algorithm == old.algorithm);
    keys.iter()
        .filter(|key| key.state == DkimKeyState::Active && !follows(key))
        .any(|key| key.activated_at_ms.is_some_and(|at| now.since(UnixMs(at)) >= ROTATION_DUE))
}

async fn show(page: Page, state: web::Data<WebState>, id: web::Path<i64>) -> WebResult<HttpResponse> {
    let details = page.data(&state)?.sending_domain(SendingDomainId(*id)).await?;
    DomainPage::of(page, details).show()
}

async fn check(page: Page, state: web::Data<WebState>, id: web::Path<i64>) -> WebResult<HttpResponse> {
    page.data(&state)?.want_domain_check(SendingDomainId(*id), state.now()).await?;
    Ok(see_other(&format!("/settings/domains/{id}")))
}

/// Makes keys that follow those in use; nothing is signed with them before they stand in DNS.
async fn rotate(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
) -> WebResult<HttpResponse> {
    let data = page.data(&state)?;
    let details = data.sending_domain(SendingDomainId(*id)).await?;
    let taken: Vec<String> = details.keys.iter().map(|key| key.selector.clone()).collect();
    let kinds = [DkimAlgorithm::Rsa2048, DkimAlgorithm::Ed25519];
    let keys = make_keys(&state, data.id(), &details.domain.name, &kinds, &taken).await?;
    let (tone, words) = match data.prepare_keys(details.domain.id, keys, state.now()).await? {
        KeyMade::Yes => {
            tracing::info!(user = page.who()?.id.0, domain = *id, "new DKIM keys were prepared");
            (Tone::Ok, "New keys are prepared. Publish their records; they take over when they are found.")
        }
        KeyMade::OnePrepared => (Tone::Warn, "There are prepared keys already. Publish them, or discard them first."),
        KeyMade::TooMany => (Tone::Warn, "There are too many keys. End those that are not needed any more first."),
    };
    flash(&request, tone, words);
    Ok(see_other(&format!("/settings/domains/{id}")))
}

async fn revoke(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<(i64, i64)>,
) -> WebResult<HttpResponse> {
    let (id, key) = path.into_inner();
    match page.data(&state)?.revoke_key(SendingDomainId(id), DkimKeyId(key), state.now()).await? {
        KeyRevoked::Yes(selector) => {
            tracing::info!(user = page.who()?.id.0, domain = id, key, "a DKIM key was ended");
            flash(&request, Tone::Ok, format!("{selector} is ended and its private key destroyed. Remove its record."));
        }
        KeyRevoked::InUse => flash(&request, Tone::Warn, "This key signs. Prepare and publish another one first."),
    }
    Ok(see_other(&format!("/settings/domains/{id}")))
}

async fn remove(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
) -> WebResult<HttpResponse> {
    let name = page.data(&state)?.remove_sending_domain(SendingDomainId(*id)).await?;
    tracing::info!(user = page.who()?.id.0, domain = *id, name, "a sending domain was removed");
    flash(&request, Tone::Ok, format!("{name} is removed and its private keys are destroyed."));
    Ok(see_other("/settings/domains"))
}
