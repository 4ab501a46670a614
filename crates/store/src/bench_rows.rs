//! Rows for benchmarks, made by the database itself, and the floor that fan-out is measured against. Only for `tidings bench`, on
//! a database of its own.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use tidings_domain::{SubscriptionStatus, UnixMs};

use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::ledger::months::Month;
use crate::{AnyConn, CampaignId, ListId, Store, StoreResult, Workspace, list_counts};

/// So many domains share the people of a benchmark.
pub const BENCH_DOMAINS: i64 = 40;

/// The domain of the person with that number.
#[must_use]
pub fn bench_domain(number: i64) -> String {
    format!("d{}.bench.example", number.rem_euclid(BENCH_DOMAINS))
}

impl Workspace {
    /// Adds people with the numbers `first` to `last` to the list.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn bench_people(&self, list: ListId, first: i64, last: i64, now: UnixMs) -> StoreResult<()> {
        self.write(move |conn, workspace| {
            let top: Option<i64> = on!(conn, |c| Fixed::<HighestPerson>::new([]).get_result(c))?;
            let instant = Bind::Int(now.0);
            let people = [Bind::Int(first), Bind::Int(last), Bind::Int(workspace.0), instant.clone(), instant];
            on!(conn, |c| Fixed::<MakePeople>::new(people).execute(c))?;
            let subscribed = [Bind::Int(list.0), Bind::Int(top.unwrap_or(0))];
            on!(conn, |c| Fixed::<SubscribeThem>::new(subscribed).execute(c))?;
            list_counts::shift(conn, workspace, list, SubscriptionStatus::Subscribed, last - first + 1)
        })
        .await
    }
}

fixed_sql!(HighestPerson -> Nullable<BigInt>, "SELECT MAX(id) FROM subscribers");

fixed_sql!(MakePeople -> (),
    "WITH RECURSIVE n (i) AS (SELECT CAST(? AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < ?) \
     INSERT INTO subscribers (workspace_id, email, domain, first_name, created_at_ms, updated_at_ms) \
     SELECT CAST(? AS BIGINT), 'person' || i || '@d' || (i % 40) || '.bench.example', 'd' || (i % 40) || '.bench.example', \
     'Ana' || i, CAST(? AS BIGINT), CAST(? AS BIGINT) FROM n");

fixed_sql!(SubscribeThem -> (),
    "INSERT INTO subscriptions (list_id, subscriber_id, workspace_id, status, source, created_at_ms, updated_at_ms) \
     SELECT CAST(? AS BIGINT), id, workspace_id, 'subscribed', 'bench', created_at_ms, created_at_ms FROM subscribers WHERE id > ?");

const _: () = assert!(BENCH_DOMAINS == 40, "the text of MakePeople says so in figures");

impl Store {
    /// The floor of a fan-out: the same rows by one bare statement into a table with the same columns, checks and indexes as the
    /// campaign's part of the ledger. Returns how many rows, and how long it took with its commit. The table is gone afterwards.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn bench_floor(&self, campaign: CampaignId, list: ListId, now: UnixMs) -> StoreResult<(usize, Duration)> {
        self.write_long(move |conn| make_twin(conn, now)).await?;
        let base = if self.is_embedded() { 0 } else { Month::of(now).base() };
        let began = Instant::now();
        let rows = self
            .write_long(move |conn| {
                let binds = [Bind::Int(base), Bind::Int(campaign.0), Bind::Int(now.0), Bind::Int(list.0)];
                Ok(on!(conn, |c| Fixed::<FillTwin>::new(binds).execute(c))?)
            })
            .await?;
        let took = began.elapsed();
        self.write_long(|conn| Ok(conn.batch_execute("DROP TABLE bench_twin")?)).await?;
        Ok((rows, took))
    }
}

fixed_sql!(FillTwin -> (),
    lite: "INSERT INTO bench_twin (route_id, workspace_id, campaign_id, revision_id, subscriber_id, recipient, provider_id, state, updated_at_ms) \
           SELECT NULLIF(?, 0), s.workspace_id, ?, 1, s.id, s.email, 1, 1, ? \
           FROM subscriptions u JOIN subscribers s ON s.id = u.subscriber_id WHERE u.list_id = ? ORDER BY s.id",
    pg: "INSERT INTO bench_twin (id, workspace_id, campaign_id, revision_id, subscriber_id, recipient, provider_id, state, updated_at_ms) \
         SELECT CAST(? AS BIGINT) + nextval('deliveries_number'), s.workspace_id, CAST(? AS BIGINT), 1, s.id, s.email, 1, 1, CAST(? AS BIGINT) \
         FROM subscriptions u JOIN subscribers s ON s.id = u.subscriber_id WHERE u.list_id = ? ORDER BY s.id");

fn make_twin(conn: &mut AnyConn, now: UnixMs) -> StoreResult<()> {
    let texts: Vec<String> = match conn {
        AnyConn::Pg(c) => {
            let month = Month::of(now);
            month.ensure(c)?;
            vec![format!(
                "CREATE TABLE bench_twin (LIKE deliveries_{} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES) \
                 WITH (fillfactor = 70)",
                month.label()
            )]
        }
        AnyConn::Lite(c) => Fixed::<OwnTexts>::new([]).load(c)?,
    };
    for text in texts {
        conn.batch_execute(&text)?;
    }
    Ok(())
}

fixed_sql!(
    /// How SQLite was told to make the ledger, with another name.
    OwnTexts -> Text,
    lite: "SELECT replace(sql, 'deliveries', 'bench_twin') FROM sqlite_master WHERE tbl_name = 'deliveries' AND sql IS NOT NULL \
           ORDER BY type DESC",
    pg: "SELECT ''"
);
