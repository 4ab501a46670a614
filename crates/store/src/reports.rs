//! What came back about mail that was sent. It is kept before it is understood: who took it from the world may then forget it.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, SmallInt, Text};
use tidings_domain::{ReportEffect, UnixMs, Word};

use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::reports;
use crate::text::storable;
use crate::{AnyConn, ReportId, Store, StoreResult, WorkspaceId};

/// A report whose reading began so often and never ended is read alone from then on.
const SUSPECT_TRIES: i16 = 2;
/// And after so many times it is left to a person.
const MOST_TRIES: i16 = 5;
/// A report is looked at again so long after it was found to be too early.
const WAIT_MS: i64 = 30_000;

/// By which way a report came.
pub type ReportSource = String;

/// A report as it came.
#[derive(Debug, Clone)]
pub struct NewReport {
    pub received_at: UnixMs,
    /// `smtp`, `imap`, `pop3`, `maildir`, `pipe`, or `webhook:` with the service.
    pub source: ReportSource,
    pub source_name: String,
    /// What is fetched or posted twice comes with the same key, and is kept once.
    pub dedup_key: Option<String>,
    pub mail_from: String,
    pub rcpt_to: String,
    pub size_bytes: i64,
    pub raw: Vec<u8>,
    /// Proven already: a webhook belongs to a workspace.
    pub workspace: Option<WorkspaceId>,
}

/// A report that waits to be read.
#[derive(Debug, Clone, Queryable)]
pub struct UnreadReport {
    pub id: ReportId,
    pub tries: i16,
    pub source: ReportSource,
    pub mail_from: String,
    pub rcpt_to: String,
    pub raw: Vec<u8>,
    pub workspace: Option<WorkspaceId>,
}

impl Store {
    /// Keeps reports, all in one transaction. What is known by its key is not kept again. Returns how many are new.
    ///
    /// # Errors
    /// Nothing is kept: whoever brought them must bring them again.
    pub async fn keep_reports(&self, new: Vec<NewReport>) -> StoreResult<usize> {
        self.write(move |conn| keep(conn, &new.iter().collect::<Vec<_>>())).await
    }

    /// Which of these keys belong to reports that are kept already.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn known_reports(&self, keys: Vec<String>) -> StoreResult<Vec<String>> {
        self.read(move |conn| {
            let mut known = Vec::new();
            for some in keys.chunks(MOST_IDS) {
                let found: Vec<Option<String>> =
                    reports::table.filter(reports::dedup_key.eq_any(some)).select(reports::dedup_key).load(conn)?;
                known.extend(found.into_iter().flatten());
            }
            Ok(known)
        })
        .await
    }

    /// Takes up to `limit` reports to be read, oldest first, and notes that reading them begins. One that a process never came back
    /// from comes alone; one that ended five processes is set aside.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn begin_reading(&self, limit: i64, now: UnixMs) -> StoreResult<Vec<UnreadReport>> {
        self.write(move |conn| {
            wake(conn, now)?;
            let calm: Vec<ReportId> = unread(conn, |tries| tries < SUSPECT_TRIES, limit)?;
            let taken = if calm.is_empty() { unread(conn, |_| true, 1)? } else { calm };
            if taken.is_empty() {
                return Ok(Vec::new());
            }
            let rows = reports::table.filter(reports::id.eq_any(&taken));
            diesel::update(rows).set(reports::tries.eq(reports::tries + 1)).execute(conn)?;
            let mut found: Vec<UnreadReport> = reports::table
                .filter(reports::id.eq_any(taken))
                .order(reports::id)
                .select((
                    reports::id,
                    reports::tries,
                    reports::source,
                    reports::mail_from,
                    reports::rcpt_to,
                    reports::raw,
                    reports::workspace_id,
                ))
                .load(conn)?;
            let poisoned: Vec<ReportId> = found.iter().filter(|r| r.tries > MOST_TRIES).map(|r| r.id).collect();
            found.retain(|report| report.tries <= MOST_TRIES);
            for id in poisoned {
                set_aside(conn, id, "reading it ended the process again and again", now)?;
            }
            Ok(found)
        })
        .await
    }

    /// Leaves a report to a person, with the reason.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn set_report_aside(&self, id: ReportId, why: String, now: UnixMs) -> StoreResult<()> {
        self.write(move |conn| set_aside(conn, id, &why, now)).await
    }

    /// Forgets what is older than `before`: the octets of reports that had a consequence, and the others with all they were.
    /// At most `limit` of each in one step; returns how many there were.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn forget_reports(&self, before: UnixMs, limit: i64) -> StoreResult<usize> {
        self.write(move |conn| {
            let old = || reports::table.filter(reports::received_at_ms.lt(before.0)).filter(reports::state.eq("done"));
            let nobodys: Vec<ReportId> =
                old().filter(reports::delivery_id.is_null()).select(reports::id).limit(limit).load(conn)?;
            let heavy: Vec<ReportId> = old()
                .filter(reports::delivery_id.is_not_null())
                .filter(reports::raw.ne(Vec::new()))
                .select(reports::id)
                .limit(limit)
                .load(conn)?;
            let forgotten = nobodys.len() + heavy.len();
            diesel::delete(reports::table.filter(reports::id.eq_any(nobodys))).execute(conn)?;
            diesel::update(reports::table.filter(reports::id.eq_any(heavy)))
                .set(reports::raw.eq(Vec::new()))
                .execute(conn)?;
            Ok(forgotten)
        })
        .await
    }

    /// Reports that nobody has read yet.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn unread_reports(&self) -> StoreResult<i64> {
        self.read(|conn| {
            let waiting = sql::<Bool>("state IN ('stored', 'again')");
            Ok(reports::table.filter(waiting).count().get_result(conn)?)
        })
        .await
    }
}

