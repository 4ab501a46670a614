//! TLS sessions with mail hosts, counted by day as RFC 8460 reports them: by domain, policy, result and host.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel::upsert::excluded;
use tidings_domain::{TlsPolicyType, TlsResult, UnixMs, Word};

use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::tls_sessions;
use crate::schema::tls_sessions::dsl;
use crate::text::storable;
use crate::words::Db;
use crate::{AnyConn, Store, StoreResult};

/// So long the counts are kept, in days.
pub const TLS_SESSIONS_KEPT_DAYS: i32 = 30;
/// What a peer or a library says may be long; a sample needs not be. In characters.
const MAX_DETAIL_CHARS: usize = 500;

/// Sessions that ended alike on one day.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = tls_sessions)]
pub struct TlsSessions {
    /// Days since 1970-01-01, UTC.
    pub day: i32,
    /// The recipient domain.
    pub domain: String,
    #[diesel(deserialize_as = Db<TlsPolicyType>)]
    pub policy: TlsPolicyType,
    #[diesel(deserialize_as = Db<TlsResult>)]
    pub result: TlsResult,
    /// Empty where the policy itself failed.
    pub mx_host: String,
    pub n: i64,
    /// Of the last one; empty where there was none.
    pub sending_ip: String,
    pub receiving_ip: String,
    /// The policy's own words, line by line.
    pub policy_text: String,
    /// What was wrong, in words.
    pub detail: String,
    pub last_at_ms: i64,
}

/// A domain's sessions over the days that are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsDomain {
    pub domain: String,
    pub succeeded: i64,
    pub failed: i64,
}

/// The day of an instant, in days since 1970-01-01, UTC.
#[must_use]
pub fn day_of(at: UnixMs) -> i32 {
    i32::try_from(at.0.div_euclid(UnixMs::DAY)).unwrap_or(0)
}

impl Store {
    /// Adds to the counts.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn add_tls_sessions(&self, sessions: Vec<TlsSessions>) -> StoreResult<()> {
        self.write_again(move |conn| sessions.iter().try_for_each(|row| add(conn, row))).await
    }

    /// Domains since a day, those with most failures first, then those with most sessions.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn tls_domains(&self, since_day: i32, search: &str, limit: i64) -> StoreResult<Vec<TlsDomain>> {
        let pattern = format!("%{}%", search.trim().to_lowercase().replace(['%', '_', '\\'], ""));
        self.read(move |conn| {
            let rows: Vec<Summed> = on!(conn, |c| Fixed::<Domains>::new([
                Bind::Int(since_day.into()),
                Bind::Text(pattern),
                Bind::Int(limit)
            ])
            .load(c))?;
            Ok(rows.into_iter().map(|(domain, succeeded, failed)| TlsDomain { domain, succeeded, failed }).collect())
        })
        .await
    }

    /// One domain's counts since a day, the latest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn tls_sessions_of(&self, domain: String, since_day: i32, limit: i64) -> StoreResult<Vec<TlsSessions>> {
        self.read(move |conn| {
            let rows = dsl::tls_sessions.filter(dsl::domain.eq(domain)).filter(dsl::day.ge(since_day));
            let rows = rows.order((dsl::day.desc(), dsl::n.desc())).limit(limit);
            Ok(rows.select(TlsSessions::as_select()).load(conn)?)
        })
        .await
    }

    /// The counts of one day, of one domain or of all, by domain and policy.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn tls_sessions_on(&self, day: i32, domain: Option<String>, limit: i64) -> StoreResult<Vec<TlsSessions>> {
        self.read(move |conn| {
            let mut rows = dsl::tls_sessions.filter(dsl::day.eq(day)).into_boxed();
            if let Some(domain) = domain {
                rows = rows.filter(dsl::domain.eq(domain));
            }
            let rows = rows.order((dsl::domain, dsl::policy, dsl::result, dsl::mx_host)).limit(limit);
            Ok(rows.select(TlsSessions::as_select()).load(conn)?)
        })
        .await
    }

    /// Removes what is older than [`TLS_SESSIONS_KEPT_DAYS`]. Returns how many counts there were.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn forget_old_tls_sessions(&self, now: UnixMs) -> StoreResult<usize> {
        self.write(move |conn| {
            let old = dsl::tls_sessions.filter(dsl::day.lt(day_of(now) - TLS_SESSIONS_KEPT_DAYS));
            Ok(diesel::delete(old).execute(conn)?)
        })
        .await
    }
}

type Summed = (String, i64, i64);

fixed_sql!(Domains -> (Text, BigInt, BigInt),
    "SELECT domain, CAST(SUM(CASE WHEN result = 'success' THEN n ELSE 0 END) AS BIGINT) AS good, \
     CAST(SUM(CASE WHEN result = 'success' THEN 0 ELSE n END) AS BIGINT) AS bad \
     FROM tls_sessions WHERE day >= ? AND domain LIKE ? GROUP BY domain ORDER BY bad DESC, good DESC, domain LIMIT ?");

fn add(conn: &mut AnyConn, row: &TlsSessions) -> StoreResult<()> {
    let detail: String = storable(&row.detail).chars().take(MAX_DETAIL_CHARS).collect();
    let values = (
        dsl::day.eq(row.day),
        dsl::domain.eq(&row.domain),
        dsl::policy.eq(row.policy.as_str()),
        dsl::result.eq(row.result.as_str()),
        dsl::mx_host.eq(&row.mx_host),
        dsl::n.eq(row.n),
        dsl::sending_ip.eq(&row.sending_ip),
        dsl::receiving_ip.eq(&row.receiving_ip),
        dsl::policy_text.eq(storable(&row.policy_text)),
        dsl::detail.eq(detail),
        dsl::last_at_ms.eq(row.last_at_ms),
    );
    on!(conn, |c| diesel::insert_into(tls_sessions::table)
        .values(values)
        .on_conflict((dsl::day, dsl::domain, dsl::policy, dsl::result, dsl::mx_host))
        .do_update()
        .set((
            dsl::n.eq(dsl::n + excluded(dsl::n)),
            dsl::sending_ip.eq(excluded(dsl::sending_ip)),
            dsl::receiving_ip.eq(excluded(dsl::receiving_ip)),
            dsl::policy_text.eq(excluded(dsl::policy_text)),
            dsl::detail.eq(excluded(dsl::detail)),
            dsl::last_at_ms.eq(excluded(dsl::last_at_ms)),
        ))
        .execute(c))?;
    Ok(())
}
