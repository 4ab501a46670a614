//! Reports that were read, as pages show them: a workspace's own, and those of nobody's mail.

use std::collections::BTreeMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use tidings_domain::{BounceClass, ReportEffect, ReportKind, UnixMs, Word};

use crate::schema::{campaigns, providers, reports};
use crate::{AnyConn, CampaignId, DeliveryId, ReportId, Store, StoreResult, SubscriberId, Workspace, WorkspaceId};

/// A report on a page, without its octets.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = reports)]
pub struct ReportRow {
    pub id: ReportId,
    pub received_at_ms: i64,
    pub source: String,
    pub source_name: String,
    pub mail_from: String,
    pub rcpt_to: String,
    pub size_bytes: i64,
    /// `stored`, `again`, `waiting`, `done` or `set_aside`.
    pub state: String,
    pub delivery_id: Option<DeliveryId>,
    pub campaign_id: Option<CampaignId>,
    pub subscriber_id: Option<SubscriberId>,
    pub provider_id: i64,
    pub recipient: String,
    /// A [`ReportKind`]'s word; empty until it is read.
    pub kind: String,
    /// A [`BounceClass`]'s word; empty when it is no bounce.
    pub class: String,
    pub rule: String,
    pub words: String,
    pub text_key: String,
    /// A [`ReportEffect`]'s word.
    pub effect: String,
    pub settled_at_ms: Option<i64>,
}

/// Which reports a page shows. All that is named must agree.
#[derive(Debug, Clone, Default)]
pub struct ReportFilter {
    pub kind: Option<ReportKind>,
    pub class: Option<BounceClass>,
    pub effect: Option<ReportEffect>,
    pub campaign: Option<CampaignId>,
    pub subscriber: Option<SubscriberId>,
    /// Exactly this address.
    pub recipient: Option<String>,
    /// A text that was normalised.
    pub text_key: Option<String>,
    /// Received at this instant or later.
    pub since: Option<UnixMs>,
}

/// The names that a page of reports shows for ids. What was deleted has none.
#[derive(Debug, Clone, Default)]
pub struct ReportNames {
    pub campaigns: BTreeMap<CampaignId, String>,
    pub providers: BTreeMap<i64, String>,
}

impl Store {
    /// Reports of nobody's mail, newest first: forged, foreign, or damaged beyond recognition. They belong to no workspace.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn strangers_reports(&self, before: Option<ReportId>, limit: i64) -> StoreResult<Vec<ReportRow>> {
        self.read(move |conn| {
            let mut query = strangers();
            if let Some(before) = before {
                query = query.filter(reports::id.lt(before));
            }
            Ok(query.order(reports::id.desc()).limit(limit).select(ReportRow::as_select()).load(conn)?)
        })
        .await
    }

    /// How many of nobody's there are, counted up to `most`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn count_strangers(&self, most: i64) -> StoreResult<usize> {
        self.read(move |conn| Ok(strangers().select(reports::id).limit(most).load::<ReportId>(conn)?.len())).await
    }

    /// Has one of nobody's read again, by the rules of now. `false`: it is not there, or its octets are gone.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn read_stranger_again(&self, id: ReportId) -> StoreResult<bool> {
        self.write(move |conn| {
            let own = reports::table.filter(reports::id.eq(id)).filter(reports::workspace_id.is_null());
            let ended = own.filter(reports::state.eq_any(ENDED)).filter(reports::raw.ne(Vec::new()));
            Ok(diesel::update(ended).set((reports::state.eq("again"), reports::tries.eq(0))).execute(conn)? > 0)
        })
        .await
    }

    /// One of nobody's, with its octets.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn strangers_report(&self, id: ReportId) -> StoreResult<Option<(ReportRow, Vec<u8>)>> {
        self.read(move |conn| {
            let query = strangers().filter(reports::id.eq(id));
            Ok(query.select((ReportRow::as_select(), reports::raw)).first(conn).optional()?)
        })
        .await
    }
}

