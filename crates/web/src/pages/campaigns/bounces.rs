//! `/campaigns/{id}/bounces`: what came back, by class and by provider. Every number is a sum that moved with the rows.

use actix_web::{HttpResponse, web};
use askama::Template;
use tidings_domain::DeliveryState;
use tidings_store::{CampaignHead, ClassBounces, ProviderBounces, ProviderId};

use super::draft::id_of;
use super::tally::{Tally, percent};
use super::wording;
use crate::WebState;
use crate::bounce_words::{ClassWords, class_words};
use crate::filters;
use crate::page::{Nav, Page, Show};
use crate::pages::bounces::plain;
use crate::problem::WebResult;
use crate::text::number;

/// The providers from which the most came back; the rest is in the sums by class.
const PROVIDERS_SHOWN: usize = 50;
/// Classes named beside a provider.
const CLASSES_NAMED: usize = 3;

#[derive(Template)]
#[template(path = "campaigns/bounces.html")]
struct BouncesPage {
    page: Page,
    head: CampaignHead,
    stats: Vec<(&'static str, i64, String)>,
    classes: Vec<ClassRow>,
    providers: Vec<ProviderRow>,
    is_cut: bool,
}

impl Show for BouncesPage {
    fn page(&self) -> &Page {
        &self.page
    }
}

struct ClassRow {
    words: ClassWords,
    people: i64,
    of_attempted: String,
    /// How they ended: `120 bounced · 3 gave up`.
    ends: String,
    /// Provider, text, answers.
    samples: Vec<(String, String, i64)>,
}

struct ProviderRow {
    id: Option<ProviderId>,
    name: String,
    attempted: i64,
    bounced: i64,
    bounced_percent: String,
    complained: i64,
    classes: Vec<(&'static str, i64)>,
}

/// Failures of our own, which have no class.
const OTHER: ClassWords = ClassWords {
    title: "Failed here",
    meaning: "It did not leave this machine.",
    advice: "The people's page names the reason for each.",
    example: "",
};

pub async fn bounces(page: Page, state: web::Data<WebState>, path: web::Path<i64>) -> WebResult<HttpResponse> {
    let found = page.data(&state)?.campaign_bounces(id_of(&path), PROVIDERS_SHOWN).await?;
    let tally = Tally::new(found.counts.clone());
    BouncesPage {
        page: page.titled(format!("Bounces of {}", found.head.name), Nav::Campaigns),
        stats: stats(&tally),
        classes: found.classes.iter().map(|class| class_row(class, &tally)).collect(),
        providers: found.providers.iter().map(provider_row).collect(),
        is_cut: found.providers.len() == PROVIDERS_SHOWN,
        head: found.head,
    }
    .show()
}

fn stats(tally: &Tally) -> Vec<(&'static str, i64, String)> {
    use DeliveryState as S;
    let attempted = tally.settled();
    let stat = |label, n: i64| (label, n, format!("{} of {} attempted", percent(n, attempted), number(attempted)));
    vec![
        stat("Bounced", tally.of(S::HardBounced)),
        stat("Gave up", tally.of(S::SoftBounced)),
        stat("Failed", tally.of(S::Failed)),
        stat("Complained", tally.of(S::Complained)),
    ]
}

fn class_row(of: &ClassBounces, tally: &Tally) -> ClassRow {
    let ends = [("bounced", of.hard), ("gave up", of.soft), ("failed", of.failed)];
    let ends = ends.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{} {word}", number(*n)));
    ClassRow {
        words: of.class.map_or(OTHER, class_words),
        people: of.people(),
        of_attempted: percent(of.people(), tally.settled()),
        ends: ends.collect::<Vec<_>>().join(" · "),
        samples: of.samples.iter().map(|s| (wording::provider(&s.provider), plain(&s.text), s.answers)).collect(),
    }
}

fn provider_row(of: &ProviderBounces) -> ProviderRow {
    let tally = Tally::new(of.counts.clone());
    ProviderRow {
        id: of.id.filter(|id| id.0 != 0),
        name: wording::provider(&of.name),
        attempted: tally.settled(),
        bounced: tally.bounced(),
        bounced_percent: percent(tally.bounced(), tally.settled()),
        complained: tally.of(DeliveryState::Complained),
        classes: of.classes.iter().take(CLASSES_NAMED).map(|(class, n)| (class_words(*class).title, *n)).collect(),
    }
}
