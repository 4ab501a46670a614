//! What came back from one campaign, by class and by provider: from incremental sums, no statement here reads the ledger row by row.

use std::collections::BTreeMap;

use diesel::prelude::*;
use tidings_domain::{BounceClass, DeliveryState, Word};

use crate::campaigns::head;
use crate::schema::{delivery_counts, providers, reply_groups};
use crate::words::Code;
use crate::{AnyConn, CampaignHead, CampaignId, ProviderId, StoreResult, Workspace};

/// Groups of alike refusals that samples are taken from, the largest first.
const SAMPLED_GROUPS: i64 = 400;
/// Samples of one class.
const SAMPLES_OF_A_CLASS: usize = 3;

/// One of the texts of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BounceSample {
    pub provider: String,
    /// Verbatim.
    pub text: String,
    /// Answers like this one, those to attempts that were repeated included.
    pub answers: i64,
}

/// The people of a campaign whose messages ended with one class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClassBounces {
    /// `None`: a reason that is no class.
    pub class: Option<BounceClass>,
    pub hard: i64,
    pub soft: i64,
    pub failed: i64,
    /// The most frequent first.
    pub samples: Vec<BounceSample>,
}

impl ClassBounces {
    #[must_use]
    pub const fn people(&self) -> i64 {
        self.hard + self.soft + self.failed
    }
}

/// A provider's rows of the ledger, by state and class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderBounces {
    pub id: Option<ProviderId>,
    /// Empty: not looked up yet.
    pub name: String,
    pub counts: BTreeMap<DeliveryState, i64>,
    /// Of those that came back; the most frequent first.
    pub classes: Vec<(BounceClass, i64)>,
}

impl ProviderBounces {
    /// Messages that came back.
    #[must_use]
    pub fn bounced(&self) -> i64 {
        self.counts.iter().filter(|(state, _)| state.is_bounce()).map(|(_, n)| n).sum()
    }

    fn complained(&self) -> i64 {
        self.counts.get(&DeliveryState::Complained).copied().unwrap_or(0)
    }
}

/// What came back from a campaign.
#[derive(Debug, Clone)]
pub struct CampaignBounces {
    pub head: CampaignHead,
    pub counts: BTreeMap<DeliveryState, i64>,
    /// The most frequent first. Their sum is what came back.
    pub classes: Vec<ClassBounces>,
    /// Those from which something came back, the most first.
    pub providers: Vec<ProviderBounces>,
}

impl Workspace {
    /// What came back from a campaign, at most `most_providers` of them.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`], and the database's own.
    pub async fn campaign_bounces(&self, id: CampaignId, most_providers: usize) -> StoreResult<CampaignBounces> {
        self.read(move |conn, ws| {
            let head = head(conn, ws, id)?;
            let sums = sums(conn, id)?;
            let mut counts = BTreeMap::new();
            for sum in &sums {
                *counts.entry(sum.state).or_insert(0) += sum.n;
            }
            let mut classes = by_class(&sums);
            for (class, sample) in samples(conn, id)? {
                let place = classes.iter_mut().find(|known| known.class == Some(class));
                if let Some(place) = place.filter(|place| place.samples.len() < SAMPLES_OF_A_CLASS) {
                    place.samples.push(sample);
                }
            }
            let providers = by_provider(conn, &sums, most_providers)?;
            Ok(CampaignBounces { head, counts, classes, providers })
        })
        .await
    }
}

struct Sum {
    provider: i64,
    state: DeliveryState,
    class: Option<BounceClass>,
    n: i64,
}

fn sums(conn: &mut AnyConn, id: CampaignId) -> StoreResult<Vec<Sum>> {
    let rows: Vec<(i64, Code<DeliveryState>, String, i64)> = delivery_counts::table
        .filter(delivery_counts::campaign_id.eq(id.0))
        .select((delivery_counts::provider_id, delivery_counts::state, delivery_counts::detail, delivery_counts::n))
        .load(conn)?;
    let sum = |(provider, state, detail, n): (i64, Code<DeliveryState>, String, i64)| Sum {
        provider,
        state: state.0,
        class: BounceClass::parse(&detail).ok(),
        n,
    };
    Ok(rows.into_iter().map(sum).collect())
}

fn by_class(sums: &[Sum]) -> Vec<ClassBounces> {
    let mut found: Vec<ClassBounces> = Vec::new();
    for sum in sums.iter().filter(|sum| sum.state.is_bounce()) {
        let at = found.iter().position(|known| known.class == sum.class).unwrap_or_else(|| {
            found.push(ClassBounces { class: sum.class, ..ClassBounces::default() });
            found.len() - 1
        });
        match sum.state {
            DeliveryState::HardBounced => found[at].hard += sum.n,
            DeliveryState::SoftBounced => found[at].soft += sum.n,
            _ => found[at].failed += sum.n,
        }
    }
    found.retain(|class| class.people() > 0);
    found.sort_by_key(|class| (std::cmp::Reverse(class.people()), class.class));
    found
}

fn by_provider(conn: &mut AnyConn, sums: &[Sum], most: usize) -> StoreResult<Vec<ProviderBounces>> {
    let mut found: BTreeMap<i64, (ProviderBounces, BTreeMap<BounceClass, i64>)> = BTreeMap::new();
    for sum in sums {
        let (provider, classes) = found.entry(sum.provider).or_default();
        *provider.counts.entry(sum.state).or_insert(0) += sum.n;
        if let Some(class) = sum.class {
            *classes.entry(class).or_insert(0) += sum.n;
        }
    }
    let mut all: Vec<ProviderBounces> = found
        .into_iter()
        .map(|(id, (provider, classes))| ProviderBounces {
            id: Some(ProviderId(id)),
            classes: sorted(classes),
            ..provider
        })
        .filter(|provider| provider.bounced() + provider.complained() > 0)
        .collect();
    all.sort_by_key(|provider| (std::cmp::Reverse(provider.bounced() + provider.complained()), provider.id));
    all.truncate(most);
    let ids: Vec<i64> = all.iter().filter_map(|provider| provider.id).map(|id| id.0).collect();
    let named = providers::table.filter(providers::id.eq_any(ids)).select((providers::id, providers::name));
    let names: BTreeMap<i64, String> = named.load(conn)?.into_iter().collect();
    for provider in &mut all {
        provider.name = provider.id.and_then(|id| names.get(&id.0).cloned()).unwrap_or_default();
    }
    Ok(all)
}

fn sorted(classes: BTreeMap<BounceClass, i64>) -> Vec<(BounceClass, i64)> {
    let mut classes: Vec<(BounceClass, i64)> = classes.into_iter().filter(|(_, n)| *n > 0).collect();
    classes.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    classes
}

fn samples(conn: &mut AnyConn, id: CampaignId) -> StoreResult<Vec<(BounceClass, BounceSample)>> {
    let rows: Vec<(String, String, String, i64)> = reply_groups::table
        .inner_join(providers::table.on(providers::id.eq(reply_groups::provider_id)))
        .filter(reply_groups::campaign_id.eq(id.0))
        .filter(reply_groups::n.gt(0))
        .order((reply_groups::n.desc(), reply_groups::last_at_ms.desc()))
        .limit(SAMPLED_GROUPS)
        .select((reply_groups::class, providers::name, reply_groups::sample, reply_groups::n))
        .load(conn)?;
    let sample = |(class, provider, text, answers): (String, String, String, i64)| {
        Some((BounceClass::parse(&class).ok()?, BounceSample { provider, text, answers }))
    };
    Ok(rows.into_iter().filter_map(sample).collect())
}