impl Workspace {
    /// Newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn reports(
        &self,
        filter: ReportFilter,
        before: Option<ReportId>,
        limit: i64,
    ) -> StoreResult<Vec<ReportRow>> {
        self.read(move |conn, ws| {
            let mut query = filtered(ws, &filter);
            if let Some(before) = before {
                query = query.filter(reports::id.lt(before));
            }
            Ok(query.order(reports::id.desc()).limit(limit).select(ReportRow::as_select()).load(conn)?)
        })
        .await
    }

    /// One report with its octets, as they came; those are empty when the time of keeping is over.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn report(&self, id: ReportId) -> StoreResult<Option<(ReportRow, Vec<u8>)>> {
        self.read(move |conn, ws| {
            let own = reports::table.filter(reports::workspace_id.eq(ws)).filter(reports::id.eq(id));
            Ok(own.select((ReportRow::as_select(), reports::raw)).first(conn).optional()?)
        })
        .await
    }

    /// The names of the campaigns and providers that these reports are about.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn report_names(&self, rows: &[ReportRow]) -> StoreResult<ReportNames> {
        let named: Vec<CampaignId> = rows.iter().filter_map(|row| row.campaign_id).collect();
        let known: Vec<i64> = rows.iter().map(|row| row.provider_id).collect();
        self.read(move |conn, ws| {
            let own = campaigns::table.filter(campaigns::workspace_id.eq(ws)).filter(campaigns::id.eq_any(named));
            let campaigns: Vec<(CampaignId, String)> = own.select((campaigns::id, campaigns::name)).load(conn)?;
            let met = providers::table.filter(providers::id.eq_any(known)).select((providers::id, providers::name));
            let providers: Vec<(i64, String)> = met.load(conn)?;
            Ok(ReportNames { campaigns: campaigns.into_iter().collect(), providers: providers.into_iter().collect() })
        })
        .await
    }

    /// How many reports the filter names, counted up to `most`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn count_reports(&self, filter: ReportFilter, most: i64) -> StoreResult<usize> {
        self.read(move |conn, ws| {
            let found: Vec<ReportId> = filtered(ws, &filter).select(reports::id).limit(most).load(conn)?;
            Ok(found.len())
        })
        .await
    }

    /// Has the reports that the filter names read again, by the rules and labels of now: what followed from them is taken back, and
    /// what follows now is done. Those whose octets are gone stay as they are. Many are marked in several short transactions, so
    /// that the sending goes on meanwhile. Returns how many there are.
    ///
    /// # Errors
    /// A transaction could not be committed; those of before hold.
    pub async fn read_reports_again(&self, filter: ReportFilter, only: Option<ReportId>) -> StoreResult<usize> {
        let (mut after, mut changed) = (ReportId(0), 0);
        loop {
            let filter = filter.clone();
            let some = self.write(move |conn, ws| mark_again(conn, ws, &filter, only, after)).await?;
            changed += some.len();
            match some.last() {
                Some(last) if some.len() == MOST_IDS => after = *last,
                _ => return Ok(changed),
            }
        }
    }
}

/// Ids in one statement.
const MOST_IDS: usize = 1_000;
/// States of a report that was read.
const ENDED: [&str; 2] = ["done", "set_aside"];

/// Marks the next ones after an id, in the order of ids.
fn mark_again(
    conn: &mut AnyConn,
    ws: WorkspaceId,
    filter: &ReportFilter,
    only: Option<ReportId>,
    after: ReportId,
) -> StoreResult<Vec<ReportId>> {
    let mut query = filtered(ws, filter)
        .filter(reports::state.eq_any(ENDED))
        .filter(reports::raw.ne(Vec::new()))
        .filter(reports::id.gt(after));
    if let Some(only) = only {
        query = query.filter(reports::id.eq(only));
    }
    let most = i64::try_from(MOST_IDS).unwrap_or(i64::MAX);
    let ids: Vec<ReportId> = query.order(reports::id).limit(most).select(reports::id).load(conn)?;
    diesel::update(reports::table.filter(reports::id.eq_any(&ids)))
        .set((reports::state.eq("again"), reports::tries.eq(0)))
        .execute(conn)?;
    Ok(ids)
}

type Boxed<'a> = reports::BoxedQuery<'a, <AnyConn as Connection>::Backend>;

/// What was read and is nobody's. What nobody has read yet may be somebody's.
fn strangers<'a>() -> Boxed<'a> {
    reports::table.filter(reports::workspace_id.is_null()).filter(reports::state.eq_any(ENDED)).into_boxed()
}

/// The literals let the partial indexes serve.
fn filtered<'a>(ws: WorkspaceId, filter: &ReportFilter) -> Boxed<'a> {
    let mut query = reports::table.filter(reports::workspace_id.eq(ws)).into_boxed();
    if let Some(kind) = filter.kind {
        query = query.filter(reports::kind.eq(kind.as_str())).filter(sql::<Bool>("kind <> ''"));
    }
    if let Some(class) = filter.class {
        query = query.filter(reports::class.eq(class.as_str())).filter(sql::<Bool>("class <> ''"));
    }
    if let Some(effect) = filter.effect {
        query = query.filter(reports::effect.eq(effect.as_str())).filter(sql::<Bool>("effect <> ''"));
    }
    if let Some(campaign) = filter.campaign {
        query = query.filter(reports::campaign_id.eq(campaign));
    }
    if let Some(subscriber) = filter.subscriber {
        query = query.filter(reports::subscriber_id.eq(subscriber));
    }
    if let Some(recipient) = &filter.recipient {
        query = query.filter(reports::recipient.eq(recipient.clone())).filter(sql::<Bool>("recipient <> ''"));
    }
    if let Some(key) = &filter.text_key {
        query = query.filter(reports::text_key.eq(key.clone())).filter(sql::<Bool>("text_key <> ''"));
    }
    if let Some(since) = filter.since {
        query = query.filter(reports::received_at_ms.ge(since.0));
    }
    query
}
