use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::upsert::excluded;
use tidings_domain::UnixMs;

use super::months::Span;
use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::{providers, recipient_domains};
use crate::{AnyConn, CampaignId, ProviderId, Store, StoreError, StoreResult};

/// Rows of one insert: three binds each, far below what either backend takes.
const DOMAINS_PER_INSERT: usize = 1_000;

impl Store {
    /// Domains among the campaign's first `limit` pending rows whose provider is not known (any more). The dispatcher saves
    /// an answer for each, be it a failure's: [`Store::queue_pending`] looks at the same rows and passes over the others.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn domains_to_resolve(&self, campaign: CampaignId, limit: i64, now: UnixMs) -> StoreResult<Vec<String>> {
        self.read(move |conn| {
            let [first, last] = Span::of(conn, campaign)?.binds();
            let binds = [Bind::Int(campaign.0), first, last, Bind::Int(limit), Bind::Int(now.0)];
            Ok(on!(conn, |c| Fixed::<CampaignDomains>::new(binds).load(c))?)
        })
        .await
    }

    /// As [`Store::domains_to_resolve`], for test messages of all campaigns.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn test_domains_to_resolve(&self, limit: i64, now: UnixMs) -> StoreResult<Vec<String>> {
        let binds = [Bind::Int(limit), Bind::Int(now.0)];
        self.read(move |conn| Ok(on!(conn, |c| Fixed::<TestDomains>::new(binds).load(c))?)).await
    }

    /// Saves which provider runs the mail of each domain, until `expires`.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn save_domain_providers(&self, found: Vec<(String, String)>, expires: UnixMs) -> StoreResult<()> {
        self.write(move |conn| {
            let ids = provider_ids(conn, found.iter().map(|(_, provider)| provider.as_str()).collect())?;
            // In the order of domains, and each once: one statement must not touch a row twice.
            let rows: std::collections::BTreeMap<&str, ProviderId> =
                found.iter().filter_map(|(domain, name)| Some((domain.as_str(), *ids.get(name)?))).collect();
            let rows: Vec<_> = rows.into_iter().collect();
            rows.chunks(DOMAINS_PER_INSERT).try_for_each(|chunk| save_chunk(conn, chunk, expires))
        })
        .await
    }
}

macro_rules! domains_text {
    ($rows:literal, $domain:literal) => {
        concat!(
            "SELECT DISTINCT p.domain FROM (SELECT ",
            $domain,
            " AS domain FROM deliveries WHERE ",
            $rows,
            " ORDER BY id LIMIT ?) p LEFT JOIN recipient_domains r ON r.domain = p.domain AND r.expires_at_ms > ? \
             WHERE r.domain IS NULL ORDER BY 1"
        )
    };
}

fixed_sql!(CampaignDomains -> Text,
    lite: domains_text!("campaign_id = ? AND +id BETWEEN ? AND ? AND state = 0 AND state < 10 AND kind = 0",
        "substr(recipient, instr(recipient, '@') + 1)"),
    pg: domains_text!("campaign_id = ? AND id BETWEEN ? AND ? AND state = 0 AND state < 10 AND kind = 0",
        "split_part(recipient, '@', 2)"));

fixed_sql!(TestDomains -> Text,
    lite: domains_text!("kind = 1 AND state = 0", "substr(recipient, instr(recipient, '@') + 1)"),
    pg: domains_text!("kind = 1 AND state = 0", "split_part(recipient, '@', 2)"));

fn provider_ids(conn: &mut AnyConn, names: BTreeSet<&str>) -> StoreResult<HashMap<String, ProviderId>> {
    let known: IdsByName = load_names(conn, &names)?;
    let missing: Vec<_> =
        names.iter().filter(|n| !known.contains_key(**n)).map(|name| providers::name.eq(*name)).collect();
    if missing.is_empty() {
        return Ok(known);
    }
    on!(conn, |c| diesel::insert_into(providers::table).values(&missing).on_conflict_do_nothing().execute(c))?;
    load_names(conn, &names)
}

type IdsByName = HashMap<String, ProviderId>;

fn load_names(conn: &mut AnyConn, names: &BTreeSet<&str>) -> StoreResult<IdsByName> {
    let rows: Vec<(String, ProviderId)> = providers::table
        .filter(providers::name.eq_any(names.iter().copied().collect::<Vec<_>>()))
        .select((providers::name, providers::id))
        .load(conn)?;
    Ok(rows.into_iter().collect())
}

fn save_chunk(conn: &mut AnyConn, chunk: &[(&str, ProviderId)], expires: UnixMs) -> StoreResult<()> {
    let rows: Vec<_> = chunk
        .iter()
        .map(|(domain, provider)| {
            (
                recipient_domains::domain.eq(*domain),
                recipient_domains::provider_id.eq(*provider),
                recipient_domains::expires_at_ms.eq(expires.0),
            )
        })
        .collect();
    on!(conn, |c| diesel::insert_into(recipient_domains::table)
        .values(&rows)
        .on_conflict(recipient_domains::domain)
        .do_update()
        .set((
            recipient_domains::provider_id.eq(excluded(recipient_domains::provider_id)),
            recipient_domains::expires_at_ms.eq(excluded(recipient_domains::expires_at_ms)),
        ))
        .execute(c))?;
    Ok(())
}

/// The names of the providers that a page of jobs names, each allocated once.
pub(crate) fn names(
    conn: &mut AnyConn,
    ids: impl Iterator<Item = ProviderId>,
) -> StoreResult<HashMap<ProviderId, Arc<str>>> {
    let ids: BTreeSet<ProviderId> = ids.collect();
    let mut names = HashMap::new();
    for id in ids {
        let name: Option<String> = providers::table.find(id).select(providers::name).first(conn).optional()?;
        let name =
            name.ok_or_else(|| StoreError::Corrupt(format!("a delivery names provider {id}, which is not there")))?;
        names.insert(id, Arc::from(name));
    }
    Ok(names)
}