/// Rows of one statement: PostgreSQL numbers its parameters with 16 bits, and a row has nine.
const MOST_ROWS: usize = 1_000;

/// Returns how many are new.
pub(crate) fn keep(conn: &mut AnyConn, new: &[&NewReport]) -> StoreResult<usize> {
    let mut kept = 0;
    match conn {
        AnyConn::Pg(c) => {
            for some in new.chunks(MOST_ROWS) {
                let rows: Vec<_> = some.iter().map(|report| Insert::of(report)).collect();
                let query = diesel::insert_into(reports::table).values(rows);
                kept += query.on_conflict(reports::dedup_key).do_nothing().execute(c)?;
            }
        }
        AnyConn::Lite(c) => {
            for row in new.iter().map(|report| Insert::of(report)) {
                let query = diesel::insert_into(reports::table).values(row);
                kept += query.on_conflict(reports::dedup_key).do_nothing().execute(c)?;
            }
        }
    }
    Ok(kept)
}

/// Ids in one statement.
const MOST_IDS: usize = 1_000;

#[derive(Insertable)]
#[diesel(table_name = reports)]
struct Insert<'a> {
    received_at_ms: i64,
    source: &'a str,
    source_name: String,
    dedup_key: Option<&'a str>,
    mail_from: String,
    rcpt_to: String,
    size_bytes: i64,
    raw: &'a [u8],
    workspace_id: Option<WorkspaceId>,
}

impl<'a> Insert<'a> {
    fn of(new: &'a NewReport) -> Self {
        Self {
            received_at_ms: new.received_at.0,
            source: &new.source,
            source_name: storable(&new.source_name).into_owned(),
            dedup_key: new.dedup_key.as_deref(),
            mail_from: storable(&new.mail_from).into_owned(),
            rcpt_to: storable(&new.rcpt_to).into_owned(),
            size_bytes: new.size_bytes,
            raw: &new.raw,
            workspace_id: new.workspace,
        }
    }
}

/// Whoever waited long enough is read again.
fn wake(conn: &mut AnyConn, now: UnixMs) -> StoreResult<()> {
    let due = reports::table.filter(sql::<Bool>("state = 'waiting'")).filter(reports::next_at_ms.le(now.0));
    diesel::update(due)
        .set((reports::state.eq("stored"), reports::next_at_ms.eq(None::<i64>), reports::tries.eq(0)))
        .execute(conn)?;
    Ok(())
}

fn unread(conn: &mut AnyConn, fits: impl Fn(i16) -> bool, limit: i64) -> StoreResult<Vec<ReportId>> {
    let binds = [Bind::Int(2 * limit)];
    let rows: Vec<(ReportId, i16)> = on!(conn, |c| Fixed::<Unread>::new(binds).load(c))?;
    let most = usize::try_from(limit).unwrap_or(0);
    Ok(rows.into_iter().filter(|(_, tries)| fits(*tries)).map(|(id, _)| id).take(most).collect())
}

// In words that the partial index knows.
fixed_sql!(Unread -> (BigInt, SmallInt),
    "SELECT id, tries FROM reports WHERE state IN ('stored', 'again') ORDER BY id LIMIT ?");
fixed_sql!(StateOf -> (Text, Nullable<BigInt>), "SELECT state, workspace_id FROM reports WHERE id = ?");

/// Its state, where `again` tells that consequences of an earlier reading are to be taken back; and the workspace that it belongs to
/// by the way it came, or by its earlier reading.
pub(crate) fn state_of(conn: &mut AnyConn, id: ReportId) -> StoreResult<Option<(String, Option<WorkspaceId>)>> {
    let rows: Vec<(String, Option<WorkspaceId>)> = on!(conn, |c| Fixed::<StateOf>::new([Bind::Int(id.0)]).load(c))?;
    Ok(rows.into_iter().next())
}

pub(crate) fn set_aside(conn: &mut AnyConn, id: ReportId, why: &str, now: UnixMs) -> StoreResult<()> {
    diesel::update(reports::table.find(id.0))
        .set((
            reports::state.eq("set_aside"),
            reports::effect.eq(ReportEffect::SetAside.as_str()),
            reports::words.eq(storable(why)),
            reports::settled_at_ms.eq(now.0),
        ))
        .execute(conn)?;
    Ok(())
}

/// Its delivery has not ended yet: later.
pub(crate) fn wait(conn: &mut AnyConn, id: ReportId, now: UnixMs) -> StoreResult<()> {
    diesel::update(reports::table.find(id.0))
        .set((reports::state.eq("waiting"), reports::next_at_ms.eq(now.0 + WAIT_MS)))
        .execute(conn)?;
    Ok(())
}
